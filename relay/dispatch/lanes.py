"""One lane for each destination: how many connections at once, and when to leave it in peace.

A lane starts narrow, widens by one with each success and halves when the far
side breaks off. When no host of the destination can be reached at all, the
lane rests, and its mail is postponed without costing attempts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from relay.delivery.connection import Connection
from relay.queue.records import QueuedRecipient

FIRST_WIDTH = 2
KEEP_IDLE_SECONDS = 5.0
RESTS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30))


@dataclass(frozen=True, slots=True)
class Job:
    """Recipients of one message that travel in one transaction."""

    message_id: str
    is_local: bool
    recipients: tuple[QueuedRecipient, ...]


@dataclass(slots=True)
class Kept:
    """The connection that a worker holds from one job to the next, if it has one."""

    connection: Connection | None = None

    async def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.close()


Carry = Callable[["Lane", Job, Kept], Awaitable[None]]


@dataclass(slots=True)
class Lane:
    """The jobs for one destination and the workers that carry them, one connection each."""

    destination: str
    carry: Carry
    max_width: int
    width: int = FIRST_WIDTH
    carrying: int = 0
    _failures: int = 0
    _idle: int = 0
    _jobs: asyncio.Queue[Job] = field(default_factory=asyncio.Queue)
    _workers: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def room(self) -> int:
        """How many more jobs to claim for it: enough to keep every worker busy, no hoard."""
        return max(0, 2 * self.width - self.in_flight)

    @property
    def in_flight(self) -> int:
        return self.carrying + self._jobs.qsize()

    @property
    def is_quiet(self) -> bool:
        """Nothing to do and nobody waiting with a connection."""
        return not self._workers and not self.in_flight

    def add(self, job: Job) -> None:
        """Have `job` carried by an idle worker, a new one, or the next that is free."""
        self._jobs.put_nowait(job)
        if self._jobs.qsize() > self._idle and len(self._workers) < self.width:
            worker = asyncio.create_task(self._work(), name=f"lane {self.destination}")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    def take_back(self) -> Iterator[Job]:
        """Empty the lane of the jobs that nobody has begun."""
        while not self._jobs.empty():
            yield self._jobs.get_nowait()

    async def stop(self, drain: timedelta) -> None:
        """Let what is on the wire finish within `drain`, then break off."""
        if self._idle == len(self._workers):
            drain = timedelta()
        workers = list(self._workers)
        if workers and drain:
            await asyncio.wait(workers, timeout=drain.total_seconds())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def went_well(self) -> None:
        """A transfer succeeded: one connection more, up to the limit."""
        self._failures = 0
        self.width = min(self.max_width, self.width + 1)

    def broke_off(self) -> None:
        """A session failed: half as many connections."""
        self.width = max(1, self.width // 2)

    def could_not_be_reached(self) -> timedelta:
        """No host answered; returns for how long the lane is to rest."""
        self.width = 1
        rest = RESTS[min(self._failures, len(RESTS) - 1)]
        self._failures += 1
        return rest

    async def _work(self) -> None:
        kept = Kept()
        try:
            while (job := await self._next_job(kept)) is not None:
                await self._carry_one(job, kept)
                if len(self._workers) > self.width:
                    return
        finally:
            await kept.close()

    async def _carry_one(self, job: Job, kept: Kept) -> None:
        self.carrying += 1
        try:
            await self.carry(self, job, kept)
        finally:
            self.carrying -= 1

    async def _next_job(self, kept: Kept) -> Job | None:
        """The next job; with a connection in hand it is worth waiting a moment for one."""
        if not self._jobs.empty():
            return self._jobs.get_nowait()
        if kept.connection is None:
            return None
        self._idle += 1
        try:
            async with asyncio.timeout(KEEP_IDLE_SECONDS):
                return await self._jobs.get()
        except TimeoutError:
            return None
        finally:
            self._idle -= 1
