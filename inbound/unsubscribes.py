"""Unsubscribing: somebody to whom we wrote wants no more, by a signed link or address, or in words.

Whoever has a signed link or address has the mail that names it, so it counts
by itself. In words it counts only where the author's domain vouches for the
letter, since anybody can write anybody's address into From, and only for an
address to which the message went that it answers. Either way it is the
message's stream that is left; all of the tenant's mail where it has none.
"""

from typing import Any

from inbound.objections import object_to
from inbound.reported import Recorded, Roster
from relay.address import Address
from relay.clock import Clock
from relay.events import log
from relay.events.kinds import EventKind
from relay.queue import records as queue
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.suppressions import records as suppressions
from relay.suppressions.reasons import SuppressionReason
from relay.tracking.leaving import Leave


async def record_unsubscribe(
    tx: Transaction, clock: Clock, message: Message, author: Address, *, authentic: bool
) -> Recorded:
    """Write `message.unsubscribed` and suppress the author, if he is a recipient of `message`.

    `message` is the one that the letter answers; `authentic` says that the
    author's domain vouches for it (DMARC). Otherwise, and the second time,
    nothing changes.
    """
    if not authentic or message.direction != "out":
        return Recorded()
    rows = await queue.of_message(tx, message.id)
    named = [row for row in Roster(rows).named([author]) if row.attempts > 0]
    if not named:
        return Recorded(unmatched=(str(author),))
    return await object_to(
        tx,
        clock,
        named,
        EventKind.MESSAGE_UNSUBSCRIBED,
        SuppressionReason.UNSUBSCRIBE,
        _told("mail", message.stream),
        stream=message.stream,
    )


async def record_leaving(tx: Transaction, clock: Clock, leave: Leave, source: str) -> None:
    """Do what a token of ours says; the second time nothing changes.

    Also where the message is forgotten: then the log tells of it without a
    mailbox, when the address is suppressed; a trial suppresses nobody then either.
    """
    rows = [row for row in await queue.of_message(tx, leave.message_id) if row.address == leave.address]
    kind, reason = EventKind.MESSAGE_UNSUBSCRIBED, SuppressionReason.UNSUBSCRIBE
    data = _told(source, leave.stream)
    if rows:
        await object_to(tx, clock, rows, kind, reason, data, stream=leave.stream)
    elif not leave.is_test and await suppressions.add(
        tx,
        clock,
        tenant_id=leave.tenant_id,
        address=leave.address,
        reason=reason,
        stream=leave.stream,
        source_message_id=leave.message_id,
    ):
        said = {"recipient": str(leave.address), **data}
        await log.append(tx, clock, kind, tenant_id=leave.tenant_id, message_id=leave.message_id, data=said)


async def record_by_address(tx: Transaction, clock: Clock, message: Message) -> None:
    """Mail came to the signed address of this message: whoever has it is its only recipient."""
    for row in await queue.of_message(tx, message.id):
        leave = Leave(message.tenant_id, message.id, row.address, message.stream)
        await record_leaving(tx, clock, leave, "mailto")


def _told(source: str, stream: str | None) -> dict[str, Any]:
    return {"source": source, "stream": stream}
