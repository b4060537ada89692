"""The canonical forms equal dkimpy's, whatever the octets and whatever the chunks."""

import hashlib

import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.message.canonical import RelaxedBodyHash, relaxed_header

_BITS = st.sampled_from(
    [
        b"\r\n",
        b" ",
        b"\t",
        b"\r\n\r\n",
        b" \r\n",
        b"\t \r\n",
        b"a",
        b"word",
        b".",
        b"\xff",
        b"  \t ",
        b"\r",
        b"\n",
    ]
)
_OCTETS = st.lists(st.one_of(_BITS, _BITS, st.binary(max_size=8)), max_size=40).map(b"".join)


def _digest(chunks: list[bytes]) -> bytes:
    body_hash = RelaxedBodyHash()
    for chunk in chunks:
        body_hash.update(chunk)
    return body_hash.digest()


def _cut(octets: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(octets) + 1) for cut in cuts} | {len(octets)})
    return [octets[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@settings(max_examples=400)
@given(_OCTETS, st.lists(st.integers(0, 1000), max_size=12))
def test_body_hash_equals_the_oracle_in_any_chunks(octets: bytes, cuts: list[int]) -> None:
    body = octets + b"\r\n"
    expected = hashlib.sha256(Relaxed.canonicalize_body(body)).digest()

    assert _digest(_cut(body, cuts)) == expected
    assert _digest([bytes([octet]) for octet in body]) == expected


@settings(max_examples=200)
@given(st.lists(_BITS, max_size=20).map(b"".join), st.lists(st.integers(0, 100), max_size=6))
def test_a_last_line_without_crlf_counts_as_if_it_had_one(octets: bytes, cuts: list[int]) -> None:
    assert _digest(_cut(octets, cuts)) in (_digest([octets + b"\r\n"]), _digest([octets]))
    if octets and not octets.endswith(b"\r\n"):
        assert _digest([octets]) == _digest([octets + b"\r\n"])


@pytest.mark.parametrize(
    "body",
    [b"", b"\r\n", b"\r\n\r\n\r\n", b" \t\r\n \r\n", b"   "],
    ids=["nothing", "a line end", "line ends", "blank lines", "blanks"],
)
def test_a_body_without_text_is_empty(body: bytes) -> None:
    assert _digest([body]) == hashlib.sha256(b"").digest()


def test_the_standards_example() -> None:
    body = b" C \r\nD \t E\r\n\r\n\r\n"  # RFC 6376 §3.4.5

    assert _digest([body]) == hashlib.sha256(b" C\r\nD E\r\n").digest()
    assert relaxed_header(b"A: X\r\n") + relaxed_header(b"B : Y\t\r\n\tZ  \r\n") == b"a:X\r\nb:Y Z\r\n"


def test_the_digest_may_be_asked_for_in_between() -> None:
    body_hash = RelaxedBodyHash()
    body_hash.update(b"one\r\n")
    first = body_hash.digest()
    body_hash.update(b"\r\n\r\ntwo \r")

    assert first == hashlib.sha256(b"one\r\n").digest()
    body_hash.update(b"\n")
    assert body_hash.digest() == hashlib.sha256(b"one\r\n\r\n\r\ntwo\r\n").digest()


def test_line_ends_without_end_are_counted_not_kept() -> None:
    body_hash = RelaxedBodyHash()
    for _ in range(100):
        body_hash.update(b"\r\n" * 10_000)
    assert body_hash.digest() == hashlib.sha256(b"").digest()

    body_hash.update(b"x")
    assert body_hash.digest() == hashlib.sha256(b"\r\n" * 1_000_000 + b"x\r\n").digest()


# The oracle drops more than RFC 6376 says: bare line feeds, form feeds and vertical tabs.
_TEXT = st.binary(max_size=6).map(lambda octets: octets.translate(None, b"\r\n\x0b\x0c"))
_FOLDS = st.sampled_from([b" ", b"\t", b"\r\n ", b"\r\n\t", b"  ", b":"])
_VALUES = st.lists(st.one_of(_FOLDS, _TEXT), max_size=20).map(b"".join)


@settings(max_examples=300)
@given(st.sampled_from([b"Subject", b"X-A_b", b"FROM ", b"to\t"]), _VALUES)
def test_header_form_equals_the_oracle(name: bytes, value: bytes) -> None:
    [(oracle_name, oracle_value)] = Relaxed.canonicalize_headers([(name, value + b"\r\n")])

    assert relaxed_header(name + b":" + value + b"\r\n") == oracle_name + b":" + oracle_value
