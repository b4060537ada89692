"""One round: a fresh daemon under load from three doors, killed again and again, then drained and added up.

After each kill, what the dead daemon had sent is read to its end at the far
side, and its store is looked at: what is settled there must not be sent again.
"""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from relay.clock import SystemClock
from relay.control.operations.queue import Chosen
from relay.control.registry import Nothing
from tests.crash import inside
from tests.crash.far_side import REFUSING, SITES, FarSide
from tests.crash.furnish import furnish
from tests.crash.kills import Kill
from tests.crash.ledger import Ledger
from tests.crash.load import Generator
from tests.crash.sums import Sums
from tests.fakes.daemon import APPLICATION, Daemon, MakeDaemon
from tests.fakes.dns_server import FakeDns

CLOCK = SystemClock()
DRAIN_SECONDS = 300
# New ones in each life, so that one that lasts costs little more than others.
LETTERS = 100
REACHED_WITHIN = 180.0
# A purge is made when a daemon starts, or in an hour.
PURGED_WITHIN = 60.0
FILES = {"store.body", "retention.purged"}
# The share of letters that are too long for a row.
SOME_LARGE, MANY_LARGE = 0.02, 0.1


@dataclass(slots=True)
class Round:
    """A daemon, its load, its far side and its books."""

    daemon: Daemon
    ledger: Ledger
    far_side: FarSide
    generator: Generator
    load: "asyncio.Task[None]"
    key: str
    patience: float = DRAIN_SECONDS
    sums: Sums = field(default_factory=Sums)

    async def kill(self, kill: Kill) -> None:
        """Start the daemon, let it work, and have it killed."""
        began, before = CLOCK.monotonic(), self.ledger.happened
        if kill.point == "store.migration":
            inside.step_back(self.daemon)
        self.generator.grant(LETTERS)
        self.daemon.launch(environ=kill.environ)
        if kill.point is None:
            await self.ledger.after(kill.turn)
            await self.daemon.kill()
        else:
            await self._dies_at(kill.point)
        took, happened = CLOCK.monotonic() - began, self.ledger.happened - before
        tell(f"killed at {kill.point or 'random'}:{kill.turn} after {took:.1f} s and {happened} happenings")
        await self.look_at_the_dead()

    async def look_at_the_dead(self) -> None:
        """Enter into the books what it had done; nothing of it runs any more."""
        if self.load.done():
            self.load.result()
        await self.far_side.falls_silent()
        in_flight = self.ledger.killed(await asyncio.to_thread(inside.settled, self.daemon))
        self.sums.kills += 1
        self.sums.most_in_flight = max(self.sums.most_in_flight, in_flight)

    async def _dies_at(self, point: str) -> None:
        try:
            code = await self.daemon.ends(PURGED_WITHIN if point == "retention.purged" else REACHED_WITHIN)
        except TimeoutError:
            self.sums.unreached.append(point)
            await self.daemon.kill()
        else:
            assert code == -signal.SIGKILL, f"it ended with {code}:\n{self.daemon.log[-5000:]}"

    async def finish(self) -> Sums:
        """A last life: the clients come to their end, what waits is delivered, and everything is added up."""
        began = CLOCK.monotonic()
        await self.daemon.start()
        self.sums.slowest_start = CLOCK.monotonic() - began
        self.generator.stop()
        await self.load
        await self._drain()
        await inside.look_into_inbox(self.daemon, self.key, self.ledger)
        self.sums.problems += (await self.daemon.do("store.verify", Nothing()))["problems"]
        assert await self.daemon.stop() == 0
        self._add_up()
        return self.sums

    def _add_up(self) -> None:
        self.sums.take(self.ledger)
        self.sums.untold = len(inside.owed(self.daemon) - self.ledger.told.keys())
        states = inside.states(self.daemon)
        if not set(states) <= {"delivered", "bounced"}:
            self.sums.problems.append(f"not everything is over: {dict(states)}")
        unfounded = [who for who in self.ledger.reports if not who[1].endswith(REFUSING)]
        self.sums.problems += [f"a report about {who[1]}, who refused nothing" for who in unfounded]

    async def _drain(self) -> None:
        """Until nothing waits and nothing is missing; or until it is certain that it never comes."""
        try:
            async with asyncio.timeout(self.patience):
                while not await self._is_drained():
                    await self.daemon.manager.hears("STATUS")
        except TimeoutError:
            tell(f"not drained: {inside.states(self.daemon)}\n{self.daemon.log[-5000:]}")

    async def _is_drained(self) -> bool:
        states = inside.states(self.daemon)
        if states["held"]:
            # As the person would whom they wait for.
            self.sums.held += states["held"]
            await self.daemon.do("queue.release", Chosen(mailbox=APPLICATION))
        if not set(states) <= {"delivered", "bounced"} or self.ledger.missing(("smtp", "api")):
            return False
        return not inside.unread(self.daemon) and inside.owed(self.daemon) <= self.ledger.told.keys()


@asynccontextmanager
async def under_load(
    make_daemon: MakeDaemon,
    dns: FakeDns,
    directory: Path,
    rng: random.Random,
    *,
    large: float = SOME_LARGE,
    purges: bool = False,
) -> AsyncIterator[Round]:
    """A round whose clients are at work, and find nobody at home until its daemon is launched."""
    directory.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(directory / "acknowledged")
    far_side = await FarSide.open(dns, ledger, rng)
    try:
        daemon, key = await furnish(make_daemon, dns, far_side, purges=purges)
        generator = Generator(daemon, ledger, rng, SITES, REFUSING, key, large=large)
        load = asyncio.create_task(generator.run())
        try:
            yield Round(daemon, ledger, far_side, generator, load, key)
        finally:
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
    finally:
        await far_side.close()


async def run_round(
    make_daemon: MakeDaemon,
    dns: FakeDns,
    directory: Path,
    kills: Sequence[Kill],
    seed: int,
    killed: Callable[[], None] = lambda: None,
) -> Sums:
    """All of `kills`, one after the other, on one store; `killed` is called after each."""
    began = CLOCK.monotonic()
    points = {kill.point for kill in kills}
    async with under_load(
        make_daemon,
        dns,
        directory,
        random.Random(seed),
        large=MANY_LARGE if points & FILES else SOME_LARGE,
        purges="retention.purged" in points,
    ) as under:
        for kill in kills:
            await under.kill(kill)
            killed()
        sums = await under.finish()
    sums.seconds = CLOCK.monotonic() - began
    tell(repr(sums))
    return sums


def tell(text: str) -> None:
    """Shown when the test fails, or with -s."""
    sys.stdout.write(f"{text}\n")
