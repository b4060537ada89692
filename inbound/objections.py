"""A recipient does not want our mail: one event, and no more mail to that address.

Complaints and requests to unsubscribe end here. Both come as often as
somebody sends them, so each is written down once for a recipient.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from inbound.reported import Recorded
from relay.clock import Clock
from relay.events import log
from relay.events.kinds import EventKind
from relay.queue.records import QueuedRecipient
from relay.store.database import Transaction
from relay.suppressions import records as suppressions
from relay.suppressions.reasons import SuppressionReason


async def object_to(
    tx: Transaction,
    clock: Clock,
    rows: Sequence[QueuedRecipient],
    kind: EventKind,
    reason: SuppressionReason,
    data: Mapping[str, Any],
    *,
    stream: str | None = None,
) -> Recorded:
    """Write `kind` for those recipients of one message that have no such event yet, and suppress them all.

    In one stream of mail only, where one is named.
    """
    fresh = await _without_event(tx, kind, rows)
    for row in fresh:
        await _tell(tx, clock, row, kind, data)
    # A trial says nothing about the mail that somebody really gets.
    real = [row for row in rows if not row.is_trial]
    suppressed = [row for row in real if await _suppress(tx, clock, row, reason, stream)]
    return Recorded(
        recorded=tuple(str(row.address) for row in fresh),
        suppressed=tuple(str(row.address) for row in suppressed),
    )


async def _without_event(
    tx: Transaction, kind: EventKind, rows: Sequence[QueuedRecipient]
) -> list[QueuedRecipient]:
    if not rows:
        return []
    before = await log.recipients_told_of(tx, kind, rows[0].message_id)
    return [row for row in rows if row.id not in before]


async def _tell(
    tx: Transaction, clock: Clock, row: QueuedRecipient, kind: EventKind, data: Mapping[str, Any]
) -> None:
    await log.append(
        tx,
        clock,
        kind,
        tenant_id=row.tenant_id,
        mailbox_id=row.mailbox_id,
        message_id=row.message_id,
        recipient_id=row.id,
        is_test=row.is_trial,
        data={"recipient": str(row.address), **data},
    )


async def _suppress(
    tx: Transaction, clock: Clock, row: QueuedRecipient, reason: SuppressionReason, stream: str | None
) -> bool:
    if row.is_trial:
        return False
    return await suppressions.add(
        tx,
        clock,
        tenant_id=row.tenant_id,
        address=row.address,
        reason=reason,
        stream=stream,
        source_message_id=row.message_id,
    )
