"""Content-Transfer-Encodings undone (RFC 2045 §6), with garbage tolerated as readers do."""

import binascii
import re

_BASE64 = bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B)) + b"0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64) - {0x3D})
_SOFT_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")
IDENTITIES = frozenset(("", "7bit", "8bit", "binary"))


def undo(octets: bytes, encoding: str) -> tuple[bytes, bool]:
    """The octets as they were before they were encoded, and whether they were encoded well.

    An unknown encoding is none; what is no base64 is passed over.
    """
    encoding = encoding.split(";")[0].strip().lower()
    if encoding == "base64":
        return _from_base64(octets)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(_SOFT_BREAK.sub(b"=", octets)), True
    return octets, encoding in IDENTITIES


def size_of(octets: memoryview, encoding: str) -> int:
    """How many octets `undo` gives."""
    encoding = encoding.split(";")[0].strip().lower()
    if encoding not in ("base64", "quoted-printable"):
        return len(octets)
    return len(undo(bytes(octets), encoding)[0])


def _from_base64(octets: bytes) -> tuple[bytes, bool]:
    stripped = octets.translate(None, _NOT_BASE64)
    data, _, rest = stripped.partition(b"=")
    is_whole = len(data) % 4 != 1 and not rest.strip(b"=")
    data = data[: len(data) - 1] if len(data) % 4 == 1 else data
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4)), is_whole
