"""What must happen in time without anybody asking: releases, lost leases, retention."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Protocol

from relay.batches import records as batches
from relay.clock import Clock, from_us, span_us, to_us
from relay.config import DeliveryConfig, RetentionConfig
from relay.dispatch.lanes import RESTS
from relay.dispatch.leases import Leases
from relay.events import audit, log
from relay.failpoints import ARMED, reach
from relay.guards import acquaintances, approvals
from relay.policy import caps as allowances
from relay.queue import claims, moves
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.queue.retry import JITTER
from relay.queue.state import Happening
from relay.queue.waits import Limits, cut_waits
from relay.spool import records as spool
from relay.spool.records import Direction
from relay.store.bodies import BodyShelf
from relay.store.database import Database, Transaction
from relay.submission import repeats
from relay.suppressions import records as suppressions
from relay.tracking import records as tracked

logger = logging.getLogger("posthouse.sweep")

BATCH = 500
EVENTS_BATCH = 10_000
FEW = 20  # of what has up to a thousand rows each
CLOCKS_DIFFER_BY = timedelta(minutes=1)
ORPHAN_AGE = timedelta(hours=1)
DAYS_COUNTED = timedelta(days=60)


class Memory(Protocol):
    """Who else remembers messages, and forgets them in the transaction in which they go."""

    async def forget_text(self, tx: Transaction, message_ids: Sequence[str]) -> None: ...
    async def forget(self, tx: Transaction, message_ids: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Each method does one kind of work, can be called at any time, and can be killed anywhere."""

    db: Database
    clock: Clock
    delivery: DeliveryConfig
    retention: RetentionConfig
    shelf: BodyShelf
    node: str
    leases: Leases
    memory: Memory | None = None

    async def release_due(self) -> int | None:
        """Let scheduled mail whose time has come travel; returns when the next is due (microseconds).

        Suppression is looked up again, because it may have been learned since.
        """
        now = to_us(self.clock.now())
        upcoming = await moves.next_release(self.db)
        while upcoming is not None and upcoming <= now:
            await self.db.transact(self._release_batch, lengthy=True)
            upcoming = await moves.next_release(self.db)
        return upcoming

    async def keep_leases(self) -> None:
        """Extend the leases that we work under, and take back those under which nobody does.

        What would wait for longer than we ever let anything wait is due now.
        """
        now = to_us(self.clock.now())
        until = now + span_us(self.delivery.lease)
        longest = max(*self.delivery.retry_schedule, *RESTS) * (1 + JITTER)
        limits = Limits(now + span_us(longest + CLOCKS_DIFFER_BY), until + span_us(CLOCKS_DIFFER_BY))
        in_hand = self.leases.ids

        async def work(tx: Transaction) -> tuple[list[int], int, int]:
            kept = await claims.extend_leases(tx, self.node, in_hand, until)
            cut = await cut_waits(tx, limits, now=now, lease_until=until)
            return kept, await claims.end_leases(tx, self.clock), cut

        kept, ended, cut = await self.db.transact(work, lengthy=True, side_by_side=True)
        self.leases.extended(kept, until)
        if ended:
            logger.warning("took back %d leases that had run out", ended)
        if cut:
            logger.warning("the clock was set back: %d that would have waited for it are due now", cut)

    async def purge(self) -> None:
        """Forget what the retention settings say; never anything of mail that is under way."""
        await self._purge_bodies("out", self.retention.content)
        await self._purge_bodies("in", self.retention.raw_inbound)
        now = self.clock.now()
        before = to_us(now - self.retention.events)

        while (
            await self.db.transact(lambda tx: log.purge(tx, before, EVENTS_BATCH), lengthy=True)
            == EVENTS_BATCH
        ):
            pass
        while (
            await self.db.transact(lambda tx: audit.purge(tx, before, EVENTS_BATCH), lengthy=True)
            == EVENTS_BATCH
        ):
            pass
        await self._forget_messages(before)
        while await self.db.transact(lambda tx: batches.purge(tx, before, FEW), lengthy=True) == FEW:
            pass
        await self.db.transact(lambda tx: repeats.purge(tx, to_us(now)), lengthy=True)
        counted_before = (now - DAYS_COUNTED).date().isoformat()
        await self.db.transact(lambda tx: acquaintances.purge(tx, counted_before))

    async def _forget_messages(self, before: int) -> None:
        """Of mail whose body and events are gone, the facts go too."""
        while ids := await spool.forgettable(self.db, before, BATCH):

            async def work(tx: Transaction, ids: list[str] = ids) -> None:
                if self.memory is not None:
                    await self.memory.forget(tx, ids)
                await tracked.forget(tx, ids)
                await queue.forget(tx, ids)
                await approvals.forget(tx, ids)
                await spool.forget(tx, ids)

            await self.db.transact(work, lengthy=True)

    async def sweep_orphans(self) -> None:
        """Remove body files that no message refers to: their accept never committed."""
        removed = await self.shelf.sweep(partial(spool.body_files, self.db), ORPHAN_AGE)
        if removed:
            logger.info("removed %d body files without a message", len(removed))

    async def _release_batch(self, tx: Transaction) -> None:
        now = to_us(self.clock.now())
        due = await moves.due_for_release(tx, now, BATCH)
        expires_at = now + span_us(self.delivery.expire_after)
        streams = await spool.streams_of(tx, [recipient.message_id for recipient in due]) if due else {}
        alike: dict[tuple[str, str | None], list[QueuedRecipient]] = defaultdict(list)
        for recipient in due:
            alike[recipient.tenant_id, streams.get(recipient.message_id)].append(recipient)
        for (tenant_id, stream), recipients in alike.items():
            await self._release(tx, tenant_id, stream, recipients, now)
        await moves.start_life(tx, [recipient.id for recipient in due], expires_at)

    async def _release(
        self,
        tx: Transaction,
        tenant_id: str,
        stream: str | None,
        recipients: Sequence[QueuedRecipient],
        now: int,
    ) -> None:
        suppressed = await suppressions.suppressed_among(
            tx, tenant_id, [recipient.address for recipient in recipients], stream, now=from_us(now)
        )
        for recipient in recipients:
            reason = suppressed.get(recipient.address)
            happening = Happening.FOUND_SUPPRESSED if reason else Happening.RELEASED
            await moves.move(
                tx, self.clock, recipient, happening, due_at=now, reason=reason.value if reason else None
            )
            if reason is None:
                await spool.mark_released(tx, recipient.message_id, now)
            elif recipient.mailbox_id and recipient.release_day:
                # Suppressed recipients cost nothing.
                await allowances.give_back(tx, recipient.mailbox_id, recipient.release_day, 1)

    async def _purge_bodies(self, direction: Direction, keep: timedelta) -> None:
        before = to_us(self.clock.now() - keep)
        while batch := await spool.purgeable(self.db, before, direction, BATCH):

            async def work(tx: Transaction, batch: list[tuple[str, str | None]] = batch) -> None:
                for message_id, _ in batch:
                    await spool.purge_body(tx, message_id)
                # Of received mail only the raw form goes: what it said stays as long as its facts.
                if direction == "out" and self.memory is not None:
                    await self.memory.forget_text(tx, [message_id for message_id, _ in batch])

            await self.db.transact(work, lengthy=True)
            if ARMED:
                reach("retention.purged")
            for _, file in batch:
                if file is not None:
                    await self.shelf.drop(file)
