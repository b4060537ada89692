"""No host of a destination can be reached: its mail waits without costing attempts, but not for ever.

One attempt has failed for all of them. Those whose time is over are given up
with it, senders whose mail waits for long are told, and the destination rests.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from relay.clock import Clock, span_us, to_us
from relay.config import DeliveryConfig
from relay.dispatch.jobs import Heading
from relay.queue import moves, rests
from relay.queue.records import QueuedRecipient
from relay.queue.state import Happening
from relay.replies import SmtpReply
from relay.store.database import Database, Reader, Transaction

BATCH = 500


@dataclass(frozen=True, slots=True)
class Outage:
    """One failure to reach anybody at `heading`, whose mail is to rest until `until`."""

    heading: Heading
    until: datetime
    reply: SmtpReply


Find = Callable[[Reader, Outage], Awaitable[Sequence[QueuedRecipient]]]
Step = Callable[[Transaction, Outage, Sequence[QueuedRecipient]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Outages:
    """Writes down what an outage means for the mail that waits behind it."""

    db: Database
    clock: Clock
    delivery: DeliveryConfig

    async def wait(self, outage: Outage) -> None:
        """Rest, give up and tell; what waits longer is not touched. Raises StoreUnavailable."""
        await self._rest(outage)
        await self._in_parts(outage, self._overdue, self._give_up)
        await self._in_parts(outage, self._untold, self._tell)

    async def _rest(self, outage: Outage) -> None:
        destination = outage.heading.destination or rests.SMARTHOST
        now, until = to_us(self.clock.now()), to_us(outage.until)
        await self.db.transact(
            lambda tx: rests.begin(tx, destination, now=now, until=until), side_by_side=True
        )

    async def _in_parts(self, outage: Outage, find: Find, step: Step) -> None:
        """Between two parts others write, who would wait for seconds else.

        Whether there is anything to write is read beforehand: a long queue is looked through to its end.
        """

        async def work(tx: Transaction) -> int:
            found = await find(tx, outage)
            await step(tx, outage, found)
            return len(found)

        if await find(self.db, outage):
            while await self.db.transact(work, lengthy=True) == BATCH:
                pass

    async def _overdue(self, reader: Reader, outage: Outage) -> Sequence[QueuedRecipient]:
        heading, now = outage.heading, to_us(self.clock.now())
        return await moves.waiting_behind(reader, heading.destination, heading.is_local, now, limit=BATCH)

    async def _untold(self, reader: Reader, outage: Outage) -> Sequence[QueuedRecipient]:
        """Released so long ago that the sender is to hear of it."""
        heading, now = outage.heading, to_us(self.clock.now())
        expires_by = now - span_us(self.delivery.delay_notice_after) + span_us(self.delivery.expire_after)
        return await moves.waiting_behind(
            reader, heading.destination, heading.is_local, expires_by, unnoticed=True, limit=BATCH
        )

    async def _give_up(self, tx: Transaction, outage: Outage, overdue: Sequence[QueuedRecipient]) -> None:
        for recipient in overdue:
            data = {"attempt": recipient.attempts, **_data(outage)}
            await moves.move(
                tx,
                self.clock,
                recipient,
                Happening.GIVEN_UP,
                reason="infrastructure",
                reply=str(outage.reply),
                data=data,
            )

    async def _tell(self, tx: Transaction, outage: Outage, waiting: Sequence[QueuedRecipient]) -> None:
        until = to_us(outage.until)
        for recipient in waiting:
            due_at = max(recipient.due_at or until, until)
            await moves.move(
                tx,
                self.clock,
                recipient,
                Happening.WAITS_ON,
                due_at=due_at,
                reason="infrastructure",
                reply=str(outage.reply),
                delay_noticed=True,
                data={"delay_notice": True, "next_attempt_at": due_at, **_data(outage)},
            )


def _data(outage: Outage) -> dict[str, Any]:
    return {"scope": "site", "reason": "infrastructure", "reply": str(outage.reply)}
