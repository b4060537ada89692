"""Content-Transfer-Encodings undone (RFC 2045 §6), with garbage tolerated as readers do."""

import binascii
import re

_BASE64 = bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B)) + b"0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64) - {0x3D})
_SOFT_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")
_PIECE = 1 << 20
_ENCODINGS = ("base64", "quoted-printable")
IDENTITIES = frozenset(("", "7bit", "8bit", "binary"))


def undo(octets: bytes | memoryview, encoding: str, most: int | None = None) -> tuple[bytes, bool]:
    """The octets as they were before they were encoded, and whether they were encoded well.

    An unknown encoding is none; what is no base64 is passed over. Of more than
    `most` octets, the beginning, at least so many. Beside what it is given and
    what it returns, it holds a copy of the one at most.
    """
    octets, encoding = memoryview(octets), _named(encoding)
    if encoding not in _ENCODINGS:
        return bytes(octets[:most]), encoding in IDENTITIES
    data, is_well = _undone(octets, encoding, len(octets) if most is None else most)
    return bytes(data), is_well


def size_of(octets: memoryview, encoding: str) -> int:
    """How many octets `undo` gives."""
    encoding = _named(encoding)
    if encoding not in _ENCODINGS:
        return len(octets)
    return len(_undone(octets, encoding, len(octets))[0])


def _named(encoding: str) -> str:
    return encoding.split(";")[0].strip().lower()


def _undone(octets: memoryview, encoding: str, most: int) -> tuple[bytearray, bool]:
    if encoding == "base64":
        return _from_base64(octets, most)
    return _from_quoted_printable(octets, most), True


def _from_base64(octets: memoryview, most: int) -> tuple[bytearray, bool]:
    """Piece by piece up to the first padding; behind it nothing but padding is well."""
    data, left, rest = bytearray(), b"", b""
    for start in range(0, len(octets), _PIECE):
        if len(data) > most:
            break
        piece = bytes(octets[start : start + _PIECE]).translate(None, _NOT_BASE64)
        if not rest:
            left, _, _ = (left + piece).partition(b"=")
            rest = piece[piece.find(b"=") :] if b"=" in piece else b""
            whole = len(left) // 4 * 4
            data += binascii.a2b_base64(left[:whole])
            left = left[whole:]
        elif piece.strip(b"="):
            rest = b"=x"
    is_whole = len(left) != 1 and not rest.strip(b"=")
    if len(left) > 1:
        data += binascii.a2b_base64(left + b"=" * (4 - len(left)))
    return data, is_whole


def _from_quoted_printable(octets: memoryview, most: int) -> bytearray:
    data = bytearray()
    start = 0
    while start < len(octets) and len(data) <= most:
        piece = bytes(octets[start : start + _PIECE])
        if start + len(piece) < len(octets):
            piece = piece[: _end_of_lines(piece)]
        data += binascii.a2b_qp(_SOFT_BREAK.sub(b"=", piece))
        start += len(piece)
    return data


def _end_of_lines(piece: bytes) -> int:
    """Where a line ends, what stands before it means nothing for the next; else not within a code."""
    end = piece.rfind(b"\n") + 1
    if not end:
        end = len(piece)
        last = piece.rfind(b"=", end - 2)
        end = last if last > 0 else end
    return end
