"""Encoded-words (RFC 2047): how text beyond ASCII stands in a header field, for people's eyes.

Nothing that decides (who sends, where it goes) reads decoded text. What is
decoded here may be shown, logged and put into JSON: it has no control
characters, so a decoded line break cannot become a second line anywhere.
"""

import base64
import binascii
import codecs
import re
from collections.abc import Iterator

_WORD = re.compile(r"=\?([A-Za-z0-9_.:()+\-]{1,40})(?:\*[A-Za-z0-9\-]*)?\?([bqBQ])\?([^?\r\n]*)\?=")
_SPACE = re.compile(r"[ \t\r\n]*\Z")
_LINE_BREAKS_AND_TABS = re.compile("\r\n|[\t\n\v\f\r\x85\u2028\u2029]")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
# Character sets only: Python's other codecs (idna, punycode, unicode_escape …) are slow or no text.
_CHARSET = re.compile(
    r"(?:ascii|utf-?\d+(?:-[bl]e)?|iso8859-\d+|cp\d+|koi8-\w|gb\w+|big5\w*|euc_\w+|shift_jis\w*|iso2022_\w+"
    r"|tis-620|mac-\w+|hz|johab|ptcp154)\Z"
)
# Plain text that can be folded: a longer word would make a line that no server takes.
_PLAIN = re.compile(r"(?:[!-~]{0,900}+(?: +|\Z))*+\Z")
_WORD_OCTETS = 45  # of text in one word: 60 characters of base64 and 12 around them stay within 75


def decode_words(value: str) -> str:
    """The text that `value` shows, each encoded-word decoded; what cannot be decoded stays or becomes U+FFFD.

    Never raises. Line breaks and tabs become spaces, other control characters
    and octets that were not UTF-8 become U+FFFD.
    """
    if "=?" not in value and value.isascii() and value.isprintable():
        return value
    text = "".join(_decoded(value)) if "=?" in value else value
    return _UNPRINTABLE.sub("\ufffd", _LINE_BREAKS_AND_TABS.sub(" ", text))


def encode_words(text: str) -> str:
    """`text` as it may stand in Subject or a display name: itself if plain ASCII, else encoded-words.

    Plain text with a word of more than 900 characters is encoded too.
    Encoded-words of at most 75 characters, whole characters in each, one
    space between them, so that `fold` can part them. Control characters are
    kept inside the words; refuse them before.
    """
    if _PLAIN.match(text) and "=?" not in text:
        return text
    return " ".join(f"=?utf-8?b?{base64.b64encode(part).decode()}?=" for part in _parts(text))


def _decoded(value: str) -> Iterator[str]:
    """Texts and decoded words in turn. Neighbours of one character set are joined before decoding."""
    end = 0
    charset, octets = "", b""
    for found in _WORD.finditer(value):
        between = value[end : found.start()]
        name, end = found[1].lower(), found.end()
        is_neighbour = bool(charset) and bool(_SPACE.match(between))
        if not is_neighbour or name != charset:
            yield _text(octets, charset)
            octets = b""
            yield "" if is_neighbour else between
        charset = name
        octets += _octets(found[2], found[3])
    yield _text(octets, charset)
    yield value[end:]


def _octets(encoding: str, text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return _HEX.sub(lambda found: bytes.fromhex(found[1].decode()), raw.replace(b"_", b" "))
    try:
        return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4))
    except binascii.Error:
        return raw


def _text(octets: bytes, charset: str) -> str:
    try:
        name = codecs.lookup(charset).name if octets else "ascii"
        return octets.decode(name if _CHARSET.match(name) else "utf-8", "replace")
    except (LookupError, ValueError):
        return octets.decode("utf-8", "replace")


def _parts(text: str) -> Iterator[bytes]:
    part = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(part) + len(octets) > _WORD_OCTETS:
            yield part
            part = b""
        part += octets
    yield part
