"""No host of a destination can be reached: its mail waits without costing attempts, but not for ever.

One attempt has failed for all of them. Those whose time is over are given up
with it, senders whose mail waits for long are told, and the rest is postponed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from relay.clock import Clock, span_us, to_us
from relay.config import DeliveryConfig
from relay.dispatch.jobs import Heading
from relay.queue import moves
from relay.queue.state import Happening
from relay.replies import SmtpReply
from relay.store.database import Database, Transaction

BATCH = 500


@dataclass(frozen=True, slots=True)
class Outage:
    """One failure to reach anybody at `heading`, whose mail is to rest until `until`."""

    heading: Heading
    until: datetime
    reply: SmtpReply


@dataclass(frozen=True, slots=True)
class Outages:
    """Writes down what an outage means for the mail that waits behind it."""

    db: Database
    clock: Clock
    delivery: DeliveryConfig

    async def wait(self, outage: Outage) -> int:
        """Give up, tell and postpone; returns how many recipients wait longer. Raises StoreUnavailable."""
        await self._in_parts(outage, self._give_up)
        await self._in_parts(outage, self._tell)
        return await self._in_parts(outage, self._postpone)

    async def _in_parts(self, outage: Outage, step: Callable[[Transaction, Outage], Awaitable[int]]) -> int:
        """How many in all; between two parts others write, who would wait for seconds else."""
        done = 0
        while True:
            part = await self.db.transact(lambda tx: step(tx, outage), lengthy=True)
            done += part
            if part < BATCH:
                return done

    async def _give_up(self, tx: Transaction, outage: Outage) -> int:
        heading, now = outage.heading, to_us(self.clock.now())
        overdue = await moves.waiting_behind(tx, heading.destination, heading.is_local, now, limit=BATCH)
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
        return len(overdue)

    async def _tell(self, tx: Transaction, outage: Outage) -> int:
        heading, now, until = outage.heading, to_us(self.clock.now()), to_us(outage.until)
        # Released so long ago that the sender is to hear of it.
        expires_by = now - span_us(self.delivery.delay_notice_after) + span_us(self.delivery.expire_after)
        waiting = await moves.waiting_behind(
            tx, heading.destination, heading.is_local, expires_by, unnoticed=True, limit=BATCH
        )
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
        return len(waiting)

    async def _postpone(self, tx: Transaction, outage: Outage) -> int:
        heading = outage.heading
        until = to_us(outage.until)
        return await moves.postpone(tx, heading.destination, heading.is_local, until, limit=BATCH)


def _data(outage: Outage) -> dict[str, Any]:
    return {"scope": "site", "reason": "infrastructure", "reply": str(outage.reply)}
