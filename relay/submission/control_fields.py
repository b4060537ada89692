"""The header fields by which an SMTP client tells us more than SMTP can: read, then removed.

`X-Posthouse-Tag` (may stand several times), `-Metadata` (a JSON object of
strings), `-Idempotency-Key`, `-Send-At` (RFC 3339, at most 90 days ahead),
`-Pool` and `-Stream`. Bcc is removed with them: the envelope has those recipients. Another
name that begins so is a slip, and refused: it would do nothing, and be seen outside.
"""

import difflib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from msgspec import Struct, field

from relay.errors import Refusal
from relay.message.headers import Header
from relay.replies import SmtpReply

PREFIX = "x-posthouse-"
_NAMES = tuple(PREFIX + name for name in ("tag", "metadata", "idempotency-key", "send-at", "pool", "stream"))
_NOT_OUTSIDE = frozenset({*_NAMES, "bcc"})
MAX_ENTRIES = 10
MAX_VALUE = 256
MAX_STREAM = 64
MAX_AHEAD = timedelta(days=90)

T = TypeVar("T")


class InvalidControlField(Refusal):
    """One of our header fields says something that we cannot do, or is none that we know."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}", SmtpReply(554, "5.6.0", f"{name.title()}: {why}"))


class Wishes(Struct, frozen=True):
    """What the control fields ask for, and what only a program can say.

    `stream` is the kind of mail that a recipient may have left; the ids are
    what the message was made from.
    """

    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    send_at: datetime | None = None
    pool: str | None = None
    stream: str | None = None
    batch_id: str | None = None
    template_id: str | None = None
    brand_id: str | None = None


def read_wishes(header: Header, now: datetime) -> Wishes:
    """The wishes in `header`; raises InvalidControlField naming the field and what is wrong."""
    _check_names(header)
    return Wishes(
        tags=_tags(header.all(PREFIX + "tag")),
        metadata=_once(header, "metadata", _metadata) or {},
        idempotency_key=_once(header, "idempotency-key", _token),
        send_at=_once(header, "send-at", lambda value: _send_at(value, now)),
        pool=_once(header, "pool", _token),
        stream=_once(header, "stream", read_stream),
    )


def read_stream(value: str) -> str:
    """The name of a stream; raises ValueError for what is none."""
    if not 0 < len(value) <= MAX_STREAM or not value.isprintable() or value != value.strip():
        raise ValueError(f"must be 1 to {MAX_STREAM} printable characters")
    return value


def without_control_fields(header: Header) -> Header:
    """The header as it may leave the house."""
    if any(field.name_lower in _NOT_OUTSIDE for field in header.fields):
        return header.without(*_NOT_OUTSIDE)
    return header


def _check_names(header: Header) -> None:
    for name in (each.name_lower for each in header.fields):
        if name.startswith(PREFIX) and name not in _NAMES:
            raise InvalidControlField(name[:80], f"is no field of ours; {_advice(name)}")


def _advice(name: str) -> str:
    """The nearest name, compared without what all of them begin with; all of them where none is near."""
    near = difflib.get_close_matches(name[len(PREFIX) : 80], [each[len(PREFIX) :] for each in _NAMES], n=1)
    if near:
        return f"did you mean {(PREFIX + near[0]).title()}?"
    return f"known are {', '.join(each.title() for each in _NAMES)}"


def _once(header: Header, name: str, read: Callable[[str], T]) -> T | None:
    values = header.all(PREFIX + name)
    if not values:
        return None
    if len(values) > 1:
        raise InvalidControlField(PREFIX + name, "stands more than once")
    try:
        return read(values[0].strip())
    except ValueError as error:
        raise InvalidControlField(PREFIX + name, str(error)) from error


def _tags(values: list[str]) -> tuple[str, ...]:
    name = PREFIX + "tag"
    tags = tuple(dict.fromkeys(tag.strip() for value in values for tag in value.split(",") if tag.strip()))
    if len(tags) > MAX_ENTRIES:
        raise InvalidControlField(name, f"more than {MAX_ENTRIES} tags")
    if any(len(tag) > MAX_VALUE or not tag.isprintable() for tag in tags):
        raise InvalidControlField(name, f"a tag is longer than {MAX_VALUE} characters or not printable")
    return tags


def _metadata(value: str) -> dict[str, str]:
    try:
        metadata = msgspec.json.decode(value, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise ValueError("not a JSON object of strings") from error
    if len(metadata) > MAX_ENTRIES:
        raise ValueError(f"more than {MAX_ENTRIES} entries")
    if any(len(part) > MAX_VALUE for entry in metadata.items() for part in entry):
        raise ValueError(f"a name or value is longer than {MAX_VALUE} characters")
    return metadata


def _token(value: str) -> str:
    if not 0 < len(value) <= MAX_VALUE or not value.isprintable():
        raise ValueError(f"must be 1 to {MAX_VALUE} printable characters")
    return value


def _send_at(value: str, now: datetime) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("not a time such as 2026-03-02T09:00:00Z") from error
    if at.tzinfo is None:
        raise ValueError("has no time zone")
    if at - now > MAX_AHEAD:
        raise ValueError(f"more than {MAX_AHEAD.days} days ahead")
    return at if at > now else None
