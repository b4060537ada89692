"""Put the way out together on an opened station."""

import random
from dataclasses import dataclass, replace

from relay.config import Config
from relay.delivery.agent import Agent, LocalAgent
from relay.delivery.attempt import Deliverer
from relay.delivery.processes.pool import DeliveryProcesses, setup_for
from relay.delivery.settings import DeliverySettings
from relay.delivery.smarthost import Smarthost, TlsUse, parse_smarthost
from relay.dispatch.backlog import StoredBacklog
from relay.dispatch.carry import Carrier, LocalDelivery
from relay.dispatch.leases import Leases
from relay.dispatch.loop import Dispatcher
from relay.dispatch.notify import Notifier
from relay.dispatch.settle import Settler
from relay.dispatch.sites import AloneSites, SharedSites, Sites, StoredLeases
from relay.dispatch.sweep import Memory, Sweeper
from relay.dispatch.wire import Outfitter
from relay.events.turns import Turn
from relay.resolver import IpAddress
from relay.sandbox.reporter import Reporter
from relay.smtp_server import SmtpListener
from relay.station import Station
from relay.submission.accept import Acceptor
from relay.submission.booking import Booking
from relay.submission.guarding import Guarding


@dataclass(frozen=True, slots=True)
class WayOut:
    """Everything between a Draft and the far server."""

    booking: Booking
    acceptor: Acceptor
    carrier: Carrier
    dispatcher: Dispatcher
    notifier: Notifier
    sweeper: Sweeper
    reporter: Reporter


def build_acceptor(station: Station) -> Acceptor:
    """The one way in, on this station."""
    booking = Booking(station.db, station.clock, station.config.policy)
    return Acceptor(
        db=station.db,
        clock=station.clock,
        config=station.config,
        directory=station.directory,
        lists=station.lists,
        booking=booking,
        guarding=Guarding(
            station.db,
            station.clock,
            booking.caps,
            station.onlooker,
            answered_within=station.config.policy.approvals_expire_after,
        ),
        shelf=station.shelf,
        metrics=station.metrics,
        reply_secret=station.bounce_secret,
        handover=station.handover,
        wake=station.bell.ring,
    )


def build_way_out(
    station: Station,
    local: LocalDelivery,
    *,
    agent: Agent | None = None,
    rng: random.Random | None = None,
    memory: Memory | None = None,
    simulator: SmtpListener | None = None,
) -> WayOut:
    """Acceptor, dispatcher and notifier, wired to wake one another.

    `agent` makes the attempts, this process if none is named. `memory` is who
    remembers messages besides, and forgets them with the sweeper. Without a
    `simulator` test mail waits.
    """
    config, rng = station.config, rng or random.Random()
    acceptor = build_acceptor(station)
    notifier = Notifier(station.db, station.clock, config, station.shelf, acceptor)
    turn = Turn(station.db, station.clock, "sandbox")
    reporter = Reporter(station.db, station.clock, station.bounce_secret, local, turn)
    carrier = Carrier(
        db=station.db,
        outfitter=Outfitter(station.directory, station.shelf, station.bounce_secret),
        agent=agent or _local_agent(station, delivery_settings(config), rng),
        signer=station.signer,
        local=local,
        settler=Settler(station.db, station.clock, config.delivery, rng, station.metrics),
        notices_due=notifier.wake,
        trials=None if simulator is None else _agent_for_trials(station, simulator.port, rng),
        trials_settled=reporter.wake,
    )
    leases = Leases(station.clock)
    sweeper = Sweeper(
        station.db,
        station.clock,
        config.delivery,
        config.retention,
        station.shelf,
        station.node,
        leases,
        memory,
    )
    sites = sites_of(station)
    dispatcher = Dispatcher(
        backlog=StoredBacklog(station.db, station.clock, config.delivery, station.node, sites),
        clock=station.clock,
        delivery=config.delivery,
        carrier=carrier,
        sites=sites,
        release_due=sweeper.release_due,
        node=station.node,
        leases=leases,
    )
    station.bell.listen(dispatcher.wake)
    station.handover.serve(dispatcher.ahead)
    return WayOut(acceptor.booking, acceptor, carrier, dispatcher, notifier, sweeper, reporter)


def build_agent(station: Station, settings: DeliverySettings) -> Agent:
    """Whoever delivers for this station's daemon: processes of their own, or this one."""
    count = station.config.delivery.processes
    if not count:
        return _local_agent(station, settings)
    return DeliveryProcesses(setup_for(station.config, settings, station.signer.lifetime), count)


def _local_agent(
    station: Station, settings: DeliverySettings, rng: random.Random | None = None
) -> LocalAgent:
    return LocalAgent(station.signer, Deliverer(settings, station.resolver, station.clock, rng))


def _agent_for_trials(station: Station, port: int, rng: random.Random) -> Agent:
    """Whoever delivers test mail: the simulator is its smarthost, whatever the destination."""
    simulator = Smarthost("127.0.0.1", port, TlsUse.NONE)
    settings = replace(delivery_settings(station.config), smarthost=simulator, source_addresses=())
    return _local_agent(station, settings, rng)


def sites_of(station: Station) -> Sites:
    """Leases of destinations, where there are others who deliver by MX; a smarthost is ours to load."""
    delivery = station.config.delivery
    if station.db.engine == "sqlite" or delivery.smarthost:
        return AloneSites()
    leases = StoredLeases(station.db, station.clock, station.node)
    return SharedSites(leases, station.clock, station.node, delivery.site_lease)


def delivery_settings(config: Config, own_addresses: frozenset[IpAddress] = frozenset()) -> DeliverySettings:
    """What `delivery` needs of the configuration; raises InvalidInput for a smarthost that cannot be read."""
    return DeliverySettings(
        hostname=config.server.hostname,
        port=config.delivery.port,
        own_names=frozenset({config.server.hostname}),
        own_addresses=own_addresses,
        source_addresses=config.delivery.source_addresses,
        smarthost=parse_smarthost(config.delivery.smarthost),
        allow_private_networks=config.delivery.allow_private_networks,
    )
