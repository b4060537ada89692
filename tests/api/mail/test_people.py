"""People as requests name them: what is meant, and which of them is wrong."""

from typing import Any

import pytest

from api.mail.people import Named, people_of
from api.problems import Problem
from relay.message.person import Person


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("bob@far.example", Person("bob@far.example")),
        ("Bob <bob@far.example>", Person("bob@far.example", "Bob")),
        ('"Smith, Bob" <bob@far.example>', Person("bob@far.example", "Smith, Bob")),
        ('"Bob \\"B\\" Smith" <bob@far.example>', Person("bob@far.example", 'Bob "B" Smith')),
        ('"a <b" <bob@far.example>', Person("bob@far.example", "a <b")),
        ("Bob Q. Smith <bob@far.example>", Person("bob@far.example", "Bob Q. Smith")),
        ("Jörg <jörg@bücher.example>", Person("jörg@xn--bcher-kva.example", "Jörg")),
        ("<bob@far.example>", Person("bob@far.example")),
        ('"odd name"@far.example', None),
        (Named(address="bob@FAR.example", name="Bob"), Person("bob@far.example", "Bob")),
    ],
)
def test_one_person(given: Any, meant: Person | None) -> None:
    if meant is None:
        with pytest.raises(Problem):
            people_of(given, "$.to")
    else:
        assert people_of(given, "$.to") == (meant,)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("Name <bad", "$.to"),
        ("", "$.to"),
        ("ann@far.example, bob@far.example", "$.to"),
        ("nobody:;", "$.to"),
        ("Bob\r\nBcc: eve@far.example <bob@far.example>", "$.to"),
        (["ann@far.example", "Name <bad"], "$.to[1]"),
        (["ann@far.example", Named(address="bad")], "$.to[1].address"),
        ([Named(address="a@b.example", name="x\r\nBcc: eve@far.example")], "$.to[0].name"),
        (Named(address="a@b.example", name="\u2028"), "$.to.name"),
        (Named(address="a\n@b.example"), "$.to.address"),
    ],
)
def test_the_wrong_one_is_named(given: Any, path: str) -> None:
    with pytest.raises(Problem) as caught:
        people_of(given, "$.to")
    (error,) = caught.value.errors
    assert (caught.value.status, error.path) == (422, path)


def test_a_text_that_is_no_address_is_quoted_in_the_answer() -> None:
    with pytest.raises(Problem, match="'Name <bad'"):
        people_of("Name <bad", "$.to")
