"""Mail that is held: let go, at once or when its time comes, whoever decides that."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from relay.clock import Clock, span_us, to_us
from relay.config import Config
from relay.policy import caps, days
from relay.queue import moves
from relay.queue.records import QueuedRecipient
from relay.queue.state import Happening, State
from relay.spool import records as spool
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.suppressions import records as suppressions


async def let_go(
    tx: Transaction,
    clock: Clock,
    config: Config,
    recipients: Sequence[QueuedRecipient],
    data: Mapping[str, Any],
) -> None:
    """Held recipients may travel, with a whole lifetime before them; `data` says who wanted it.

    What was scheduled before it was held waits for its time again, and whoever
    was suppressed meanwhile is not written to.
    """
    messages = await spool.find_many(tx, sorted({recipient.message_id for recipient in recipients}))
    lifetime, now = span_us(config.delivery.expire_after), to_us(clock.now())
    for recipient in recipients:
        message = messages[recipient.message_id]
        at = _earliest(config, message, recipient)
        if at > now:
            await _wait_again(tx, clock, recipient, at, data)
            continue
        await moves.move(tx, clock, recipient, Happening.LET_GO, due_at=now, data=data)
        # Suppression may have been learned while it was held.
        if not await _is_suppressed(tx, clock, message, replace(recipient, state=State.QUEUED)):
            await moves.start_life(tx, [recipient.id], now + lifetime)
            await spool.mark_released(tx, message.id, now)


def _earliest(config: Config, message: Message, recipient: QueuedRecipient) -> int:
    """When it may travel: the time for which it was scheduled before it was held, or any."""
    if message.released_at is not None:
        return 0
    day_begins = 0
    if recipient.release_day is not None:
        day_begins = to_us(days.start_of(recipient.release_day, config.policy.cap_timezone))
    return max(message.send_at or 0, day_begins)


async def _wait_again(
    tx: Transaction, clock: Clock, recipient: QueuedRecipient, at: int, data: Mapping[str, Any]
) -> None:
    told = {**data, "release_at": at, "why": "let go before its time"}
    await moves.move(tx, clock, recipient, Happening.LET_GO_EARLY, due_at=at, data=told)


async def _is_suppressed(tx: Transaction, clock: Clock, message: Message, recipient: QueuedRecipient) -> bool:
    found = await suppressions.suppressed_among(
        tx, recipient.tenant_id, [recipient.address], message.stream, now=clock.now()
    )
    reason = found.get(recipient.address)
    # Our own reports go to the sender whatever the list says.
    if reason is None or recipient.mailbox_id is None:
        return False
    moved = await moves.move(tx, clock, recipient, Happening.FOUND_SUPPRESSED, reason=reason.value)
    if moved and recipient.release_day is not None:
        await caps.give_back(tx, recipient.mailbox_id, recipient.release_day, 1)
    return moved
