"""From start to stop: open the station, its doors, the way out; then wait for a signal.

READY is said only when the store is open, every listener accepts and signals
are heard. On SIGTERM the doors close first, then what is on the wire may
finish; on SIGHUP the certificate and the log settings are read again.
"""

import asyncio
import logging
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from inbound.listener import InboundDoor
from inbound.local import LocalDelivery
from inbound.receive import Receiver
from inbound.recipients import Recipients
from relay.config import Config, changes
from relay.daemon.chores import start_chores
from relay.daemon.doors import Doors, Locksmith
from relay.daemon.tls import load_certificate, server_context
from relay.daemon.watch import RunningHouse, Watch
from relay.dispatch.assembly import WayOut, build_way_out
from relay.errors import PosthouseError
from relay.station import Station, open_station
from relay.submission.listener import SubmissionDoor
from relay.systemd import InheritedSockets, ServiceManager
from relay.telemetry import set_up_logging

logger = logging.getLogger("posthouse")

Role = Literal["submission", "inbound", "delivery", "api"]
ROLES: tuple[Role, ...] = ("submission", "inbound", "delivery", "api")


@dataclass(slots=True)
class Running:
    """A station with its doors open. `stop` ends it; `reload` reads again what can change."""

    station: Station
    doors: Doors
    way_out: WayOut
    receiver: Receiver
    stopped: asyncio.Event
    reload: Callable[[], None]
    manager: ServiceManager

    def stop(self) -> None:
        self.stopped.set()


@asynccontextmanager
async def run_station(
    config: Config,
    *,
    roles: Collection[Role] = ROLES,
    inherited: InheritedSockets | None = None,
    manager: ServiceManager | None = None,
    watchdog: timedelta | None = None,
    load: Callable[[], Config] | None = None,
) -> AsyncIterator[Running]:
    """A running daemon for as long as the block lasts; its doors accept when the block begins.

    Leaving it drains: doors closed, transfers finished or handed back, the
    store closed last. Nothing that was answered 250 is lost by stopping.
    """
    manager = manager or ServiceManager()
    async with AsyncExitStack() as stack:
        station = await stack.enter_async_context(open_station(config))
        recipients = Recipients(
            station.db, station.directory, station.bounce_secret, config.inbound.postmaster
        )
        receiver = Receiver(
            station.db,
            station.clock,
            config.server.hostname,
            recipients,
            station.shelf,
            config.limits.received_hops,
        )
        way_out = build_way_out(station, LocalDelivery(receiver, config.limits))
        doors = Doors()
        tls = server_context(config.tls)
        inherited = inherited or InheritedSockets()
        locksmith = Locksmith(station, inherited, tls)
        await stack.enter_async_context(_tending(station, way_out, manager, watchdog, roles))
        stack.push_async_callback(doors.close, config.server.drain_timeout)
        if "submission" in roles:
            door = SubmissionDoor(station.db, config, station.directory, way_out.booking, way_out.acceptor)
            await locksmith.open_submission(door, doors)
        if "inbound" in roles:
            await locksmith.open_inbound(InboundDoor(receiver), doors)
        if "api" in roles:
            await locksmith.open_api(RunningHouse(station), doors)

        def reload() -> None:
            if load is not None:
                manager.reloading(station.clock)
                _reload(station, tls, load)
                manager.ready("reloaded")

        running = Running(station, doors, way_out, receiver, asyncio.Event(), reload, manager)
        for name in inherited.untaken():
            logger.warning("nobody serves the inherited socket %s: connections to it wait in vain", name)
        logger.info("open: %s", ", ".join(doors.names) or "no listener")
        try:
            yield running
        finally:
            manager.stopping("draining")
            manager.extend_timeout(2 * config.server.drain_timeout)


async def serve_until_stopped(running: Running) -> None:
    """Say READY, then run until SIGTERM or SIGINT; SIGHUP reloads.

    Whoever hears READY may send a signal at once.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.stop)
    loop.add_signal_handler(signal.SIGHUP, running.reload)
    running.manager.ready("ready")
    await running.stopped.wait()
    logger.info("stopping")


@asynccontextmanager
async def _tending(
    station: Station,
    way_out: WayOut,
    manager: ServiceManager,
    watchdog: timedelta | None,
    roles: Collection[Role],
) -> AsyncIterator[None]:
    """The tasks that run beside the doors; a task of theirs that dies takes the process with it."""
    delivers = "delivery" in roles
    watch = Watch(station, manager, way_out.dispatcher if delivers else None, watchdog)
    tasks = [asyncio.create_task(watch.run(), name="watch")]
    if delivers:
        await way_out.dispatcher.start()
        tasks += [
            asyncio.create_task(way_out.dispatcher.run(), name="dispatch"),
            asyncio.create_task(way_out.notifier.run(), name="notify"),
            *start_chores(station, way_out.sweeper),
        ]
    try:
        yield
    finally:
        if delivers:
            await way_out.dispatcher.stop(station.config.server.drain_timeout)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reload(station: Station, tls: ssl.SSLContext | None, load: Callable[[], Config]) -> None:
    """Take over what can change while we run; name what needs a restart. A bad file changes nothing."""
    try:
        new = load()
        if tls is not None and new.tls.certificate is not None:
            load_certificate(tls, new.tls)
    except PosthouseError as trouble:
        logger.error("not reloaded: %s", trouble)
        return
    set_up_logging(format=new.log.format, level=new.log.level)
    differing = [change.key for change in changes(station.config, new) if change.needs_restart]
    logger.info("reloaded")
    if differing:
        logger.warning("these need a restart: %s", ", ".join(differing))
