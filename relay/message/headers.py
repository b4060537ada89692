"""The header block of a message: read without changing one octet, and written so that it survives.

A block that was submitted goes out as it came (the stdlib's parser crashes on
nine octets and rewrites what it read, so it is not used). Fields of our own
are folded at white space only: a URL of List-Unsubscribe or a Message-ID in
References stays whole, and nothing is turned into encoded-words behind the
caller's back. RFC 5322 §2.2, §3.3, §3.6; UTF-8 by RFC 6532.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from relay.clock import Clock
from relay.errors import InvalidInput
from relay.ids import new_id
from relay.message.addresses import addresses_of
from relay.message.words import decode_words, encode_words

__all__ = [
    "Field",
    "Header",
    "MalformedHeader",
    "addresses_of",
    "decode_words",
    "encode_words",
    "fold",
    "format_date",
    "new_message_id",
]

_LINES = rb"[^\r\n\0]*+(?:\r\n[ \t][^\r\n\0]*+)*+\r\n"
_FIELD = re.compile(rb"((?:([!-9;-~]++)[ \t]*+:)?" + _LINES + rb")")
_NAME = re.compile(r"[!-9;-~]{1,76}\Z")
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHORT_NAME = 80  # octets of a name that is remembered
_PIECE = re.compile(r"[ \t]*[^ \t]+")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

MAX_COLUMNS = 78
MAX_OCTETS = 998


class MalformedHeader(InvalidInput):
    """These octets are no header block: a bare CR or LF, a NUL, an empty line, or no CRLF at the end."""


class Field(NamedTuple):
    """One field with its folds and its CRLF.

    `name_lower` is empty for lines that are no field: a mbox "From " line, or
    a continuation of nothing. They keep their place and their octets.
    """

    name_lower: str
    raw: bytes

    @property
    def value(self) -> str:
        """Unfolded, without the white space around it; octets that are not UTF-8 become surrogates."""
        text = self.raw.partition(b":")[2] if self.name_lower else self.raw
        return text.replace(b"\r\n", b"").strip(b" \t").decode("utf-8", "surrogateescape")


# What a named tuple's own constructor does, without a call of it.
_new_field: Final = tuple.__new__


class Header:
    """An ordered header block; `bytes(Header.parse(block)) == block`. Changes make a new one."""

    __slots__ = ("fields",)

    def __init__(self, fields: Iterable[Field] = ()) -> None:
        self.fields: list[Field] = list(fields)

    @classmethod
    def parse(cls, block: bytes) -> "Header":
        """Read a block that ends with the CRLF of its last field; raises MalformedHeader."""
        return cls(_split(block))

    @property
    def unparsed(self) -> list[bytes]:
        """The lines that are no field, in order. A receiver may take the first one for the body's start."""
        return [field.raw for field in self.fields if not field.name_lower]

    def all(self, name: str) -> list[str]:
        """The values of every field of that name, in any case of letters, from the top."""
        wanted = name.lower()
        return [field.value for field in self.fields if field.name_lower == wanted]

    def first(self, name: str) -> str | None:
        wanted = name.lower()
        return next((field.value for field in self.fields if field.name_lower == wanted), None)

    def without(self, *names: str) -> "Header":
        """The same block but for every field of these names."""
        unwanted = {name.lower() for name in names}
        return Header([field for field in self.fields if field.name_lower not in unwanted])

    def prepended(self, *raw: bytes) -> "Header":
        """The same block below these fields, which end in CRLF; raises MalformedHeader if they are none."""
        added = _split(b"".join(raw))
        if not all(field.name_lower for field in added):
            raise MalformedHeader("what is put before a header must be fields")
        return Header(added + self.fields)

    def __bytes__(self) -> bytes:
        return b"".join([field.raw for field in self.fields])


def fold(name: str, value: str) -> bytes:
    """One field as it stands in a message, CRLF at its end, folded to 78 columns where white space allows.

    The value comes back whole from `Header.first`, but for white space at its
    ends. Raises InvalidInput for a name that is none, for control characters
    (a line break among them), and where a line would exceed 998 octets.
    """
    if not _NAME.match(name):
        raise InvalidInput(f"{name[:80]!r} is not a header field name")
    if found := _UNSAFE.search(value):
        raise InvalidInput(f"{name}: {found[0]!r} cannot stand in a header field")
    value = value.strip(" \t")
    if value and len(name) + len(value) < MAX_COLUMNS - 1:
        return f"{name}: {value}\r\n".encode()
    field = "\r\n".join(_fold_lines(f"{name}:", value)).encode() + b"\r\n"
    if len(field) > MAX_OCTETS and max(map(len, field.split(b"\r\n"))) > MAX_OCTETS:
        raise InvalidInput(f"{name}: a line would be longer than {MAX_OCTETS} octets")
    return field


def new_message_id(domain: str, clock: Clock) -> str:
    """A fresh Message-ID at `domain` (A-labels), in its angle brackets."""
    return f"<{new_id('m', clock)}@{domain}>"


def format_date(instant: datetime) -> str:
    """An aware instant as Date carries it, in its own zone: `Mon, 02 Mar 2026 09:00:00 +0000`."""
    offset = instant.utcoffset()
    if offset is None:
        raise ValueError("a date without a zone is no instant")
    minutes = int(offset.total_seconds()) // 60
    sign, (hours, minutes) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    day, month = _DAYS[instant.weekday()], _MONTHS[instant.month - 1]
    date = f"{day}, {instant.day:02} {month} {instant.year:04}"
    return f"{date} {instant.hour:02}:{instant.minute:02}:{instant.second:02} {sign}{hours:02}{minutes:02}"


def _split(block: bytes) -> list[Field]:
    found: list[tuple[bytes, bytes]] = _FIELD.findall(block)
    fields = [_new_field(Field, (_lower(name), raw)) for raw, name in found]
    # What stands between fields is none, and an empty line ends them.
    if sum([len(raw) for raw, _ in found]) != len(block) or (b"\r\n", b"") in found:
        raise MalformedHeader(_first_oddity(block))
    return fields


def _lower(name: bytes) -> str:
    return _lower_again(name) if len(name) <= _SHORT_NAME else name.decode("ascii").lower()


@lru_cache(maxsize=1024)  # the same few stand in every message
def _lower_again(name: bytes) -> str:
    return name.decode("ascii").lower()


def _first_oddity(block: bytes) -> str:
    end = 0
    for found in _FIELD.finditer(block):
        if found.start() != end or len(found[0]) == 2:
            break
        end = found.end()
    return f"no header field at octet {end}: {block[end : end + 40]!r}"


def _fold_lines(line: str, value: str) -> list[str]:
    lines: list[str] = []
    for found in _PIECE.finditer(" " + value):
        piece = found[0]
        # After the name a break helps only if it makes the line short enough.
        useful = len(piece) <= MAX_COLUMNS or bool(lines) or not line.endswith(":")
        if len(line) + len(piece) > MAX_COLUMNS and useful:
            lines.append(line)
            line = piece
        else:
            line += piece
    return [*lines, line]
