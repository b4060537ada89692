"""The header of a message or a part, read by somebody who takes what there is.

Lines that are no field are passed over. Everything takes time in proportion
to its length, whatever stands there.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

from inbound.reading.charsets import clean
from relay.message.words import decode_words

MAX_HEADER = 102_400
MAX_VALUE = 10_000
_LONGEST_VALUE_READ = 4 * MAX_VALUE  # encoded-words are longer than what they say
# Of these the first is kept however long the header is.
_NEEDED = frozenset(
    ("return-path", "from", "to", "subject", "date", "message-id", "auto-submitted", "content-type")
)
_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.MULTILINE)
_FOLD = re.compile(rb"\r?\n")
_CONTENT_FIELD = re.compile(
    rb"^content-(type|transfer-encoding|disposition|id)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)",
    re.MULTILINE | re.IGNORECASE,
)

RawFields = dict[str, list[bytes]]


def read_fields(block: bytes) -> RawFields:
    """Every field's values by lower-case name, as they stand there, folds and all."""
    fields: RawFields = defaultdict(list)
    for found in _FIELD.finditer(block):
        fields[found[1].decode("ascii").lower()].append(found[2])
    return dict(fields)


def read_content_fields(block: bytes) -> dict[str, str]:
    """The first of each field that says what a part is, by its name without `content-`."""
    fields: dict[str, str] = {}
    for found in _CONTENT_FIELD.finditer(block):
        name = found[1].decode("ascii").lower()
        if name not in fields:
            fields[name] = unfolded(found[2][:MAX_VALUE])
            if len(fields) == 4:
                break
    return fields


def content_fields(fields: RawFields) -> dict[str, str]:
    """The same from a header that was read whole."""
    names = ("type", "transfer-encoding", "disposition", "id")
    return {
        name: unfolded(values[0][:MAX_VALUE]) for name in names if (values := fields.get(f"content-{name}"))
    }


def unfolded(value: bytes) -> str:
    """One line of text; octets that are not UTF-8 become U+FFFD, control characters stay."""
    if b"\n" in value:
        value = _FOLD.sub(b"", value)
    return value.replace(b"\r", b" ").strip(b" \t").decode("utf-8", "replace")


def shown(value: bytes) -> str:
    """A value for showing, encoded-words decoded, at most MAX_VALUE characters."""
    return clean(decode_words(unfolded(value[:_LONGEST_VALUE_READ]))).strip()[:MAX_VALUE]


def shown_fields(fields: RawFields, limit: int = MAX_HEADER) -> tuple[dict[str, list[str]], bool]:
    """All fields for showing, and whether they are all: beyond `limit` octets only the needed go on."""
    kept: dict[str, list[str]] = {}
    left, is_whole = limit, True
    for name, values in _needed_first(fields):
        for value in values:
            if left < len(name) and not (name in _NEEDED and name not in kept):
                is_whole = False
                break
            text = shown(value)
            is_whole = is_whole and len(value) <= _LONGEST_VALUE_READ
            kept.setdefault(name, []).append(text)
            left -= len(name) + len(text) + 4
    return kept, is_whole


def _needed_first(fields: RawFields) -> Iterable[tuple[str, list[bytes]]]:
    return sorted(fields.items(), key=lambda item: item[0] not in _NEEDED)
