"""One lane for each way out: how many connections at once, and when to leave it in peace.

A lane starts narrow, widens by one with each success and halves when the far
side breaks off. When no host can be reached at all, the lane rests, and its
mail is postponed without costing attempts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

from relay.delivery.agent import KeptConnection
from relay.dispatch.jobs import Heading, Job
from relay.dispatch.pace import Pace
from relay.dispatch.places import Places

FIRST_WIDTH = 2
JOBS_PER_WORKER = 3
KEEP_IDLE_SECONDS = 5.0
RESTS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30))


@dataclass(slots=True)
class Kept:
    """The connection that a worker holds from one job to the next, if it has one."""

    connection: KeptConnection | None = None

    async def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.close()


@dataclass(slots=True)
class Slots:
    """How many workers, with a connection each, the lanes that share this may still put to work.

    `freed` is called for each that leaves.
    """

    free: int
    freed: Callable[[], None]
    _idle: list[asyncio.Timeout] = field(default_factory=list)

    def take(self) -> None:
        self.free -= 1

    def give_back(self) -> None:
        self.free += 1
        self.freed()

    def ask(self) -> None:
        """Somebody waits for a slot: have a worker leave that only keeps a connection warm."""
        if self._idle:
            self._idle.pop(0).reschedule(0)

    @contextmanager
    def idling(self, patience: asyncio.Timeout) -> Iterator[None]:
        """While this lasts, the worker may be asked to leave by cutting its patience short."""
        self._idle.append(patience)
        try:
            yield
        finally:
            if patience in self._idle:
                self._idle.remove(patience)


Carry = Callable[["Lane", Job, Kept], Awaitable[None]]


@dataclass(slots=True)
class Lane:
    """The jobs for one heading and the workers that carry them, one connection each.

    As long as a job waits, at least one worker is active. A worker that leaves
    stops being active before it says farewell to the far side, so that a job
    that comes in meanwhile gets a worker of its own.
    """

    heading: Heading
    carry: Carry
    max_width: int
    slots: Slots
    width: int = FIRST_WIDTH
    is_for_suspects: bool = False
    # The lane whose limit of connections a lane for suspects shares.
    beside: "Lane | None" = None
    pace: Pace | None = None
    places: Places = field(init=False)
    # Whether more was due for it than there was room for, when somebody last looked.
    has_more: bool = False
    # Until when its mail waits, because nobody could be reached (µs).
    rests_until: int = 0
    # Jobs that will come, for which room is kept.
    expected: int = 0
    _failures: int = 0
    _rests: bool = False
    _idle: int = 0
    _active: int = 0
    _paced: list[Job] = field(default_factory=list)
    _carried: list[Job] = field(default_factory=list)
    _aside: list[Job] = field(default_factory=list)
    _put_down: asyncio.Event = field(default_factory=asyncio.Event)
    _jobs: asyncio.Queue[Job] = field(default_factory=asyncio.Queue)
    _workers: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.places = Places(self.max_width)

    @property
    def room(self) -> int:
        """How many more jobs to claim for it: enough to keep every worker busy, no hoard.

        None while half of them are left: a claim costs as much for many as for one.
        """
        spoken_for = self.in_flight + self.expected
        return self._hoard - spoken_for if spoken_for <= self._hoard // 2 else 0

    @property
    def may_expect(self) -> bool:
        """Whether there is room for one job more, and nobody waits in the queue who was there before."""
        return not self.has_more and self.in_flight + self.expected < self._hoard

    @property
    def may_begin(self) -> bool:
        """Whether a job that is added now finds somebody to carry it."""
        return not self._rests and bool(self._active or self.slots.free)

    @property
    def _hoard(self) -> int:
        return 0 if self._rests else JOBS_PER_WORKER * min(self.width, self._active + self.slots.free)

    @property
    def needs_slot(self) -> bool:
        """Nobody works for it, and nobody can begin to."""
        return not (self._active or self.slots.free or self._rests)

    @property
    def in_flight(self) -> int:
        return len(self._carried) + len(self._paced) + self._jobs.qsize() + len(self._aside)

    @property
    def is_quiet(self) -> bool:
        """Nothing to do, nothing expected, and nobody waiting with a connection."""
        return not (self._workers or self.places.has_guests or self.in_flight or self.expected)

    def add(self, job: Job) -> None:
        """Have `job` carried by an idle worker, a new one, or the next that is free.

        Only where there is `room`: a lane without a worker needs a free slot.
        While the lane rests the job is put aside, to be taken back.
        """
        if self._rests:
            self._aside.append(job)
            return
        self._jobs.put_nowait(job)
        if self._jobs.qsize() > self._idle and self._active < self.width and self.slots.free:
            self._active += 1
            self.slots.take()
            worker = asyncio.create_task(self._work(), name=f"lane {self.heading}")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    def begin_anew(self) -> None:
        """Another node has served it meanwhile: what was learned of the far side is old."""
        self.width = min(FIRST_WIDTH, self.max_width)
        if self.pace is not None:
            self.pace.begin_anew()

    def take_back(self) -> Iterator[Job]:
        """Empty the lane of the jobs that nobody has begun."""
        while not self._jobs.empty():
            yield self._jobs.get_nowait()
        while self._paced:
            yield self._paced.pop()
        while self._aside:
            yield self._aside.pop()

    async def stop(self, drain: timedelta) -> list[Job]:
        """Let what is on the wire finish within `drain`, then break off; returns what was broken off."""
        try:
            async with asyncio.timeout(drain.total_seconds()):
                while self._carried:
                    self._put_down.clear()
                    await self._put_down.wait()
        except TimeoutError:
            pass
        broken_off, workers = list(self._carried), list(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return broken_off

    def went_well(self) -> None:
        """A transfer succeeded: one connection more, up to the limit."""
        self._failures = self.rests_until = 0
        self.width = min(self.max_width, self.width + 1)

    def broke_off(self) -> None:
        """A session failed: half as many connections."""
        self.width = max(1, self.width // 2)

    def could_not_be_reached(self) -> timedelta | None:
        """No host answered; returns for how long the lane is to rest, None if it rests already.

        Nothing is to be claimed for it until its mail `is_postponed`.
        """
        self.width = 1
        if self._rests:
            return None
        rest = RESTS[min(self._failures, len(RESTS) - 1)]
        self._failures += 1
        self._rests = True
        return rest

    def is_postponed(self) -> None:
        """Its mail is not claimed before the rest is over."""
        self._rests = False

    async def _work(self) -> None:
        """Carry until nothing is left; a guest who waits for this worker's place has it in between."""
        with ExitStack() as active:
            active.callback(self._is_no_longer_active)
            gave_way = True
            while gave_way:
                async with self.places.taken():
                    gave_way = await self._carry_some(active)

    async def _carry_some(self, active: ExitStack) -> bool:
        """Work with one connection; returns whether it was closed for a guest's sake."""
        kept = Kept()
        try:
            # The lane may have become narrower meanwhile; one worker always goes on.
            while self._active <= self.width and (job := await self._next_job(kept)) is not None:
                await self._carry_one(job, kept)
                if self.places.are_wanted:
                    return True
            active.close()
            return False
        finally:
            await kept.close()

    def _is_no_longer_active(self) -> None:
        self._active -= 1
        self.slots.give_back()

    async def _carry_one(self, job: Job, kept: Kept) -> None:
        if self.pace is not None and not await self._has_its_turn(self.pace, job):
            return
        self._carried.append(job)
        try:
            async with self.beside.places.guest() if self.beside is not None else nullcontext():
                await self.carry(self, job, kept)
        finally:
            self._carried.remove(job)
            self._put_down.set()

    async def _has_its_turn(self, pace: Pace, job: Job) -> bool:
        """Wait for it; False when the job was taken back meanwhile."""
        self._paced.append(job)
        await pace.turn()
        if job not in self._paced:
            return False
        self._paced.remove(job)
        return True

    async def _next_job(self, kept: Kept) -> Job | None:
        """The next job; with a connection in hand it is worth waiting a moment for one."""
        if self._jobs.empty() and kept.connection is not None:
            self._idle += 1
            try:
                async with asyncio.timeout(KEEP_IDLE_SECONDS) as patience:
                    with self.slots.idling(patience):
                        return await self._jobs.get()
            except TimeoutError:
                pass  # and yet one may have come in this very moment
            finally:
                self._idle -= 1
        return None if self._jobs.empty() else self._jobs.get_nowait()
