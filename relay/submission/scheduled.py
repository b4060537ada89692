"""Mail that waits for its time: taken back, or given another time.

The allowance goes with it: back to the day from which it was taken, and for
another day reserved anew.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from relay.clock import Clock, to_us
from relay.errors import Refusal
from relay.events import log
from relay.events.kinds import EventKind
from relay.policy import caps
from relay.policy.caps import Caps
from relay.queue import moves
from relay.queue.records import QueuedRecipient
from relay.queue.state import Happening, State
from relay.replies import SmtpReply
from relay.spool import records as spool
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.tenants.mailboxes import Mailbox


class NotScheduled(Refusal):
    """It does not wait for its time any more: it is under way, or has come to its end."""

    code = "not_scheduled"
    reply = SmtpReply(554, "5.5.0", "The message is not scheduled, or not any more")


async def take_back(
    tx: Transaction, clock: Clock, recipients: Sequence[QueuedRecipient], data: Mapping[str, Any]
) -> None:
    """Cancel what waits, and return its allowance; `data` says who wanted it."""
    returned: Counter[tuple[str, str]] = Counter()
    for recipient in recipients:
        moved = await moves.move(tx, clock, recipient, Happening.TAKEN_BACK, data=data)
        if moved and recipient.mailbox_id and recipient.release_day:
            returned[recipient.mailbox_id, recipient.release_day] += 1
    for (mailbox_id, day), count in returned.items():
        await caps.give_back(tx, mailbox_id, day, count)


def those_that_wait(recipients: Sequence[QueuedRecipient]) -> list[QueuedRecipient]:
    """The scheduled ones; raises NotScheduled when there are none, or when some are under way already."""
    waiting = [recipient for recipient in recipients if recipient.state is State.SCHEDULED]
    others = {recipient.state for recipient in recipients} - {State.SCHEDULED, State.SUPPRESSED}
    if not waiting or others:
        raise NotScheduled("not scheduled")
    return waiting


async def reschedule(
    tx: Transaction,
    clock: Clock,
    allowance: Caps,
    mailbox: Mailbox,
    message: Message,
    recipients: Sequence[QueuedRecipient],
    send_at: datetime,
) -> None:
    """Have the scheduled recipients of one message wait until `send_at`, which may be now.

    Raises DailyCapReached or QuotaExceeded when that day's allowance is used up, and NotScheduled
    when one of them was released meanwhile: then nothing has changed.
    """
    day = await _rebook(tx, allowance, mailbox, recipients, allowance.day_of(send_at))
    if not await moves.reschedule(tx, [recipient.id for recipient in recipients], to_us(send_at), day):
        raise NotScheduled(f"{message.id} was released meanwhile")
    await spool.set_send_at(tx, message.id, to_us(send_at))
    await log.append(
        tx,
        clock,
        EventKind.MESSAGE_SCHEDULED,
        tenant_id=message.tenant_id,
        mailbox_id=message.mailbox_id,
        message_id=message.id,
        is_test=message.is_test,
        data={"release_at": to_us(send_at), "why": "it was given another time"},
    )


async def _rebook(
    tx: Transaction, allowance: Caps, mailbox: Mailbox, recipients: Sequence[QueuedRecipient], day: str
) -> str | None:
    """The day that pays from now on; None for what costs nothing."""
    days = Counter(recipient.release_day for recipient in recipients if recipient.release_day is not None)
    for before, count in days.items():
        if before != day:
            # First back: within one month the tenant's quota need not pay twice.
            await caps.give_back(tx, mailbox.id, before, count)
            await allowance.reserve(tx, mailbox, day, count)
    return day if days else None
