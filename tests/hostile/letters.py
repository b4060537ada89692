"""Letters as the world sends them, and what damage makes of them: by structure, not by octets alone.

`letter(chance)` draws one of the kinds in `tests/corpus/letters` (MIME, reports,
complaints, receipts, signatures, seals, calendars, quotes) and changes it in
header fields, parts, encodings, boundaries and octets. What it gives has CRLF
line ends and neither NUL nor bare CR, so a door takes all but the too large.
"""

import base64
import quopri
from pathlib import Path
from random import Random

CORPUS = Path(__file__).parents[1] / "corpus" / "letters"
KINDS = [file.read_bytes().replace(b"\n", b"\r\n") for file in sorted(CORPUS.glob("*.eml"))]
_HEAD = b"From: ann@far.example\r\nTo: app@ours.test\r\nSubject: hello\r\nMIME-Version: 1.0\r\n"
_SCRAPS = (
    b'"',
    b"(",
    b")",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"=",
    b"\\",
    b"@",
    b"--",
    b"\r\n",
    b"\r\n ",
    b"\t",
    b"\r\n\r\n",
    b"=?utf-8?q?",
    b"=?x?b?!?=",
    b"=?utf-8?b?////?=",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"=0A",
    b"%00",
    b"a*0*=utf-8''%C3",
    b"charset=klingon",
    b"charset=utf-7",
    b'boundary=""',
    b"\xe2\x80\xae",
    b"&#x110000;",
    b"<script>",
    b"<!--",
    b"]]>",
    b"</p>",
    b"<style>",
    b"5.1.1",
    b"i=51;",
    b"cv=fail;",
    b"v=1;",
    b"h=",
    b"l=0;",
)
_FIELDS = (
    b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: x-uuencode",
    b"Content-Type: text/html",
    b"Content-Transfer-Encoding: quoted-printable",
    b'Content-Type: multipart/mixed; boundary="r"',
    b"Content-Type:",
    b"Content-Type: message/delivery-status",
    b"Content-Type: multipart/digest; boundary=a",
    b"From: x@y, z@w",
    b"Content-Disposition: attachment; filename=../../etc/passwd",
    b"Date: 99 Foo 9999",
    b"Message-ID: <",
    b"Subject:",
    b'From: "',
    b" continued",
    b"Return-Path: <>",
    b"Precedence: bulk",
    b"no field at all",
    b"DKIM-Signature: ",
    b"ARC-Seal: i=x",
    b": nameless",
)
_LONG_FIELDS = (
    b"References: " + b"<a@b> " * 300,
    b"Received: " + b"x" * 500,
    b"To: " + b"(" * 200,
)


def letter(chance: Random) -> bytes:
    """One letter, damaged in up to six places, or not at all."""
    octets = chance.choice(KINDS)
    for _ in range(chance.choice((0, 1, 1, 2, 3, 6))):
        octets = chance.choice(_DAMAGES)(chance, octets)[:200_000]
    octets = octets.replace(b"\0", b"0").replace(b"\r\n", b"\n").replace(b"\r", b" ").replace(b"\n", b"\r\n")
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def _in_lines(chance: Random, octets: bytes) -> bytes:
    """A line gone, twice, elsewhere, or another one in its place."""
    lines = octets.split(b"\r\n")
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    draw = chance.randrange(5)
    if draw == 0:
        del lines[at]
    elif draw == 1:
        lines.insert(other, lines[at])
    elif draw == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif draw == 3:
        lines.insert(at, chance.choice((*_FIELDS, *_LONG_FIELDS)))
    else:
        lines[at:at] = [lines[at]] * chance.choice((2, 50, 1000))
    return b"\r\n".join(lines)


def _in_octets(chance: Random, octets: bytes) -> bytes:
    changed = bytearray(octets)
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(changed) + 1)
        changed[at : at + chance.choice((0, 0, 1, 5, 100))] = chance.choice(
            (*_SCRAPS, bytes([chance.randrange(1, 256)]))
        )
    return bytes(changed)


def _spliced(chance: Random, octets: bytes) -> bytes:
    """The beginning of this and the end of another."""
    other = chance.choice(KINDS)
    return octets[: chance.randrange(len(octets) + 1)] + other[chance.randrange(len(other)) :]


def _wrapped(chance: Random, octets: bytes) -> bytes:
    """Inside another one, as a message, as a part, or encoded once more."""
    draw = chance.randrange(4)
    if draw == 0:
        return _HEAD + b"Content-Type: message/rfc822\r\n\r\n" + octets
    if draw == 1:
        boundary = chance.choice((b"r", b"a", b"x" * 70, b"x" * 300))
        delimiter = b"boundary=" + boundary + b"\r\n\r\n--" + boundary + b"\r\n"
        return _HEAD + b"Content-Type: multipart/mixed; " + delimiter + octets
    if draw == 2:
        return _HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(octets)
    return _HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + quopri.encodestring(octets)


def _repeated(chance: Random, octets: bytes) -> bytes:
    at, length = chance.randrange(len(octets) + 1), chance.choice((1, 3, 20, 200))
    return octets[:at] + octets[at : at + length] * chance.choice((2, 30, 500)) + octets[at:]


def _cut(chance: Random, octets: bytes) -> bytes:
    return octets[: chance.randrange(1, len(octets) + 1)] if octets else octets


_DAMAGES = (_in_lines, _in_lines, _in_octets, _in_octets, _spliced, _wrapped, _repeated, _cut)
