"""Content-Transfer-Encodings undone (RFC 2045 §6), with garbage tolerated as readers do."""

import binascii
import re

_BASE64 = bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B)) + b"0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64) - {0x3D})
_SOFT_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")
_PIECE = 1 << 20
IDENTITIES = frozenset(("", "7bit", "8bit", "binary"))


def undo(octets: bytes | memoryview, encoding: str) -> tuple[bytes, bool]:
    """The octets as they were before they were encoded, and whether they were encoded well.

    An unknown encoding is none; what is no base64 is passed over. Beside what
    it is given and what it returns, it holds a copy of the one at most.
    """
    encoding = encoding.split(";")[0].strip().lower()
    if encoding == "base64":
        return _from_base64(memoryview(octets))
    if encoding == "quoted-printable":
        return _from_quoted_printable(memoryview(octets)), True
    return bytes(octets), encoding in IDENTITIES


def size_of(octets: memoryview, encoding: str) -> int:
    """How many octets `undo` gives."""
    encoding = encoding.split(";")[0].strip().lower()
    if encoding not in ("base64", "quoted-printable"):
        return len(octets)
    return len(undo(octets, encoding)[0])


def _from_base64(octets: memoryview) -> tuple[bytes, bool]:
    """Piece by piece up to the first padding; behind it nothing but padding is well."""
    data, left, rest = bytearray(), b"", b""
    for start in range(0, len(octets), _PIECE):
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
    return bytes(data), is_whole


def _from_quoted_printable(octets: memoryview) -> bytes:
    data = bytearray()
    start = 0
    while start < len(octets):
        # A piece ends where a line does: what stands there means nothing for the next.
        end = min(start + _PIECE, len(octets))
        piece = bytes(octets[start:end])
        while end < len(octets) and not piece.endswith(b"\n"):
            cut = piece.rfind(b"\n") + 1
            if cut:
                piece, end = piece[:cut], start + cut
            else:
                piece += bytes(octets[end : end + _PIECE])
                end = start + len(piece)
        data += binascii.a2b_qp(_SOFT_BREAK.sub(b"=", piece))
        start = end
    return bytes(data)
