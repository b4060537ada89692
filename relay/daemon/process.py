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

from api.house import House
from inbound.assembly import WayIn, build_way_in
from inbound.listener import InboundDoor
from inbound.local import LocalDelivery
from inbound.reading.bench import ReadingBench
from inbound.receive import Receiver
from relay.analytics.follower import build_follower
from relay.approvals.clerk import Clerk
from relay.config import Config, changes
from relay.daemon.chores import start_chores
from relay.daemon.doors import Doors, Locksmith, open_doors
from relay.daemon.draining import Draining, Worker
from relay.daemon.presence import Presence
from relay.daemon.tls import load_certificate, server_context
from relay.daemon.watch import Gauge, Watch
from relay.delivery.agent import Agent
from relay.dispatch.assembly import WayOut, build_agent, build_way_out, delivery_settings
from relay.errors import PosthouseError
from relay.events.watch import EventWatch
from relay.resolver import IpAddress
from relay.sandbox.simulator import open_simulator
from relay.station import Station, open_station
from relay.submission.listener import SubmissionDoor
from relay.systemd import InheritedSockets, ServiceManager
from relay.telemetry.logs import set_up_logging
from relay.templates.rendering import Renderer
from relay.verification.look import addresses_of_host
from relay.webhooks.assembly import build_sender

logger = logging.getLogger("posthouse")

SMTP_PORT = 25
# The second is started only while the first is busy: one slow letter keeps no other waiting.
READING_CHILDREN = 2
Role = Literal["submission", "inbound", "delivery", "api"]
ROLES: tuple[Role, ...] = ("submission", "inbound", "delivery", "api")


class TaskEnded(PosthouseError):
    """A task that is to run as long as the daemon has ended by itself: a fault of ours."""


@dataclass(slots=True)
class Running:
    """A station with its doors open. `stop` ends it; `reload` reads again what can change.

    `fault` says why it stopped by itself, if it did.
    """

    station: Station
    doors: Doors
    way_out: WayOut
    receiver: Receiver
    stopped: asyncio.Event
    reload: Callable[[], None]
    manager: ServiceManager
    fault: TaskEnded | None = None

    def stop(self) -> None:
        self.stopped.set()

    def mourn(self, task: asyncio.Task[None]) -> None:
        """Stop because of a task that should have gone on."""
        if task.cancelled() or self.stopped.is_set():
            return
        logger.critical(
            "the task %s has ended, so the daemon does", task.get_name(), exc_info=task.exception()
        )
        self.fault = TaskEnded(f"the task {task.get_name()} has ended; the log says why")
        self.stop()


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
        bench = ReadingBench(READING_CHILDREN)
        stack.push_async_callback(bench.close)
        renderer = Renderer(station.clock)
        stack.push_async_callback(renderer.close)
        way_in = build_way_in(station, bench)
        settings = delivery_settings(config, await _own_addresses(station))
        simulator = await open_simulator(station) if "delivery" in roles else None
        if simulator is not None:
            stack.push_async_callback(simulator.drain, config.server.drain_timeout)
        agent = build_agent(station, settings)
        stack.push_async_callback(agent.close)
        way_out = build_way_out(
            station,
            LocalDelivery(way_in.receiver, config.limits),
            agent=agent,
            memory=way_in.memory,
            simulator=simulator,
        )
        doors = Doors()
        tls = server_context(config.tls)
        tasks = await stack.enter_async_context(
            _tending(station, way_in, way_out, doors, manager, watchdog, roles)
        )
        stack.push_async_callback(doors.close, config.server.drain_timeout)
        locksmith = Locksmith(station, inherited or InheritedSockets(), tls)
        submission = SubmissionDoor(station.db, config, station.directory, way_out.booking, way_out.acceptor)
        house = _house(station, way_in, way_out, renderer)
        doors.before_close.append(house.watch.close)
        inbound = InboundDoor(way_in.receiver, way_in.doorkeeper, way_in.judge, way_in.screener)
        await open_doors(locksmith, doors, roles, submission, inbound, house)

        def reload() -> None:
            if load is not None:
                manager.reloading(station.clock)
                _reload(station, tls, agent, load)
                manager.ready("reloaded")

        running = Running(station, doors, way_out, way_in.receiver, asyncio.Event(), reload, manager)
        for task in tasks:
            task.add_done_callback(running.mourn)
        try:
            yield running
        finally:
            running.stop()
            # Whoever has to wait for the doors leaves what is due to others meanwhile.
            station.standing.leave("this node is stopping")
            way_out.dispatcher.claim_no_more()
            manager.stopping("draining")
            manager.extend_timeout(2 * config.server.drain_timeout)


async def serve_until_stopped(running: Running) -> None:
    """Say READY, then run until SIGTERM or SIGINT; SIGHUP reloads.

    Whoever hears READY may send a signal at once. Raises TaskEnded when the
    daemon cannot go on.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.stop)
    loop.add_signal_handler(signal.SIGHUP, running.reload)
    running.manager.ready("ready")
    await running.stopped.wait()
    logger.info("stopping")
    if running.fault is not None:
        raise running.fault


def _house(station: Station, way_in: WayIn, way_out: WayOut, renderer: Renderer) -> House:
    """What the HTTP door may ask of us."""
    return House(
        station=station,
        acceptor=way_out.acceptor,
        booking=way_out.booking,
        watch=EventWatch(station.db),
        bench=way_in.bench,
        renderer=renderer,
        exposition=Gauge(station).exposition,
    )


async def _own_addresses(station: Station) -> frozenset[IpAddress]:
    """Where a delivery would reach ourselves: our host, when mail goes to the port at which we receive."""
    config = station.config
    if config.delivery.port != SMTP_PORT:
        return frozenset()
    return await addresses_of_host(station.resolver, config.server.hostname, config.delivery.source_addresses)


@asynccontextmanager
async def _tending(
    station: Station,
    way_in: WayIn,
    way_out: WayOut,
    doors: Doors,
    manager: ServiceManager,
    watchdog: timedelta | None,
    roles: Collection[Role],
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """The tasks that run beside the doors; they are cancelled when the way out has stopped."""
    delivers = "delivery" in roles
    sender = build_sender(station)
    follower = build_follower(station)
    watch = Watch(station, manager, way_out.dispatcher if delivers else None, watchdog)
    workers: list[Worker] = [way_in.reader] if "inbound" in roles else []
    clerk = Clerk(station, way_out.acceptor)
    workers += [way_out.dispatcher, way_out.notifier, clerk, sender, follower] if delivers else []
    patience = station.config.server.drain_timeout
    draining = Draining(station.clock, station.standing, patience, workers, doors.turn_away)
    presence = Presence(station, roles, draining)
    await presence.enter()
    tasks = [
        asyncio.create_task(watch.run(), name="watch"),
        asyncio.create_task(draining.run(), name="draining"),
        asyncio.create_task(presence.run(), name="presence"),
    ]
    if "inbound" in roles:
        tasks.append(asyncio.create_task(way_in.reader.run(), name="reader"))
    if delivers:
        await way_out.dispatcher.start()
        await way_out.dispatcher.look_after_sites()
        await sender.start()
        tasks += [
            asyncio.create_task(way_out.dispatcher.run(), name="dispatch"),
            asyncio.create_task(way_out.notifier.run(), name="notify"),
            asyncio.create_task(clerk.run(), name="approvals"),
            asyncio.create_task(sender.run(), name="webhooks"),
            asyncio.create_task(way_out.reporter.run(), name="sandbox"),
            asyncio.create_task(follower.run(), name="figures"),
            *start_chores(station, way_out.sweeper, way_out.dispatcher),
        ]
    try:
        yield tasks
    finally:
        if delivers:
            await way_out.dispatcher.stop(patience)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await sender.stop(patience)
        await way_in.reader.stop()
        await presence.leave()


def _reload(station: Station, tls: ssl.SSLContext | None, agent: Agent, load: Callable[[], Config]) -> None:
    """Take over what can change while we run; name what needs a restart. A bad file changes nothing."""
    try:
        new = load()
        if tls is not None and new.tls.certificate is not None:
            load_certificate(tls, new.tls)
    except PosthouseError as trouble:
        logger.error("not reloaded: %s", trouble)
        return
    set_up_logging(format=new.log.format, level=new.log.level)
    agent.log_as(new.log.format, new.log.level)
    differing = [change.key for change in changes(station.config, new) if change.needs_restart]
    logger.info("reloaded")
    if differing:
        logger.warning("these need a restart: %s", ", ".join(differing))
