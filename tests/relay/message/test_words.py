"""Encoded-words are shown as text, and never as anything that could break out of a line."""

import unicodedata
from email.header import decode_header, make_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.message.headers import Header, decode_words, encode_words, fold


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("=?UTF-8?Q?J=C3=B6rg_M?= =?utf-8?b?w7xsbGVy?= x", "Jörg Müller x"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=B6?=", "ö"),
        ("a =?iso-8859-1?q?=E4?= b  =?utf-8?q?c?=", "a ä b  c"),
        ("=?utf-8?q?a?=\t=?iso-8859-1?q?=E4?=", "aä"),
        ("=?iso-2022-jp?B?GyRCJCIbKEI=?=", "あ"),
        ("=?utf-8*en?q?a?=", "a"),
        ("=?utf-8?q??= =?utf-8?q?a?=", "a"),
        ("=?x-unknown?q?a=E4b?=", "a\ufffdb"),
        ("=?x-unknown?q?a=C3=A4b?=", "aäb"),
        ("=?unicode_escape?q?=5Cx41?=", "\\x41"),
        ("=?idna?q?xn--a?=", "xn--a"),
        ("=?utf-8?b?YQ?=", "a"),
        ("=?utf-8?b?YQ=?=", "a"),
        ("=?utf-8?b?a?=", "a"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8?q?a", "=?utf-8?q?a"),
        ("=?utf-8?q?a=0aBcc:_x@y.test?=", "a Bcc: x@y.test"),
        ("=?utf-8?q?a=0D=0Ab=00=1B=C2=85=E2=80=A8c?=", "a b\ufffd\ufffd  c"),
        ("raw \udce4", "raw \ufffd"),
    ],
)
def test_words_are_decoded(value: str, text: str) -> None:
    assert decode_words(value) == text


_TRICKY = st.sampled_from(
    [
        "=?",
        "?=",
        "?q?",
        "?B?",
        "utf-8",
        "utf-16",
        "iso-2022-jp",
        "=0a",
        "=",
        " ",
        "YQ==",
        "\r\n ",
        "é",
        "\udcff",
    ]
)


@settings(max_examples=500)
@given(st.one_of(st.lists(_TRICKY, max_size=30).map("".join), st.text(max_size=40)))
def test_nothing_raises_and_no_control_character_comes_out(value: str) -> None:
    text = decode_words(value)

    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text)


@settings(max_examples=300)
@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=200))
def test_encoded_text_reads_back(text: str) -> None:
    encoded = encode_words(text)

    assert encoded.isascii()
    assert decode_words(encoded) == text
    assert encoded == text or all(len(word) <= 75 for word in encoded.split(" "))
    assert decode_words(Header.parse(fold("Subject", encoded)).first("subject") or "") == encoded_ends(
        text, encoded
    )


def encoded_ends(text: str, encoded: str) -> str:
    return text.strip(" ") if encoded == text else text


def test_others_read_our_words() -> None:
    text = "Zażółć gęślą jaźń – " * 10 + "🚀" * 40

    assert str(make_header(decode_header(encode_words(text)))) == text
