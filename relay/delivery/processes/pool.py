"""Keep the delivery processes, and hand them what is to be delivered.

A process is started when it is first needed. When it dies, nobody knows what
became of what it had in hand; its successor takes what comes next.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Literal

import msgspec

from relay.config import Config
from relay.delivery.agent import Delivery, DeliveryFailed, KeptConnection
from relay.delivery.consignment import Consignment
from relay.delivery.processes.frames import LogAs, Setup
from relay.delivery.processes.life import KeptElsewhere, Life
from relay.delivery.settings import DeliverySettings


def setup_for(config: Config, settings: DeliverySettings, lifetime: timedelta) -> Setup:
    """How a process delivers as this daemon would."""
    return Setup(
        hostname=settings.hostname,
        port=settings.port,
        own_names=settings.own_names,
        own_addresses=tuple(map(str, settings.own_addresses)),
        source_addresses=tuple(map(str, settings.source_addresses)),
        smarthost=settings.smarthost,
        allow_private_networks=settings.allow_private_networks,
        timeouts=settings.timeouts,
        limits=settings.limits,
        nameservers=tuple(config.dns.nameservers),
        dns_timeout=config.dns.timeout,
        key_dir=str(config.dkim.key_dir),
        lifetime=lifetime,
        log_format=config.log.format,
        log_level=config.log.level,
    )


class DeliveryProcesses:
    """An `Agent`: up to `count` processes, each of which has many deliveries under way."""

    def __init__(self, setup: Setup, count: int) -> None:
        self._seats = [_Seat(setup) for _ in range(count)]

    async def deliver(self, consignment: Consignment, kept: KeptConnection | None = None) -> Delivery:
        """See `Agent`; a kept connection is gone on with in its own process, if that still lives."""
        if isinstance(kept, KeptElsewhere) and not kept.life.is_over:
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
        return [
            life.pid for seat in self._seats if (life := seat.current) is not None and life.pid is not None
        ]

    async def close(self) -> None:
        """No process is left; what was under way is lost."""
        await asyncio.gather(*(seat.close() for seat in self._seats))


class _Seat:
    """At most one process, and its successor when it has died."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._begun: asyncio.Task[Life] | None = None

    @property
    def current(self) -> Life | None:
        """The process that lives, if there is one."""
        begun = self._begun
        if begun is None or not begun.done() or begun.cancelled() or begun.exception() is not None:
            return None
        return None if begun.result().is_over else begun.result()

    @property
    def in_hand(self) -> int:
        return self.current.in_hand if self.current is not None else 0

    async def life(self) -> Life:
        """The process that lives, started if there is none; raises DeliveryFailed where none can be."""
        if self._begun is None or (self._begun.done() and self.current is None):
            self._begun = asyncio.create_task(Life.begin(self._setup), name="start a delivery process")
        return await asyncio.shield(self._begun)

    def log_as(self, wish: LogAs) -> None:
        self._setup = msgspec.structs.replace(
            self._setup, log_format=wish.log_format, log_level=wish.log_level
        )
        if self.current is not None:
            self.current.channel.send(wish)

    async def close(self) -> None:
        if self._begun is not None:
            with suppress(DeliveryFailed):
                await (await self._begun).end()
