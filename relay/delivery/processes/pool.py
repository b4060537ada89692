"""Keep the delivery processes, and hand them what is to be delivered.

A process is started when it is first needed. When it dies, nobody knows what
became of what it had in hand; its successor takes what comes next.
"""

import asyncio
import itertools
import logging
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from relay.delivery.agent import AgentLost, Delivery, KeptConnection
from relay.delivery.consignment import Consignment
from relay.delivery.processes.channel import Channel
from relay.delivery.processes.frames import (
    Cancel,
    Done,
    Failed,
    FromProcess,
    Leave,
    LogAs,
    Setup,
    decode_from_process,
    task_of,
)
from relay.errors import PosthouseError

logger = logging.getLogger("posthouse.delivery")

# A little more than a process takes to say farewell to the far servers.
_PATIENCE_SECONDS = 10
_FOR_US_ALONE = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
)


class DeliveryFailed(PosthouseError):
    """A fault on our side, told by the process; its log says more."""


@dataclass(frozen=True, slots=True)
class KeptElsewhere:
    """A connection that a process holds, named by the task after which it was kept."""

    life: "_Life"
    number: int

    async def close(self) -> None:
        """The process says farewell; nobody waits for it."""
        self.life.channel.send(Leave(self.number))


class DeliveryProcesses:
    """An `Agent`: up to `count` processes, each of which has many deliveries under way."""

    def __init__(self, setup: Setup, count: int) -> None:
        self._seats = [_Seat(setup) for _ in range(count)]

    async def deliver(self, consignment: Consignment, kept: KeptConnection | None = None) -> Delivery:
        """See `Agent`; a kept connection is gone on with in its own process, if that still lives."""
        if isinstance(kept, KeptElsewhere) and kept.life.is_over.done():
            kept = None
        if isinstance(kept, KeptElsewhere):
            return await kept.life.deliver(consignment, kept.number)
        life = await min(self._seats, key=lambda seat: seat.in_hand).life()
        return await life.deliver(consignment, None)

    def log_as(self, log_format: Literal["text", "json"], log_level: str) -> None:
        """Have every process log so, also those that are still to be started."""
        for seat in self._seats:
            seat.log_as(LogAs(log_format, log_level))

    @property
    def pids(self) -> list[int]:
        """The process ids of those that live."""
        return [pid for seat in self._seats if (pid := seat.pid) is not None]

    async def close(self) -> None:
        """No process is left; what was under way is lost."""
        await asyncio.gather(*(seat.close() for seat in self._seats))


class _Seat:
    """At most one process, and its successor when it has died."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._begun: asyncio.Task[_Life] | None = None

    @property
    def in_hand(self) -> int:
        life = self._current()
        return len(life.waiting) if life is not None else 0

    @property
    def pid(self) -> int | None:
        life = self._current()
        return life.process.pid if life is not None else None

    async def life(self) -> "_Life":
        """The process that lives, started if there is none; raises OSError where none can be."""
        if self._begun is None or (self._begun.done() and self._current() is None):
            self._begun = asyncio.create_task(_begin(self._setup), name="start a delivery process")
        return await asyncio.shield(self._begun)

    def log_as(self, wish: LogAs) -> None:
        self._setup = msgspec.structs.replace(
            self._setup, log_format=wish.log_format, log_level=wish.log_level
        )
        if (life := self._current()) is not None:
            life.channel.send(wish)

    async def close(self) -> None:
        if self._begun is not None:
            with suppress(OSError):
                await (await self._begun).end()

    def _current(self) -> "_Life | None":
        begun = self._begun
        if begun is None or not begun.done() or begun.cancelled() or begun.exception() is not None:
            return None
        return begun.result() if not begun.result().is_over.done() else None


@dataclass(slots=True)
class _Life:
    """One process from start to end."""

    process: Process
    channel: Channel
    waiting: dict[int, asyncio.Future[Delivery]]
    is_over: asyncio.Future[None]
    mourning: asyncio.Task[None] | None = None
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def deliver(self, consignment: Consignment, kept: int | None) -> Delivery:
        if self.is_over.done():
            raise AgentLost("the delivery process has ended")
        number = next(self._numbers)
        answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        self.waiting[number] = answer
        self.channel.send(task_of(number, consignment, kept))
        try:
            return await answer
        except asyncio.CancelledError:
            self.channel.send(Cancel(number))
            raise
        finally:
            self.waiting.pop(number, None)

    def hear(self, frame: FromProcess) -> None:
        answer = self.waiting.get(frame.number)
        if answer is None or answer.done():
            if isinstance(frame, Done) and frame.is_kept:
                self.channel.send(Leave(frame.number))
        elif isinstance(frame, Failed):
            answer.set_exception(DeliveryFailed(frame.why))
        else:
            kept = KeptElsewhere(self, frame.number) if frame.is_kept else None
            answer.set_result(Delivery(frame.outcomes, kept))

    def is_lost(self) -> None:
        """The other end closed: nothing more will be heard."""
        if not self.is_over.done():
            self.is_over.set_result(None)
        for answer in self.waiting.values():
            if not answer.done():
                answer.set_exception(AgentLost("the delivery process ended during the attempt"))

    async def mourn(self) -> None:
        status = await self.process.wait()
        if status:
            logger.error("a delivery process ended with status %s", status)

    async def end(self) -> None:
        """Close the channel and wait until the process is gone."""
        self.channel.close()
        assert self.mourning is not None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await asyncio.shield(self.mourning)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.mourning


async def _begin(setup: Setup) -> _Life:
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-s", "-m", "relay.delivery.processes.child", str(theirs.fileno())),
            stdin=DEVNULL,
            env=_environment(),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    waiting: dict[int, asyncio.Future[Delivery]] = {}
    loop = asyncio.get_running_loop()
    # Heard of by the life, which cannot be before its channel is.
    channel = Channel(decode_from_process, lambda frame: life.hear(frame), lambda: life.is_lost())
    life = _Life(process, channel, waiting, loop.create_future())
    await loop.create_connection(lambda: channel, sock=ours)
    channel.send(setup)
    life.mourning = asyncio.create_task(life.mourn(), name="mourn a delivery process")
    return life


def _environment() -> dict[str, str]:
    """Ours, with the place of our modules, but without what a service manager meant for us alone."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOR_US_ALONE}
    path = os.pathsep.join(dict.fromkeys(os.path.abspath(place) for place in sys.path))
    return kept | {"PYTHONPATH": path}
