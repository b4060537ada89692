"""An answer stays in its conversation, goes to the right people and quotes what it answers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.message.compose import Composition, compose
from relay.message.person import Person
from relay.message.reply import (
    Letter,
    canonical_subject,
    forward_html,
    forward_subject,
    forward_text,
    is_among,
    is_forward,
    quote_html,
    quote_text,
    recipients_of_reply,
    references_for,
    reply_subject,
)

OWN = is_among(["app@ours.test", "Help@ours.test"])
APP, HELP = Person("app@ours.test", "App"), Person("help+r.x@ours.test")
ANN, BOB, CARL = Person("ann@far.test", "Ann"), Person("bob@far.test"), Person("carl@far.test")
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("subject", "reply", "forward", "canonical"),
    [
        ("Order 7", "Re: Order 7", "Fwd: Order 7", "order 7"),
        ("Re: Order 7", "Re: Order 7", "Fwd: Re: Order 7", "order 7"),
        ("RE: Re: RE:Order 7", "Re: Order 7", "Fwd: RE: Re: RE:Order 7", "order 7"),
        ("AW: Antw: SV: Order 7", "Re: Order 7", "Fwd: AW: Antw: SV: Order 7", "order 7"),
        ("Re[2]: Order 7", "Re: Order 7", "Fwd: Re[2]: Order 7", "order 7"),
        ("Re(3) : Order 7", "Re: Order 7", "Fwd: Re(3) : Order 7", "order 7"),
        ("回复：Order 7", "Re: Order 7", "Fwd: 回复：Order 7", "order 7"),
        ("=?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=", "Re: Grüße", "Fwd: Re: Grüße", "grüsse"),
        ("Fwd: Order 7", "Re: Fwd: Order 7", "Fwd: Order 7", "order 7"),
        ("WG: FW: Re: Order 7", "Re: WG: FW: Re: Order 7", "Fwd: Re: Order 7", "order 7"),
        ("Re: [list] Re: Order  7", "Re: [list] Order 7", "Fwd: Re: [list] Re: Order 7", "order 7"),
        ("[list] Order 7 (fwd)", "Re: [list] Order 7 (fwd)", "Fwd: [list] Order 7 (fwd)", "order 7"),
        ("[ticket 9]", "Re: [ticket 9]", "Fwd: [ticket 9]", "[ticket 9]"),
        ("Regarding: us", "Re: Regarding: us", "Fwd: Regarding: us", "regarding: us"),
        ("", "Re:", "Fwd:", ""),
        ("Re:", "Re:", "Fwd: Re:", ""),
        ("a\r\nBcc: x", "Re: a Bcc: x", "Fwd: a Bcc: x", "a bcc: x"),
    ],
)
def test_a_subject_gets_one_prefix(subject: str, reply: str, forward: str, canonical: str) -> None:
    assert reply_subject(subject) == reply
    assert reply_subject(reply) == reply
    assert forward_subject(subject) == forward
    assert forward_subject(forward) == forward
    assert canonical_subject(subject) == canonical


@pytest.mark.parametrize("subject", ["Fwd: x", "WG: Re: x", "=?utf-8?q?TR=3A_x?=", "fw:x"])
def test_a_forward_is_known_by_its_subject(subject: str) -> None:
    assert is_forward(subject)
    assert not is_forward(f"Re: {subject}")


@given(st.text(), st.sampled_from(["Re: ", "AW: ", "Fwd: ", "[x] ", "RE[3]:"]))
def test_any_subject_can_be_answered(subject: str, prefix: str) -> None:
    for made in (reply_subject(prefix + subject), forward_subject(prefix + subject)):
        compose(Composition(sender=APP, to=(ANN,), subject=made, text=""))
    assert not reply_subject(prefix + subject).lower().startswith("re: re:")
    assert canonical_subject(reply_subject(subject)) == canonical_subject(subject)


def test_references_are_the_parents_and_the_parent() -> None:
    assert references_for("<c@x>", ["<a@x>", "<b@x>"]) == ("<a@x>", "<b@x>", "<c@x>")
    assert references_for("<c@x>", []) == ("<c@x>",)


def test_references_name_each_once_and_the_parent_last() -> None:
    assert references_for("<b@x>", ["<a@x>", "<b@x>", "<a@x>"]) == ("<a@x>", "<b@x>")


def test_what_is_no_id_does_not_get_into_references() -> None:
    assert references_for("", ["a@x", "<a b@x>", "<ok@x>", "<\r\n@x>"]) == ("<ok@x>",)


def test_a_long_chain_keeps_its_root_and_its_end() -> None:
    chain = [f"<{place}@x>" for place in range(500)]
    kept = references_for("<parent@x>", chain)
    assert kept[0] == "<0@x>"
    assert kept[-3:] == ("<498@x>", "<499@x>", "<parent@x>")
    assert len(kept) == 21


def letter(**facts: object) -> Letter:
    return Letter(**{"sender": ANN, "to": (APP, BOB), "cc": (CARL, HELP), **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "everyone", "to", "cc"),
    [
        (letter(), False, (ANN,), ()),
        (letter(), True, (ANN,), (BOB, CARL)),
        (letter(reply_to=(BOB,)), False, (BOB,), ()),
        (letter(reply_to=(BOB,)), True, (BOB,), (CARL,)),
        (letter(to=(APP, Person("ANN@far.test"), BOB, BOB)), True, (ANN,), (BOB, CARL)),
        (letter(sender=APP, to=(ANN, BOB), is_ours=True), False, (ANN, BOB), ()),
        (letter(sender=APP, to=(ANN, BOB), is_ours=True), True, (ANN, BOB), (CARL,)),
        (letter(sender=APP, reply_to=(HELP,), to=(ANN,), is_ours=True), False, (ANN,), ()),
        (letter(sender=APP, to=(), cc=(CARL,), is_ours=True), False, (CARL,), ()),
        (letter(sender=HELP, to=(APP, BOB)), False, (BOB,), ()),
        (letter(sender=APP, to=(APP,), cc=()), False, (APP,), ()),
        (letter(sender=ANN, to=(APP,), cc=()), True, (ANN,), ()),
        (letter(sender=Person("not an address"), reply_to=(), to=(APP, BOB)), False, (BOB,), ()),
    ],
)
def test_an_answer_goes_to_whom_it_should(
    said: Letter, everyone: bool, to: tuple[Person, ...], cc: tuple[Person, ...]
) -> None:
    assert recipients_of_reply(said, OWN, everyone=everyone) == (to, cc)


def test_a_quoted_text_names_its_author_and_nests() -> None:
    assert quote_text("Hello\r\n\r\n> older\r\n-- \r\nAnn\r\n", ANN, AT) == (
        "On Mon, 02 Mar 2026 09:00:00 +0000, Ann <ann@far.test> wrote:\n> Hello\n>\n>> older\n> -- \n> Ann\n"
    )
    assert quote_text("x", Person("", "a\nb"), None).startswith("a b <> wrote:\n> x")


@pytest.mark.parametrize(
    "document",
    [
        "<p>Hi",
        "<!DOCTYPE html><html><head><title>t</title></head><BODY class=x><p>Hi</body></html>",
        '<html lang="en"><p>Hi</html>',
    ],
)
def test_quoted_html_is_the_content_of_its_document(document: str) -> None:
    quoted = quote_html(document, Person("a@b.test", "<script>"), AT)
    assert "><p>Hi</blockquote></div>" in quoted
    assert "&lt;script&gt; &lt;a@b.test&gt; wrote:" in quoted


def test_a_forward_says_what_it_forwards() -> None:
    said = letter(subject="Order\r\n7 <b>", at=AT, cc=())
    assert forward_text("Hello\r\n", said) == (
        "---------- Forwarded message ---------\nFrom: Ann <ann@far.test>\n"
        "Date: Mon, 02 Mar 2026 09:00:00 +0000\nSubject: Order 7 <b>\n"
        "To: App <app@ours.test>, bob@far.test\n\nHello\n"
    )
    made = forward_html("<body><p>Hello</body>", said)
    assert "<b>Subject:</b> Order 7 &lt;b&gt;<br>" in made
    assert made.endswith("<br><p>Hello</div>")
