"""The open house: what every door needs, opened once and closed in order.

The daemon opens a station and puts listeners and the dispatcher around it; a
command that finds no daemon opens one for itself. There is one at a time for
one SQLite store, and any number for a PostgreSQL one.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from relay.clock import Clock, SystemClock
from relay.config import Config
from relay.guards.onlooker import Onlooker
from relay.lists import Gate
from relay.queue.handover import Handover
from relay.resolver import Resolver
from relay.signing.keys import KeyRing
from relay.signing.signer import LIFETIME, Signer
from relay.store.bodies import BodyShelf
from relay.store.database import Database
from relay.store.health import BALLAST, Reserve
from relay.store.node import NodeName
from relay.store.opening import open_store, shelf_for
from relay.telemetry.metrics import Metrics
from relay.tenants.directory import Directory
from relay.tenants.secrets import get_or_create_secret

BOUNCE_SECRET_BYTES = 32
LINK_SECRET_BYTES = 32
HOUSE_BYTES = 8
UNDERWAY_ELSEWHERE = timedelta(days=9)


@dataclass(slots=True)
class Bell:
    """Rung when there is something to claim; whoever listens looks at the queue."""

    _ears: list[Callable[[], None]] = field(default_factory=list)

    def ring(self) -> None:
        for hear in self._ears:
            hear()

    def listen(self, hear: Callable[[], None]) -> None:
        self._ears.append(hear)


@dataclass(slots=True)
class Standing:
    """Whether this node is in service; `left` says why it is not."""

    left: str | None = None

    def leave(self, why: str) -> None:
        self.left = why

    def come_back(self) -> None:
        self.left = None


@dataclass(frozen=True, slots=True)
class Station:
    """One opened store and what stands on it."""

    config: Config
    clock: Clock
    db: Database
    shelf: BodyShelf
    directory: Directory
    lists: Gate
    keys: KeyRing
    signer: Signer
    resolver: Resolver
    metrics: Metrics
    bounce_secret: bytes
    link_secret: bytes
    # Who holds our leases; they outlive no restart of this node.
    node: str
    bell: Bell = field(default_factory=Bell)
    standing: Standing = field(default_factory=Standing)
    handover: Handover = field(default_factory=Handover)
    onlooker: Onlooker = field(default_factory=Onlooker)


@asynccontextmanager
async def open_station(config: Config, clock: Clock | None = None) -> AsyncIterator[Station]:
    """Open the store and what stands on it; everything is let go when the block ends.

    Raises StoreOwned, StoreDamaged and the like of `relay.store`, and LooseKeyFile
    for DKIM keys that others may read.
    """
    clock = clock or SystemClock()
    metrics = Metrics(config.metrics.destinations)
    async with AsyncExitStack() as stack:
        reserve = _reserve(config.store.min_free)
        node = stack.enter_context(_node(config))
        db = await open_store(
            config.store.url,
            config.store_file,
            config.server.data_dir,
            clock,
            reserve=reserve,
            observer=metrics,
            name=f"posthouse {node}",
        )
        stack.push_async_callback(db.close)
        house = await get_or_create_secret(db, clock, "bodies", HOUSE_BYTES)
        shelf = shelf_for(db, config.store, config.server.data_dir, clock, house)
        stack.callback(shelf.close)
        directory = Directory(db, clock)
        stack.callback(directory.close)
        keys = KeyRing(config.dkim.key_dir)
        # What waits for long, here and behind the far server, must still verify when it arrives.
        signer = Signer(keys, lifetime=max(LIFETIME, config.delivery.expire_after + UNDERWAY_ELSEWHERE))
        stack.callback(signer.close)
        yield Station(
            config=config,
            clock=clock,
            db=db,
            shelf=shelf,
            directory=directory,
            lists=Gate(db, clock),
            keys=keys,
            signer=signer,
            resolver=Resolver(config.dns.nameservers, timeout=config.dns.timeout),
            metrics=metrics,
            bounce_secret=await get_or_create_secret(db, clock, "bounce_address", BOUNCE_SECRET_BYTES),
            link_secret=await get_or_create_secret(db, clock, "tracking", LINK_SECRET_BYTES),
            node=node,
        )


def _reserve(min_free: int) -> Reserve:
    """What is kept free by force is at most what is kept free at all."""
    return Reserve(min_free, ballast_bytes=min(BALLAST, min_free))


@contextmanager
def _node(config: Config) -> Iterator[str]:
    """This host, which alone has its SQLite store; or one name of many."""
    if config.store_file is not None:
        yield config.server.hostname
        return
    name = NodeName(config.server.data_dir, config.server.hostname)
    try:
        yield name.name
    finally:
        name.release()
