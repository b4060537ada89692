"""The machine-readable part of a report (RFC 6522), and the header of the message it is about."""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Literal

from inbound.reading.header import MAX_HEADER, read_fields, shown_fields
from inbound.reading.parsed import Report
from inbound.reading.transfer import undo
from inbound.reading.tree import Part

Kind = Literal["delivery-status", "feedback-report", "disposition-notification"]
_KINDS: dict[str, Kind] = {
    "message/delivery-status": "delivery-status",
    "message/global-delivery-status": "delivery-status",
    "message/feedback-report": "feedback-report",
    "message/disposition-notification": "disposition-notification",
    "message/global-disposition-notification": "disposition-notification",
}
_RETURNED = frozenset(
    (
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global-headers",
    )
)
_MAX_GROUPS = 1000
_MAX_REPORT = 1_000_000
_EMPTY_LINES = re.compile(rb"\n[ \t\r]*\n[ \t\r\n]*")


def read_report(leaves: Iterable[Part], octets: bytes) -> Report | None:
    """The first report among the leaves of a message, with what it returns; None where there is none."""
    parts = list(leaves)
    part = next((part for part in parts if part.content_type in _KINDS), None)
    if part is None:
        return None
    groups = tuple(_groups(content_of(part, octets, _MAX_REPORT)))
    returned = next((part for part in parts if part.content_type in _RETURNED), None)
    if not groups:
        return None
    return Report(_KINDS[part.content_type], groups, _original(returned, octets))


def content_of(part: Part, octets: bytes, limit: int | None = None) -> bytes:
    """The decoded octets of a leaf, made from the first `limit` of those that it is."""
    end = part.end if limit is None else min(part.end, part.start + limit)
    return undo(octets[part.start : end], part.encoding)[0]


def _groups(content: bytes) -> Iterable[dict[str, list[str]]]:
    """Groups of fields with empty lines between (RFC 3464 §2.1); what has no field is none."""
    left = 10 * MAX_HEADER
    for block in islice(_split(content), _MAX_GROUPS):
        fields, _ = shown_fields(read_fields(block), max(left, 0))
        left -= len(block)
        if fields:
            yield fields


def _split(content: bytes) -> Iterable[bytes]:
    at = 0
    for found in _EMPTY_LINES.finditer(content):
        yield content[at : found.start() + 1]
        at = found.end()
    yield content[at:]


def _original(part: Part | None, octets: bytes) -> dict[str, list[str]]:
    if part is None:
        return {}
    content = content_of(part, octets, 2 * MAX_HEADER).lstrip(b"\r\n")
    found = _EMPTY_LINES.search(content)
    return shown_fields(read_fields(content[: found.start() + 1] if found else content))[0]
