"""The process that delivers: `python -m relay.delivery.processes.child DESCRIPTOR`.

It is told what to deliver over an inherited socket and ends with it. It has
the signing keys and the far servers' replies, and no way into the store, so
what a far server does to it costs a few attempts.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvloop

from relay.clock import SystemClock
from relay.delivery.agent import KeptConnection, LocalAgent
from relay.delivery.attempt import Deliverer
from relay.delivery.processes.channel import Channel
from relay.delivery.processes.frames import (
    Cancel,
    Done,
    Failed,
    Frame,
    Leave,
    LogAs,
    Ready,
    Setup,
    Task,
    consignment_of,
    decode_for_process,
)
from relay.failpoints import ARMED, take_along
from relay.resolver import Resolver
from relay.signing.keys import KeyRing
from relay.signing.signer import Signer
from relay.telemetry.context import log_ids
from relay.telemetry.logs import set_up_logging

logger = logging.getLogger("posthouse.delivery")

# Saying farewell to the far servers takes no longer than one QUIT may.
_FAREWELL_SECONDS = 6


class Attendant:
    """Does what the daemon asks for until the channel ends."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.channel = Channel(decode_for_process, self._hear, self.ended.set)
        self._agent: LocalAgent | None = None
        self._deliveries: dict[int, asyncio.Task[None]] = {}
        self._kept: dict[int, KeptConnection] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    def _hear(self, frame: Frame) -> None:
        match frame:
            case Task():
                self._deliveries[frame.number] = asyncio.create_task(self._deliver(frame))
            case Cancel() if frame.number in self._deliveries:
                self._deliveries[frame.number].cancel()
            case Leave() if frame.number in self._kept:
                self._leave(self._kept.pop(frame.number))
            case LogAs():
                set_up_logging(format=frame.log_format, level=frame.log_level)
            case Setup():
                self._agent = _set_up(frame)
                self.channel.send(Ready())

    async def _deliver(self, task: Task) -> None:
        kept = self._kept.pop(task.kept, None) if task.kept is not None else None
        try:
            with log_ids(message=task.message_id):
                self.channel.send(await self._answer(task, kept))
        finally:
            del self._deliveries[task.number]

    async def _answer(self, task: Task, kept: KeptConnection | None) -> Done | Failed:
        try:
            assert self._agent is not None, "a task before the setup"
            delivery = await self._agent.deliver(consignment_of(task), kept)
        except Exception as error:
            logger.exception("attempt of %s failed on our side", task.message_id)
            return Failed(task.number, f"{type(error).__name__}: {error}")
        if delivery.kept is not None:
            self._kept[task.number] = delivery.kept
        return Done(task.number, delivery.outcomes, delivery.kept is not None)

    async def finish(self) -> None:
        """Break off what is under way, and say farewell where a connection was kept."""
        for delivery in self._deliveries.values():
            delivery.cancel()
        for connection in self._kept.values():
            self._leave(connection)
        waiting = [*self._deliveries.values(), *self._farewells]
        if waiting:
            await asyncio.wait(waiting, timeout=_FAREWELL_SECONDS)

    def _leave(self, connection: KeptConnection) -> None:
        farewell = asyncio.create_task(_quietly(connection.close()))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)


def _set_up(setup: Setup) -> LocalAgent:
    set_up_logging(format=setup.log_format, level=setup.log_level)
    # Signed on the loop: its own thread would fight with it for the interpreter at each reply.
    signer = Signer(KeyRing(Path(setup.key_dir)), lifetime=setup.lifetime, threads=0)
    resolver = Resolver(setup.nameservers, timeout=setup.dns_timeout)
    return LocalAgent(signer, Deliverer(setup.settings, resolver, SystemClock()))


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    with suppress(Exception):
        await work


async def _serve(descriptor: int) -> None:
    attendant = Attendant()
    await asyncio.get_running_loop().create_connection(
        lambda: attendant.channel, sock=socket.socket(fileno=descriptor)
    )
    await attendant.ended.wait()
    await attendant.finish()


def main(descriptor: int) -> None:
    """Serve the socket until the other end is closed."""
    # Who wants us to stop closes the socket: a signal to the whole group is not meant for us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if ARMED:
        take_along(os.getppid())
    uvloop.run(_serve(descriptor))


if __name__ == "__main__":
    main(int(sys.argv[1]))
