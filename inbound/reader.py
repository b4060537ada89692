"""Read what has come and what has gone out, each mailbox's mail in its order.

What has to do with one another is read one after another, so that an answer
finds its question; everything else side by side (`inbound.waves`). A reading is put on record before it
begins. What left no outcome is read again alone, so that a message which ends
the process takes no others with it; after a few times only its header is read.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from inbound import arrivals
from inbound.arrivals import Arrival
from inbound.filing import Filing, ReportTooEarly
from inbound.opening import Opened, Opener
from inbound.reading.bench import BenchClosed, ReadingFailed
from inbound.sent import SentMail
from inbound.waves import waves
from relay.errors import StoreUnavailable
from relay.events.following import follow
from relay.events.turns import Turn
from relay.failpoints import ARMED, reach
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.database import Database

T = TypeVar("T")


class _OfArrival(Protocol):
    """Whatever a reading has made of an arrival so far."""

    @property
    def arrival(self) -> Arrival: ...


A = TypeVar("A", bound=_OfArrival)

logger = logging.getLogger("posthouse.reader")

BATCH = 64
LOOK_AGAIN_SECONDS = 5.0
# What is in memory at once, in octets of bodies; a larger message is read alone.
READ_AT_ONCE = 4 * 1024 * 1024
# What shares a commit: whoever accepts mail meanwhile waits for it.
FILED_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class Loaded:
    """An arrival with its message and bytes."""

    arrival: Arrival
    message: Message
    stored: StoredContent


@dataclass(slots=True)
class Reader:
    """Follows the arrivals and the log of accepted mail until it is cancelled.

    `_too_early` are reports that wait for the outcome which they report on;
    `_blameless` were begun and not read for no fault of theirs.
    """

    db: Database
    opener: Opener
    filing: Filing
    sent: SentMail
    # What another node reads just now would be a suspect here.
    turn: Turn
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _stepping: asyncio.Lock = field(default_factory=asyncio.Lock)
    _paused: bool = False
    _too_early: set[str] = field(default_factory=set)
    _blameless: set[str] = field(default_factory=set)

    def wake(self) -> None:
        """There is something to read."""
        self._woken.set()

    async def run(self) -> None:
        """Read on until the house closes; a store that cannot be written only makes it wait."""
        await follow(
            self.step,
            self._woken,
            again=LOOK_AGAIN_SECONDS,
            waits="reading waits",
            logger=logger,
            ends=(BenchClosed,),
        )

    async def pause(self, patience: timedelta) -> None:
        """Begin nothing more; let another node read on when what is being read is filed."""
        self._paused = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience.total_seconds()), self._stepping:
                await self.stop()

    def resume(self) -> None:
        """Read again, when it is our turn."""
        self._paused = False
        self.wake()

    async def stop(self) -> None:
        """Let another node read on at once; that `run` has ended is for the caller to see to."""
        with contextlib.suppress(StoreUnavailable):
            await self.turn.give_up()

    async def step(self) -> int:
        """Read some of what came, then of what was sent; returns how much. Nothing, in another's turn."""
        async with self._stepping:
            return 0 if self._paused or not await self.turn.is_ours() else await self._step()

    async def _step(self) -> int:
        arrived = await self._read_batch(BATCH) + await self._read_batch(1, suspects=True)
        if not arrived:
            self._too_early.clear()
        # However much comes: what is answered now was sent a moment ago.
        sent = await self.sent.step()
        return arrived or sent

    async def _read_batch(self, limit: int, *, suspects: bool = False) -> int:
        await self._excuse()
        waiting = await arrivals.waiting(self.db, limit, suspects=suspects, but=self._too_early)
        if not waiting:
            return 0
        ids = [arrival.message_id for arrival in waiting]
        await self.db.transact(lambda tx: arrivals.begin(tx, ids))
        try:
            return sum([await self._read(part) for part in await self._load(waiting)])
        except (StoreUnavailable, BenchClosed):
            self._blameless.update(ids)
            raise

    async def _excuse(self) -> None:
        """What was not read for trouble of the store is no suspect."""
        if blameless := set(self._blameless):
            await self.db.transact(lambda tx: arrivals.excuse(tx, blameless))
            self._blameless -= blameless

    async def _load(self, waiting: Sequence[Arrival]) -> list[list[Loaded]]:
        """The messages with their bytes, in parts of which each may be in memory at once."""
        loaded = await spool.load_many(self.db, [arrival.message_id for arrival in waiting])
        gone = [arrival.message_id for arrival in waiting if arrival.message_id not in loaded]
        if gone:
            await self.db.transact(lambda tx: arrivals.forget(tx, gone))
        found = [
            Loaded(arrival, *loaded[arrival.message_id])
            for arrival in waiting
            if arrival.message_id in loaded
        ]
        return list(_parts(found))

    async def _read(self, part: Sequence[Loaded]) -> int:
        """Take them apart and judge their senders side by side, then wave by wave find where they belong."""
        examined = await self._each(
            part, lambda each: self.opener.examine(each.arrival, each.message, each.stored)
        )
        read = 0
        for wave in waves(examined):
            opened = await self._each(wave, self.opener.open)
            for start in range(0, len(opened), FILED_TOGETHER):
                read += len(await self._each(opened[start : start + FILED_TOGETHER], self._file))
        return read

    async def _file(self, opened: Opened) -> bool:
        if ARMED:
            reach("inbound.read")
        await self.db.transact(lambda tx: self.filing.received(tx, opened), lengthy=True)
        return True

    async def _each(self, them: Sequence[A], work: Callable[[A], Awaitable[T]]) -> list[T]:
        """What the work gives for each, side by side; one whose work failed is left for later.

        When the store or the bench is gone that is raised, not before all have ended.
        """
        outcomes = await asyncio.gather(*map(work, them), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, (StoreUnavailable, BenchClosed)):
                raise outcome
        done: list[T] = []
        for each, outcome in zip(them, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                self._not_read(each.arrival.message_id, outcome)
            else:
                done.append(outcome)
        return done

    def _not_read(self, message_id: str, fault: BaseException) -> None:
        """It stays for later, with its count."""
        if isinstance(fault, ReadingFailed):
            logger.warning("%s could not be read: %s; it is tried again", message_id, fault)
        elif isinstance(fault, ReportTooEarly):
            logger.info("%s reports on mail that is still under way: %s", message_id, fault)
            self._too_early.add(message_id)
            self._blameless.add(message_id)
        elif isinstance(fault, Exception):
            logger.error("%s could not be read; it is tried again", message_id, exc_info=fault)
        else:
            raise fault


def _parts(loaded: Iterable[Loaded]) -> Iterator[list[Loaded]]:
    part: list[Loaded] = []
    octets = 0
    for each in loaded:
        part.append(each)
        octets += each.message.body_size
        if octets >= READ_AT_ONCE:
            yield part
            part, octets = [], 0
    if part:
        yield part
