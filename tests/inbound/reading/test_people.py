"""Whom address lists mean, however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound.reading.people import _ONE, MAX_PEOPLE, _read_list, read_people
from relay.message.person import Person


@pytest.mark.parametrize(
    ("value", "people"),
    [
        ("ann@ours.test", [Person("ann@ours.test")]),
        ('"Doe, John" <j@far.example>, x@y.test', [Person("j@far.example", "Doe, John"), Person("x@y.test")]),
        ("Doe, John <j@far.example>", [Person("j@far.example", "Doe, John")]),
        ("John Q. Public <j@far.example>", [Person("j@far.example", "John Q. Public")]),
        ("j@far.example (John (Jack) Doe)", [Person("j@far.example", "John (Jack) Doe")]),
        ("John j@far.example", [Person("j@far.example", "John")]),
        ("=?utf-8?q?J=2C_D?= <j@far.example>", [Person("j@far.example", "J, D")]),
        ("'Ann' <ann@ours.test>;bob@ours.test", [Person("ann@ours.test", "Ann"), Person("bob@ours.test")]),
        ("Team: a@b.test, c@d.test;, e@f.test", [Person("a@b.test"), Person("c@d.test"), Person("e@f.test")]),
        ("undisclosed-recipients:;", []),
        ("<@relay.test,@b.test:ann@ours.test>", [Person("ann@ours.test")]),
        ("<ann@ours.test, bob@ours.test>", [Person("ann@ours.test"), Person("bob@ours.test")]),
        ("ann @ ours . test", [Person("ann@ours.test")]),
        ("mailto:ann@ours.test", [Person("ann@ours.test")]),
        ('"a b"@c.test', []),
        ('"ab"@c.test', [Person('"ab"@c.test')]),
        ("ann..x.@docomo.example", [Person("ann..x.@docomo.example")]),
        ("ann@[192.0.2.1]", [Person("ann@[192.0.2.1]")]),
        ("a@[", [Person("", "a@[")]),
        ('"', []),
        ("<", []),
        ("", []),
        ("=?utf-8?q?a=40b.test?= <>", [Person("", "a@b.test")]),
        ("=?utf-8?q?x?=@b.test", [Person("", "x@b.test")]),
        ("\u202eann@ours.test", [Person("", "\u202eann@ours.test")]),
        ('"a@b.test" <c@d.test>', [Person("c@d.test", "a@b.test")]),
    ],
)
def test_a_list_names(value: str, people: list[Person]) -> None:
    named = [person for person in people if person.address]
    found, is_whole = read_people(value)
    assert [person for person in found if person.address] == named
    assert is_whole
    if people and named == people:
        assert found == people


@given(st.from_regex(_ONE, fullmatch=True))
def test_one_mailbox_is_read_as_a_list_of_one(value: str) -> None:
    assert read_people(value) == _read_list(value)


def test_names_are_one_line_without_control_characters() -> None:
    [person], _ = read_people("=?utf-8?q?a=0d=0aBcc:_x=00?= <a@b.test>")
    assert person.name.isprintable()


@pytest.mark.parametrize("mark", ["(", ")", '"', '"\\', "<", ">", ",", "a@b:", "((a)", "a@b <"])
def test_five_hundred_of_anything_are_read(mark: str) -> None:
    people, _ = read_people(mark * 500 + ", ann@ours.test")
    assert len(people) <= MAX_PEOPLE


def test_a_list_without_end_is_cut_and_said() -> None:
    people, is_whole = read_people("a@b.test, " * 30_000)
    assert len(people) == MAX_PEOPLE
    assert not is_whole
