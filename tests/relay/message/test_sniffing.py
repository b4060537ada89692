"""The type of a file that nobody named is that of its octets; its name counts where they allow it."""

import zlib

import pytest

from relay.message.sniffing import UNKNOWN, sniffed_type


@pytest.mark.parametrize(
    ("filename", "content", "expected"),
    [
        ("a.pdf", b"%PDF-1.7\n", "application/pdf"),
        ("a.pdf", b"\x89PNG\r\n\x1a\n\0", "image/png"),
        ("photo", b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (
            "a.docx",
            b"PK\x03\x04\x14\0",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        ("a.pdf", b"PK\x03\x04\x14\0", "application/zip"),
        ("a.XLS", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/vnd.ms-excel"),
        ("a", b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        ("a.mov", b"\0\0\0\x14ftypqt  ", "video/quicktime"),
        ("a.mp4", b"\0\0\0\x14ftypisom", "video/mp4"),
        ("a.csv", "Größe;7\r\n".encode(), "text/csv; charset=utf-8"),
        ("a.csv", "Größe".encode("latin-1"), UNKNOWN),
        ("a.json", b"{}", "application/json"),
        ("invite", b"BEGIN:VCALENDAR\r\n", "text/calendar; charset=utf-8"),
        ("notes", b"plain words", "text/plain; charset=utf-8"),
        ("notes.exe", b"MZ\x90\0\x03\0", UNKNOWN),
        ("a.txt", b"a\0b", UNKNOWN),
        ("a.txt", b"", "text/plain; charset=utf-8"),
        ("a", b"", UNKNOWN),
        ("a.gz", zlib.compress(b"x"), UNKNOWN),
        (".txt", b"hidden", "text/plain; charset=utf-8"),
    ],
)
def test_a_type_is_what_the_octets_say(filename: str, content: bytes, expected: str) -> None:
    assert sniffed_type(filename, content) == expected
