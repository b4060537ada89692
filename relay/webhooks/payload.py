"""What is posted of an event: its kind, its time, its id, the facts that it holds, and its message's marks.

Thin on purpose: whoever needs the mail asks the API by the ids. Made once and
kept, so that a later post of the same event is the same to the octet.
"""

from datetime import datetime
from typing import Any

import msgspec

from relay.events.listing import readable
from relay.webhooks.told import Told

# For our own people and programs: a conversation of many lines, and wishes between rooms.
_NOT_TOLD = frozenset({"dialogue", "delay_notice", "success_notice", "passed_dsn_on"})


def payload_of(told: Told) -> str:
    """The body of a post, as JSON: `type`, `timestamp`, `id` and `data`."""
    event = told.event
    return compose(event.id, event.kind, event.at, facts(told))


def compose(event_id: str, kind: str, at: datetime, data: dict[str, Any]) -> str:
    """The same for an event that stands in no log."""
    whole = {"type": str(kind), "timestamp": at, "id": event_id, "data": data}
    return msgspec.json.encode(whole).decode()


def facts(told: Told) -> dict[str, Any]:
    """The event's ids, what stands beside it, and what it says, with instants as JSON has them (RFC 3339)."""
    event = told.event
    ids = {"message_id": event.message_id, "inbox_id": event.mailbox_id}
    said = {name: value for name, value in readable(event.data).items() if name not in _NOT_TOLD}
    return {name: value for name, value in ids.items() if value is not None} | told.beside() | said
