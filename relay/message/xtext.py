"""xtext (RFC 3461 §4): how ENVID and ORCPT travel in SMTP commands, and the addresses inside ORCPT.

What is decoded comes from a client: it may hold anything, line breaks
included. `original_recipient` and `envelope_id` give only what may stand in a
report.
"""

import re

from relay.errors import InvalidInput

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})*\Z")
_HEX = re.compile(rb"\+([0-9A-Fa-f]{2})")
_ENCODED = re.compile(rb"[^!-*,-<>-~]")
_UNITEXT = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_LONGEST = 500  # RFC 3461 §4.2; ENVID is shorter
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def xtext_encode(text: str) -> str:
    """`text` in xtext: printable ASCII but for `+` and `=`, everything else as +XX of its UTF-8."""
    return _ENCODED.sub(lambda found: b"+%02X" % found[0][0], text.encode()).decode("ascii")


def xtext_decode(xtext: str) -> str:
    """What was encoded; octets that are not UTF-8 become surrogates. Raises InvalidInput."""
    if not _XTEXT.match(xtext):
        raise InvalidInput(f"{xtext[:80]!r} is not xtext")
    octets = _HEX.sub(lambda found: bytes.fromhex(found[1].decode()), xtext.encode("ascii"))
    return octets.decode("utf-8", "surrogateescape")


def envelope_id(envid: str) -> str | None:
    """ENVID as it stands in a report: decoded, or as it came if that were not printable ASCII."""
    return _printable(envid, utf8=False)


def original_recipient(orcpt: str, *, utf8: bool) -> str | None:
    """`addr-type; address` of an ORCPT as it stands in a report, or None if it is none.

    With `utf8` an address of type utf-8 is written in UTF-8, else in the
    ASCII form of RFC 6533 §3 that it came in.
    """
    kind, semicolon, xtext = orcpt.partition(";")
    address = _printable(xtext, utf8=False)
    if not semicolon or not kind.isascii() or not kind.replace("-", "").isalnum() or not address:
        return None
    if kind.lower() == "utf-8" and utf8:
        address = _from_unitext(xtext) or address
    return f"{kind}; {address}"


def _printable(xtext: str, *, utf8: bool) -> str | None:
    """Decoded if that can stand in a field, else as it came; None for what is no xtext or too long."""
    if len(xtext) > _LONGEST:
        return None
    try:
        text = xtext_decode(xtext)
    except InvalidInput:
        return None
    fits = not _UNPRINTABLE.search(text) and (utf8 or text.isascii())
    return text if fits else xtext


def _from_unitext(xtext: str) -> str | None:
    text = _printable(xtext, utf8=True)
    if text is None:
        return None
    try:
        text = _UNITEXT.sub(lambda found: chr(int(found[1], 16)), text)
    except (ValueError, OverflowError):
        return None
    return None if _UNPRINTABLE.search(text) else text
