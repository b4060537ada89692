"""How the running station is: for the service manager, the metrics and the HTTP door."""

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

from relay.clock import to_us
from relay.dispatch.loop import Dispatcher
from relay.events import log
from relay.policy.caps import Caps
from relay.queue import records as queue
from relay.station import Station
from relay.store.database import Transaction
from relay.systemd import ServiceManager
from relay.telemetry.metrics import QueueDepth
from relay.webhooks import deliveries

logger = logging.getLogger("posthouse.watch")

# The dispatcher looks at the queue every half minute at least, even when there is nothing to do.
DISPATCH_SILENCE = 90.0
WATCHDOG = "watchdog"  # a row of its own, so that the write is real
STATUS_INTERVAL = timedelta(seconds=10)


@dataclass(slots=True)
class Gauge:
    """Reads the metrics off the running station."""

    station: Station

    @property
    def _caps(self) -> Caps:
        policy = self.station.config.policy
        return Caps(self.station.clock, policy.default_daily_cap, policy.cap_timezone)

    async def exposition(self) -> tuple[bytes, str]:
        """The metrics, the queue's depth counted afresh."""
        now, depths = to_us(self.station.clock.now()), defaultdict[str, list[tuple[int, int]]](list)
        for destination, _, recipients, oldest in await queue.depth(self.station.db):
            depths[destination].append((recipients, oldest))
        self.station.metrics.queue_is(
            QueueDepth(name, sum(count for count, _ in parts), (now - min(at for _, at in parts)) / 1e6)
            for name, parts in depths.items()
        )
        self.station.metrics.store_accepting_is(self.station.db.accepting)
        self.station.metrics.budget_left_is(await self._caps.left_of_all(self.station.db))
        self.station.metrics.webhooks_are_owed(await deliveries.waiting(self.station.db))
        return self.station.metrics.exposition()


@dataclass(slots=True)
class Watch:
    """Feeds the watchdog only while everything that must move does."""

    station: Station
    manager: ServiceManager
    dispatcher: Dispatcher | None
    interval: timedelta | None

    async def run(self) -> None:
        """Look after the station until cancelled; a store that cannot be read does not end it."""
        every = min(self.interval / 3 if self.interval else STATUS_INTERVAL, STATUS_INTERVAL)
        while True:
            await asyncio.sleep(every.total_seconds())
            if self._dispatch_is_fresh() and await self._store_answers():
                self.manager.alive()
            try:
                self.manager.status(await self.status())
            except Exception as trouble:
                logger.warning("how much waits cannot be read: %s", trouble)

    async def status(self) -> str:
        """One line: how much waits, and whether new mail is taken on."""
        depth = await queue.depth(self.station.db)
        waiting = sum(recipients for _, _, recipients, _ in depth)
        trouble = self.station.db.trouble
        recipients = "recipient" if waiting == 1 else "recipients"
        return f"{waiting} {recipients} waiting" + (f"; not accepting: {trouble}" if trouble else "")

    def _dispatch_is_fresh(self) -> bool:
        if self.dispatcher is None:
            return True
        silence = self.station.clock.monotonic() - self.dispatcher.last_round_at
        if silence > DISPATCH_SILENCE:
            logger.error("the dispatcher has not looked at the queue for %.0f s", silence)
        return silence <= DISPATCH_SILENCE

    async def _store_answers(self) -> bool:
        """A write goes through, or fails in a way that the store is looking after itself."""

        async def work(tx: Transaction) -> None:
            await log.move_cursor(tx, WATCHDOG, 0)

        try:
            async with asyncio.timeout(DISPATCH_SILENCE):
                await self.station.db.transact(work)
        except TimeoutError:
            logger.error("the store has not answered for %.0f s", DISPATCH_SILENCE)
            return False
        except Exception as trouble:
            logger.warning("the store: %s", trouble)
        return True
