"""One delivery process, from its start to its end, as the daemon sees it."""

import asyncio
import itertools
import logging
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from relay.delivery.agent import AgentLost, Delivery, DeliveryFailed
from relay.delivery.consignment import Consignment
from relay.delivery.processes.channel import Channel
from relay.delivery.processes.frames import (
    Cancel,
    Done,
    Failed,
    FromProcess,
    Leave,
    Ready,
    Setup,
    decode_from_process,
    task_of,
)

logger = logging.getLogger("posthouse.delivery")

# A little more than a process takes to say farewell to the far servers.
_PATIENCE_SECONDS = 10
_START_SECONDS = 60
_FOR_US_ALONE = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
)


@dataclass(frozen=True, slots=True)
class KeptElsewhere:
    """A connection that a process holds, named by the task after which it was kept."""

    life: "Life"
    number: int

    async def close(self) -> None:
        """The process says farewell; nobody waits for it."""
        self.life.channel.send(Leave(self.number))


class Life:
    """A process that was started; `begin` makes one."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.channel = Channel(decode_from_process, self._hear, self._is_lost)
        self._process: Process | None = None
        self._mourning: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] = loop.create_future()
        self._over: asyncio.Future[None] = loop.create_future()
        self._waiting: dict[int, asyncio.Future[Delivery]] = {}
        self._numbers = itertools.count()

    @classmethod
    async def begin(cls, setup: Setup) -> Self:
        """One that is ready to deliver; raises DeliveryFailed when it does not come so far."""
        self = cls()
        try:
            await self._start()
            self.channel.send(setup)
            async with asyncio.timeout(_START_SECONDS):
                await asyncio.wait({self._ready, self._over}, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, TimeoutError) as error:
            await self.end()
            raise DeliveryFailed(f"no delivery process could be started: {error!r}") from error
        if not self._ready.done():
            await self.end()
            raise DeliveryFailed("a delivery process ended before it was ready")
        return self

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be heard of it."""
        return self._over.done()

    @property
    def in_hand(self) -> int:
        """Deliveries under way."""
        return len(self._waiting)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def deliver(self, consignment: Consignment, kept: int | None) -> Delivery:
        """See `Agent`; `kept` is the number of the task whose connection is to be gone on with."""
        if self.is_over:
            raise DeliveryFailed("the delivery process ended before the attempt")
        number = next(self._numbers)
        answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self.channel.send(task_of(number, consignment, kept))
        try:
            return await answer
        except asyncio.CancelledError:
            self.channel.send(Cancel(number))
            raise
        finally:
            del self._waiting[number]

    async def end(self) -> None:
        """Close the channel and wait until the process is gone; it has time to say farewell."""
        self.channel.close()
        if self._process is None or self._mourning is None:
            return
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await asyncio.shield(self._mourning)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._mourning

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-s", "-m", "relay.delivery.processes.child"),
                    str(theirs.fileno()),
                    stdin=DEVNULL,
                    env=_environment(),
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        self._mourning = asyncio.create_task(self._mourn(self._process), name="mourn a delivery process")
        await asyncio.get_running_loop().create_connection(lambda: self.channel, sock=ours)

    def _hear(self, frame: FromProcess) -> None:
        if isinstance(frame, Ready):
            self._ready.set_result(None)
            return
        answer = self._waiting.get(frame.number)
        if answer is None or answer.done():  # nobody waits for it any more
            if isinstance(frame, Done) and frame.is_kept:
                self.channel.send(Leave(frame.number))
        elif isinstance(frame, Failed):
            answer.set_exception(DeliveryFailed(frame.why))
        else:
            kept = KeptElsewhere(self, frame.number) if frame.is_kept else None
            answer.set_result(Delivery(frame.outcomes, kept))

    def _is_lost(self) -> None:
        self._over.set_result(None)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(AgentLost("the delivery process ended during the attempt"))

    async def _mourn(self, process: Process) -> None:
        status = await process.wait()
        if status:
            logger.error("a delivery process ended with status %s", status)


def _environment() -> dict[str, str]:
    """Ours, with the place of our modules, but without what a service manager meant for us alone."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOR_US_ALONE}
    path = os.pathsep.join(dict.fromkeys(os.path.abspath(place) for place in sys.path))
    return kept | {"PYTHONPATH": path}
