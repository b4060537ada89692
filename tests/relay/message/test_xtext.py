"""What a client put into ENVID and ORCPT is given back as it was meant, and breaks no line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import InvalidInput
from relay.message.xtext import envelope_id, original_recipient, xtext_decode, xtext_encode


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_encoded_reads_back(text: str) -> None:
    encoded = xtext_encode(text)

    assert xtext_decode(encoded) == text
    assert all("!" <= character <= "~" and character != "=" for character in encoded)


@pytest.mark.parametrize("xtext", ["a b", "a=b", "+", "+4", "+4G", "a+", "é", "a\r\n", "\x7f"])
def test_what_is_no_xtext_is_refused(xtext: str) -> None:
    with pytest.raises(InvalidInput):
        xtext_decode(xtext)
    assert envelope_id(xtext) is None
    assert original_recipient(f"rfc822;{xtext}", utf8=True) is None


@pytest.mark.parametrize(
    ("orcpt", "ascii_form", "utf8_form"),
    [
        ("rfc822;bob+2Bx+40b.test", "rfc822; bob+x@b.test", "rfc822; bob+x@b.test"),
        ("RFC822;Bob@b.test", "RFC822; Bob@b.test", "RFC822; Bob@b.test"),
        ("utf-8;j\\x{F6}rg@b.test", "utf-8; j\\x{F6}rg@b.test", "utf-8; jörg@b.test"),
        ("utf-8;j+C3+B6rg@b.test", "utf-8; j+C3+B6rg@b.test", "utf-8; jörg@b.test"),
        ("rfc822;a+0D+0AX:+20y", "rfc822; a+0D+0AX:+20y", "rfc822; a+0D+0AX:+20y"),
        ("utf-8;a\\x{D}\\x{A}b", "utf-8; a\\x{D}\\x{A}b", "utf-8; a\\x{D}\\x{A}b"),
        ("utf-8;a\\x{110000}", "utf-8; a\\x{110000}", "utf-8; a\\x{110000}"),
        ("utf-8;a\\x{D800}", "utf-8; a\\x{D800}", "utf-8; a\\x{D800}"),
        ("rfc822;+FF", "rfc822; +FF", "rfc822; +FF"),
        ("rfc822", None, None),
        ("rfc822;", None, None),
        (";a@b.test", None, None),
        ("rf c;a@b.test", None, None),
        ("rfc822;" + "a" * 501, None, None),
    ],
)
def test_original_recipients(orcpt: str, ascii_form: str | None, utf8_form: str | None) -> None:
    assert original_recipient(orcpt, utf8=False) == ascii_form
    assert original_recipient(orcpt, utf8=True) == utf8_form


def test_envelope_ids() -> None:
    assert envelope_id("QQ314159+2Bx") == "QQ314159+x"
    assert envelope_id("a+0D+0Ab") == "a+0D+0Ab"
    assert envelope_id("a+C3+B6") == "a+C3+B6"
