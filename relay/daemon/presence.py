"""Keep this node's row: that it lives, and whether it is asked to drain."""

import asyncio
import logging
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from relay.daemon.draining import Draining
from relay.errors import StoreUnavailable
from relay.nodes import records
from relay.station import Station
from relay.store.database import Transaction
from relay.version import __version__

logger = logging.getLogger("posthouse.nodes")

LOOK_EVERY: Final = timedelta(seconds=2)
BEAT_EVERY: Final = timedelta(seconds=10)


@dataclass(slots=True)
class Presence:
    """Nothing of it where the store has one node: SQLite."""

    station: Station
    roles: Collection[str]
    draining: Draining
    _beaten_at: float | None = field(default=None)
    _told_drained: bool = field(default=False)

    @property
    def is_shared(self) -> bool:
        return self.station.db.engine == "postgresql"

    async def enter(self) -> None:
        """Be known before any work is taken; a node that was drained starts so."""
        if self.is_shared:
            await self.station.db.transact(self._enter, side_by_side=True)
            await self.look()
            await self.draining.hold_back()

    async def run(self) -> None:
        """Look every two seconds, until cancelled; a store that is away changes nothing."""
        while self.is_shared:
            await asyncio.sleep(LOOK_EVERY.total_seconds())
            try:
                await self.look()
            except StoreUnavailable as trouble:
                logger.warning("whether this node is to drain cannot be read: %s", trouble)
            except Exception:
                logger.exception("this node could not be looked after; it is tried again")
        await asyncio.Event().wait()

    async def look(self) -> None:
        """Hear what is asked; say that we live when that is due, or that nothing is left."""
        name, clock = self.station.node, self.station.clock
        self.draining.ask(await records.is_to_drain(self.station.db, name))
        is_drained, now = self.draining.is_drained, clock.monotonic()
        is_due = self._beaten_at is None or now - self._beaten_at >= BEAT_EVERY.total_seconds()
        if not is_due and is_drained == self._told_drained:
            return

        async def work(tx: Transaction) -> None:
            if not await records.beat(tx, clock, name, is_drained=is_drained):
                await self._enter(tx)

        await self.station.db.transact(work, side_by_side=True)
        self._beaten_at, self._told_drained = now, is_drained

    async def leave(self) -> None:
        """Say goodbye, when everything has been handed back."""
        if not self.is_shared:
            return
        try:
            await self.station.db.transact(
                lambda tx: records.leave(tx, self.station.clock, self.station.node), side_by_side=True
            )
        except StoreUnavailable as trouble:
            logger.warning("others will think this node silent: %s", trouble)

    async def _enter(self, tx: Transaction) -> None:
        await records.enter(
            tx,
            self.station.clock,
            self.station.node,
            version=__version__,
            roles=self.roles,
            process=os.getpid(),
        )
