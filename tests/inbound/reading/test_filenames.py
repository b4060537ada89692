"""A stranger's file names become one harmless component, by whatever way they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound.reading.filenames import MAX_FILENAME, clean_filename
from tests.inbound.reading.mails import read


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\a.exe", "a.exe"),
        ("..", ""),
        ("...", ""),
        ("a\x00.pdf", "a.pdf"),
        ("a\r\nb.txt", "a b.txt"),
        ("\u202efdp.exe", "fdp.exe"),
        ("CON", "_CON"),
        ("com1.txt", "_com1.txt"),
        ("nul .txt", "_nul .txt"),
        (".bashrc", "bashrc"),
        ("a?b:c|d.txt", "a_b_c_d.txt"),
        ("=?utf-8?q?gr=C3=BC=2F..=2Fn.txt?=", "n.txt"),
        ("x" * 500 + ".pdf", "x" * 196 + ".pdf"),
        ("", ""),
    ],
)
def test_a_name_is_cleaned(name: str, cleaned: str) -> None:
    assert clean_filename(name) == cleaned


@given(st.text(max_size=300))
def test_no_name_is_a_path_or_hides_anything(name: str) -> None:
    cleaned = clean_filename(name)
    assert len(cleaned) <= MAX_FILENAME
    assert not set("/\\\0\r\n\u202e\u2066") & set(cleaned)
    assert cleaned not in (".", "..")
    assert cleaned == cleaned.strip()


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename=a.pdf; filename=b.pdf", "a.pdf"),
        ("attachment; filename*=utf-8'de'gr%C3%BC%C3%9Fe.pdf; filename=x.pdf", "grüße.pdf"),
        ("attachment; filename*0*=iso-8859-1''gr%FC; filename*1=ss; filename*2*=%2Epdf", "grüss.pdf"),
        ("attachment; filename*1=b.pdf; filename*0=a", "ab.pdf"),
        ('attachment; filename="=?utf-8?b?Z3LDvMOfZS5wZGY=?="', "grüße.pdf"),
        ('attachment; filename="a\\"b.pdf"', "a_b.pdf"),
        ('attachment; filename="open', "open"),
        ("attachment; filename*=unicode_escape''a%5Cx2f.pdf", "x2f.pdf"),
        ("attachment" + ";" * 5000, "named.bin"),
        ("attachment; filename*=''%", "%"),
    ],
)
def test_a_name_is_found_in_every_form_of_its_parameter(disposition: str, filename: str) -> None:
    mail = f"Content-Type: application/x; name=named.bin\nContent-Disposition: {disposition}\n\nx"
    [attachment] = read(mail).attachments
    assert attachment.filename == filename
