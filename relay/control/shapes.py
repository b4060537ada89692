"""Recipients, messages and events as JSON says them; instants are aware datetimes, RFC 3339 once encoded."""

from collections.abc import Sequence
from typing import Any

from relay.clock import from_us
from relay.events.listing import readable
from relay.events.log import Event
from relay.queue.records import QueuedRecipient
from relay.queue.state import State, message_status
from relay.spool.records import Message

_DUE = frozenset({State.SCHEDULED, State.QUEUED, State.DEFERRED})


def recipient_dict(recipient: QueuedRecipient) -> dict[str, Any]:
    """One recipient, with when it is tried next while it waits for that."""
    due_at = recipient.due_at if recipient.state in _DUE else None
    return {
        "address": str(recipient.address),
        "status": recipient.state.value,
        "reason": recipient.reason,
        "mx": recipient.last_mx,
        "reply": recipient.last_reply,
        "attempts": recipient.attempts,
        "next_attempt_at": None if due_at is None else from_us(due_at),
    }


def message_dict(message: Message, recipients: Sequence[QueuedRecipient]) -> dict[str, Any]:
    """One message with its recipients; what was received has none and is `received`."""
    states = [recipient.state for recipient in recipients]
    return {
        "id": message.id,
        "inbox_id": message.mailbox_id,
        "direction": message.direction,
        "message_id": message.message_id,
        "from": message.header_from,
        "reverse_path": str(message.reverse_path),
        "subject": message.subject,
        "tags": list(message.tags),
        "metadata": message.metadata,
        "size": message.size,
        "source": message.source,
        "status": message_status(states) if states else "received",
        "recipients": [recipient_dict(recipient) for recipient in recipients],
        "send_at": _instant(message.send_at),
        "released_at": _instant(message.released_at),
        "created_at": from_us(message.created_at),
    }


def event_dict(event: Event) -> dict[str, Any]:
    """One entry of the log."""
    return {
        "id": event.id,
        "kind": str(event.kind),
        "at": event.at,
        "inbox_id": event.mailbox_id,
        "message_id": event.message_id,
        "data": readable(event.data),
    }


def _instant(us: int | None) -> Any:
    return None if us is None else from_us(us)
