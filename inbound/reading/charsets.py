"""From octets to text: character sets by name, and line ends and characters that do no harm.

Only codecs that are character sets are used: Python's others (idna, punycode,
unicode_escape …) are slow or no text. What a set does not know becomes U+FFFD.
"""

import codecs
import re
from functools import lru_cache

_CHARSET = re.compile(
    r"(?:ascii|utf-?(?:8|16|32)(?:-sig|-[bl]e)?|utf-7|iso8859-\d+|cp\d+|koi8-\w|gb\w+|big5\w*|euc_\w+|shift_jis\w*"
    r"|iso2022_\w+|tis-620|mac-\w+|hz|johab|ptcp154)\Z"
)
# Names that mail carries and Python does not know; and Latin-1, which everybody means as cp1252.
_ALIASES = {
    "iso8859-1": "cp1252",
    "unicode-1-1-utf-7": "utf-7",
    "utf8mb4": "utf-8",
    "utf8mb3": "utf-8",
    "unicode": "utf-8",
    "x-unknown": "utf-8",
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc_jp",
    "x-mac-roman": "mac-roman",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "windows-874": "cp874",
    "windows-31j": "cp932",
}
_HARMFUL = re.compile("[\0\ud800-\udfff]")
_MARKS = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}
_PIECE = 1 << 20
# No set has characters of more; only shift sequences are without any.
_MOST_OCTETS = 4
# Each costs as much as a hundred good ones, and what has so many is no text.
_MOST_REPLACED = 500_000


@lru_cache(maxsize=64)
def codec_name(charset: str) -> str | None:
    """Python's codec for a character set, None where it is none that we read."""
    try:
        name = codecs.lookup(_ALIASES.get(charset.lower(), charset)).name
    except (LookupError, ValueError):
        return None
    return _ALIASES.get(name, name) if _CHARSET.match(name) else None


def decode(octets: bytes, charset: str, limit: int) -> tuple[str, list[str]]:
    """The beginning with LF line ends, `limit` octets of UTF-8 at most, and what to flag.

    Flags are unknown_charset, bad_encoding and text_truncated.
    """
    flags: list[str] = []
    codec = codec_name(charset or "ascii")
    if codec is None:
        codec, flags = "utf-8", ["unknown_charset"]
    elif codec == "ascii" and not octets.isascii():
        codec = "utf-8"
    text, is_whole = _decode(octets, codec, limit)
    if "\ufffd" in text:
        flags.append("bad_encoding")
    text, is_all = _within(clean(text), limit)
    if not (is_whole and is_all):
        flags.append("text_truncated")
    return text, flags


def octets_needed(limit: int) -> int:
    """Of how many octets `decode` sees what the whole of them has to say within `limit`."""
    return _MOST_OCTETS * limit + 2 * _PIECE


def size_of(text: str) -> int:
    """Octets in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _within(text: str, limit: int) -> tuple[str, bool]:
    """Characters take one to four octets wherever they are kept: so their octets are counted."""
    if text.isascii() or len(octets := text.encode()) <= limit:
        return text, True
    return octets[:limit].decode("utf-8", "ignore"), False


def clean(text: str) -> str:
    """Line ends as LF; NUL and lone surrogates as U+FFFD."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii() and "\0" not in text:
        return text
    return _HARMFUL.sub("\ufffd", text)


def _decode(octets: bytes, codec: str, limit: int) -> tuple[str, bool]:
    """Piece by piece, so that what is beyond the limit costs nothing."""
    if codec in ("ascii", "utf-8") and len(octets) <= _PIECE // 2:
        text = octets.decode(codec, "replace")
        return text[:limit], len(text) <= limit
    if codec in _MARKS and not octets.startswith(_MARKS[codec]):
        codec += "-be"  # RFC 2781 §4.3; Python reads nothing of it
    decoder = codecs.getincrementaldecoder(codec)("replace")
    texts: list[str] = []
    at = length = replaced = 0
    while at < len(octets) and length <= limit and at <= _MOST_OCTETS * limit and replaced <= _MOST_REPLACED:
        piece = octets[at : at + _PIECE]
        at += len(piece)
        texts.append(_step(decoder, piece, final=at == len(octets)))
        length += size_of(texts[-1])
        replaced += texts[-1].count("\ufffd")
    return "".join(texts)[:limit], at >= len(octets) and length <= limit


def _step(decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool) -> str:
    try:
        return decoder.decode(piece, final)
    except ValueError:
        return "\ufffd"
