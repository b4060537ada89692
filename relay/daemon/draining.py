"""Take a node out of service while it runs, and put it back.

It takes no new work, what is on the wire ends, and the rest is handed back.

`/ready` says no at once. The doors go on taking mail for `server.drain_timeout`,
until every load balancer has heard it (what is taken is in the store, for the
others to deliver); then sessions get 421, which sends clients to another node.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from relay.clock import Clock
from relay.replies import SmtpReply
from relay.station import Standing

logger = logging.getLogger("posthouse.draining")

REASON: Final = "this node is drained: it takes no new work until it is resumed"
TURNED_AWAY: Final = SmtpReply(421, "4.3.2", "This node takes no mail now, try another one or later")


class Worker(Protocol):
    """Whatever takes work from the store."""

    async def pause(self, patience: timedelta) -> None:
        """Take no more, let what is under way end within `patience`, give the rest back."""
        ...

    def resume(self) -> None:
        """Take work again."""
        ...


@dataclass(slots=True)
class Draining:
    """`ask` says what is wanted; `run` sees to it, one change after another."""

    clock: Clock
    standing: Standing
    patience: timedelta
    workers: list[Worker]
    turn_away: Callable[[SmtpReply | None], None]
    # Whether nothing is left to be done here.
    is_drained: bool = False
    _wanted: bool = False
    _is_out: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, wanted: bool) -> None:
        """Whether it is to be out of service."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    async def hold_back(self) -> None:
        """Begin no work at the start of a node that is to be out of service."""
        if self._wanted:
            self.standing.leave(REASON)
            for worker in self.workers:
                await worker.pause(timedelta())

    async def run(self) -> None:
        """Follow what is asked until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._wanted and not self._is_out:
                await self._take_out()
            elif self._is_out and not self._wanted:
                self._put_back()

    async def _take_out(self) -> None:
        logger.warning("draining: no new work is taken until this node is resumed")
        self._is_out, began = True, self.clock.monotonic()
        self.standing.leave(REASON)
        await asyncio.gather(*(worker.pause(self.patience) for worker in self.workers))
        rest = self.patience.total_seconds() - (self.clock.monotonic() - began)
        try:
            async with asyncio.timeout(max(rest, 0)):
                await self._changed.wait()
        except TimeoutError:
            self.turn_away(TURNED_AWAY)
            self.is_drained = True
            logger.warning("drained: sessions are sent elsewhere")

    def _put_back(self) -> None:
        logger.warning("resumed")
        self.turn_away(None)
        for worker in self.workers:
            worker.resume()
        self._is_out = self.is_drained = False
        self.standing.come_back()
