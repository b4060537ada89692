"""Replies are read the same however they are cut up, and nothing else is ever read as one."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.breaks import NotSmtp
from relay.delivery.reply_reader import take_reply

Reading = tuple[int, str] | str | None


def read(octets: bytes, cuts: list[int]) -> Reading:
    """The first reply in `octets` when they arrive in pieces cut at `cuts`."""
    buffer = bytearray()
    borders = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts)})
    for start, end in pairwise(borders):
        buffer += octets[start:end]
        try:
            reply = take_reply(buffer)
        except NotSmtp:
            return "not SMTP"
        if reply is not None:
            return reply
    return None


CUTS = st.lists(st.integers(0, 999), max_size=6)
TEXT = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=30)


@given(st.integers(200, 599), st.lists(TEXT, min_size=1, max_size=5), CUTS)
def test_a_reply_is_read_whole_from_any_pieces(code: int, texts: list[str], cuts: list[int]) -> None:
    *firsts, last = texts
    lines = [f"{code}-{text}" for text in firsts] + [f"{code} {last}"]
    octets = "".join(f"{line}\r\n" for line in lines).encode()
    assert read(octets, cuts) == (code, "\n".join(texts))


@given(st.binary(max_size=200), CUTS)
def test_any_octets_mean_the_same_however_they_are_cut(octets: bytes, cuts: list[int]) -> None:
    """And they never raise anything but NotSmtp."""
    assert read(octets, cuts) == read(octets, [])


@pytest.mark.parametrize("octets", [b"250 " + b"x" * 8200 + b"\r\n", b"250-x\r\n" * 5000, b"y" * 40_000])
def test_a_reply_has_a_greatest_size(octets: bytes) -> None:
    assert read(octets, []) == "not SMTP"


@pytest.mark.parametrize(
    "octets", [b"", b"2", b"250", b"250 ok", b"250 ok\r", b"250-ok\r\n", b"250-ok\r\n250"]
)
def test_half_a_reply_is_none_yet(octets: bytes) -> None:
    assert take_reply(bytearray(octets)) is None


def test_what_follows_a_reply_stays() -> None:
    buffer = bytearray(b"250 ok\r\n550 no\r\n")
    assert take_reply(buffer) == (250, "ok")
    assert buffer == b"550 no\r\n"
