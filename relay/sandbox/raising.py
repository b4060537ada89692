"""Raise an event by hand: it stands in the log, marked as a test, and nothing else changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from relay.clock import Clock
from relay.errors import InvalidInput, NotFound
from relay.events import log
from relay.events.kinds import BY_NAME, EventKind
from relay.ids import new_id
from relay.queue import records as queue
from relay.sandbox.conduct import DOMAIN
from relay.sandbox.samples import sample
from relay.spool import records as spool
from relay.store.database import Transaction

LARGEST: Final = 16 * 1024
SOMEBODY: Final = f"delivered@{DOMAIN}"
_OF_MESSAGES: Final = "message."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be raised; what is left out is made up. `data` stands instead of what the sample says."""

    kind: EventKind
    mailbox_id: str | None = None
    message_id: str | None = None
    recipient: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Raised:
    """An event as it stands in the log."""

    id: str
    kind: EventKind
    at: datetime
    mailbox_id: str | None
    message_id: str | None
    data: dict[str, Any]


def kind_named(text: str) -> EventKind | None:
    """The kind of that name, if it can be raised: a post to try an endpoint stands in no log."""
    kind = BY_NAME.get(text)
    return None if kind is EventKind.WEBHOOK_TEST else kind


async def raise_event(tx: Transaction, clock: Clock, tenant_id: str, wanted: Wanted) -> Raised:
    """Write the event. Raises NotFound for what is no test message of the tenant, or not of the mailbox.

    Raises InvalidInput for data that such an event never has.
    """
    message_id, mailbox_id = wanted.message_id, wanted.mailbox_id
    recipient = wanted.recipient
    if message_id is not None:
        message = await spool.find(tx, message_id)
        if message is None or message.tenant_id != tenant_id or not message.is_test:
            raise NotFound(f"no test message {message_id}")
        if mailbox_id not in (None, message.mailbox_id):
            raise NotFound(f"no test message {message_id} in this inbox")
        mailbox_id = message.mailbox_id
        if recipient is None:
            rows = await queue.of_message(tx, message_id)
            recipient = str(rows[0].address) if rows else None
    elif wanted.kind.startswith(_OF_MESSAGES):
        message_id = new_id("msg", clock)
    data = _merged(sample(wanted.kind, clock, recipient or SOMEBODY), wanted.data)
    id_ = await log.append(
        tx,
        clock,
        wanted.kind,
        tenant_id=tenant_id,
        mailbox_id=mailbox_id,
        message_id=message_id,
        data=data,
        is_test=True,
    )
    return Raised(id_, wanted.kind, clock.now(), mailbox_id, message_id, data)


def _merged(said: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(given) - set(said)) if said else []
    if unknown:
        raise InvalidInput(f"such an event does not say {unknown[0][:80]}", f"data.{unknown[0][:80]}")
    if len(msgspec.json.encode(given)) > LARGEST:
        raise InvalidInput(f"an event says at most {LARGEST} octets", "data")
    return {**said, **given}
