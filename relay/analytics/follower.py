"""Count what happens, then judge whom it concerns: for as long as the daemon runs.

One node of several counts at a time, which saves the others the work; that
each event is counted once does not hang on it.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from relay.analytics.judging import Judge
from relay.analytics.rollup import Rollup
from relay.clock import Clock
from relay.events.following import follow
from relay.events.turns import Turn
from relay.station import Station

logger = logging.getLogger("posthouse.figures")

# Nobody waits for a figure; what comes together is counted together.
COUNT_EVERY: Final = timedelta(seconds=2)
JUDGE_EVERY: Final = timedelta(minutes=1)


@dataclass(slots=True)
class Follower:
    """`run` goes on until it is cancelled; `step` is one round of it."""

    clock: Clock
    rollup: Rollup
    judge: Judge
    turn: Turn
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _paused: bool = False
    _judged: float | None = field(default=None)

    async def run(self) -> None:
        """Count until cancelled; a store that cannot be used only makes it wait."""
        again = COUNT_EVERY.total_seconds()
        await follow(self.step, self._woken, again=again, waits="figures wait", logger=logger)

    async def step(self) -> None:
        """Count what the log has; nobody is judged before, by half of what happened."""
        while await self._may_count() and await self.rollup.step():
            pass
        if not await self._may_count():
            return
        while self.rollup.struck:
            mailbox_id = next(iter(self.rollup.struck))
            await self.judge.look(mailbox_id)
            del self.rollup.struck[mailbox_id]
        now = self.clock.monotonic()
        if self._judged is None or now - self._judged >= JUDGE_EVERY.total_seconds():
            self._judged = now
            await self.judge.look_again()

    async def pause(self, patience: timedelta) -> None:
        """Count no more; another node may."""
        self._paused = True
        await self.turn.give_up()

    def resume(self) -> None:
        """Count again."""
        self._paused = False
        self._woken.set()

    async def _may_count(self) -> bool:
        return not self._paused and await self.turn.is_ours()


def build_follower(station: Station) -> Follower:
    """What counts and judges; `run` starts it."""
    judge = Judge(station.db, station.clock, station.config.policy, station.directory)
    turn = Turn(station.db, station.clock, "figures")
    return Follower(station.clock, Rollup(station.db, station.clock), judge, turn)
