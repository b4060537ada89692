"""Content-Transfer-Encodings that make octets fit for seven bits (RFC 2045 §6.7, §6.8)."""

import binascii

_LINE_OCTETS = 57  # makes base64 lines of 76 characters


def to_quoted_printable(text: bytes) -> bytes:
    """Text with CRLF line ends; no line of the result exceeds 76 characters, and none ends in white space."""
    encoded = binascii.b2a_qp(text.replace(b"\r\n", b"\n"), quotetabs=False, istext=True)
    return encoded.replace(b"\n", b"\r\n")


def to_base64(octets: bytes) -> bytes:
    """Any octets, in lines of 76 characters; the last line ends in CRLF too."""
    parts = (octets[start : start + _LINE_OCTETS] for start in range(0, len(octets), _LINE_OCTETS))
    return b"".join(binascii.b2a_base64(part, newline=False) + b"\r\n" for part in parts)
