"""Tokens: what we signed is read again, at its host and for its purpose, and nothing else is."""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.address import parse_address
from relay.clock import SystemClock
from relay.ids import new_id
from relay.tracking import leaving, tokens
from relay.tracking.leaving import Leave
from relay.tracking.tokens import LONGEST, Token

SECRET = b"s" * 32
HOST = "links.ours.test"
ID = new_id("msg", SystemClock())
LONG = "https://shop.example/" + "".join(chr(33 + place * 7 % 90) for place in range(600))


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_what_was_signed_is_read_again(text: str) -> None:
    token = Token(ID, text)
    signed = tokens.sign(token, SECRET, "click", HOST)
    assert set(signed) <= set(string.ascii_letters + string.digits + "-_")
    assert tokens.verify(signed, SECRET, "click", HOST) == token
    assert tokens.verify(signed, SECRET, "click", HOST.upper()) == token


def test_an_address_of_usual_length_makes_a_short_token() -> None:
    signed = tokens.sign(Token(ID, "https://shop.example/orders/4711?from=mail"), SECRET, "click", HOST)
    assert len(signed) < 100


def test_it_is_for_one_purpose_at_one_host_by_one_secret() -> None:
    signed = tokens.sign(Token(ID, "https://shop.example/"), SECRET, "click", HOST)
    assert tokens.verify(signed, SECRET, "open", HOST) is None
    assert tokens.verify(signed, SECRET, "unsubscribe", HOST) is None
    assert tokens.verify(signed, SECRET, "click", "links.theirs.test") is None
    assert tokens.verify(signed, SECRET, "click", "") is None
    assert tokens.verify(signed, b"t" * 32, "click", HOST) is None


def test_one_character_more_less_or_other_proves_nothing() -> None:
    signed = tokens.sign(Token(ID, "https://shop.example/"), SECRET, "click", HOST)
    for place, char in enumerate(signed):
        other = "A" if char != "A" else "B"
        assert tokens.verify(signed[:place] + other + signed[place + 1 :], SECRET, "click", HOST) is None
        assert tokens.verify(signed[:place], SECRET, "click", HOST) is None
    for wrong in (signed + "A", signed + "=", f" {signed}", signed + "\n", signed.replace("-", "+") + "/"):
        assert tokens.verify(wrong, SECRET, "click", HOST) is None


def test_a_spelling_that_is_not_ours_is_none_of_ours() -> None:
    """Base64 leaves bits over: only one of the spellings of the same octets is the token."""
    signed = next(
        made
        for text in ("a", "ab", "abc")
        if len(made := tokens.sign(Token(ID, text), SECRET, "open", HOST)) % 4
    )
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    octets = base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4))
    twins = [
        signed[:-1] + char
        for char in alphabet
        if base64.urlsafe_b64decode(signed[:-1] + char + "=" * (-len(signed) % 4)) == octets
    ]
    assert len(twins) > 1
    assert [twin for twin in twins if tokens.verify(twin, SECRET, "open", HOST)] == [signed]


@given(
    st.one_of(
        st.text(max_size=80), st.binary(max_size=80).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
    )
)
def test_nothing_else_is_ever_one(text: str) -> None:
    assert tokens.verify(text, SECRET, "click", HOST) is None


def test_what_is_too_long_is_not_signed() -> None:
    assert len(tokens.sign(Token(ID, LONG), SECRET, "click", HOST)) <= LONGEST
    with pytest.raises(ValueError, match="more than a token"):
        tokens.sign(
            Token(ID, "https://shop.example/" + "".join(map(chr, range(256, 1400)))), SECRET, "click", HOST
        )
    with pytest.raises(ValueError, match="not the id of a message"):
        tokens.sign(Token("evt_1", ""), SECRET, "open", HOST)


def test_who_leaves_is_in_the_token_and_the_message_in_the_address() -> None:
    leave = Leave("ten_default", ID, parse_address("Änn@far.example"), "Weekly “news”")
    signed = leaving.sign(leave, SECRET, HOST)
    assert leaving.verify(signed, SECRET, HOST) == leave
    assert leaving.verify(signed, SECRET, "theirs.test") is None
    assert leaving.verify(tokens.sign(Token(ID, "[1]"), SECRET, "unsubscribe", HOST), SECRET, HOST) is None
    address = leaving.address_of(ID, SECRET, "bounces.ours.test")
    assert len(address.local_part) <= 64
    assert leaving.message_of(parse_address(str(address).upper()), SECRET) == ID
    assert leaving.message_of(address, b"t" * 32) is None
    assert leaving.message_of(parse_address(f"u+{ID}@ours.test"), SECRET) is None
