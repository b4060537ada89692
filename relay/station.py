"""The open house: what every door needs, opened once and closed in order.

The daemon opens a station and puts listeners and the dispatcher around it; a
command that finds no daemon opens one for itself. There is one at a time for
one SQLite store.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from relay.clock import Clock, SystemClock
from relay.config import Config
from relay.errors import InvalidInput
from relay.lists import Gate
from relay.queue.handover import Handover
from relay.resolver import Resolver
from relay.signing.keys import KeyRing
from relay.signing.signer import LIFETIME, Signer
from relay.store.bodies import BodyShelf
from relay.store.health import BALLAST, Reserve
from relay.store.sqlite import SqliteDatabase, open_sqlite
from relay.telemetry import Metrics
from relay.tenants.directory import Directory
from relay.tenants.secrets import get_or_create_secret

BOUNCE_SECRET_BYTES = 32
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


@dataclass(frozen=True, slots=True)
class Station:
    """One opened store and what stands on it."""

    config: Config
    clock: Clock
    db: SqliteDatabase
    shelf: BodyShelf
    directory: Directory
    lists: Gate
    keys: KeyRing
    signer: Signer
    resolver: Resolver
    metrics: Metrics
    bounce_secret: bytes
    bell: Bell = field(default_factory=Bell)
    handover: Handover = field(default_factory=Handover)

    @property
    def node(self) -> str:
        """Who holds our leases. One process owns a SQLite store, so its leases outlive no restart."""
        return self.config.server.hostname


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
        db = open_sqlite(_store_file(config), clock, reserve=reserve, observer=metrics)
        stack.push_async_callback(db.close)
        shelf = BodyShelf(config.server.data_dir, clock, trouble=db.note_trouble)
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
        )


def _reserve(min_free: int) -> Reserve:
    """What is kept free by force is at most what is kept free at all."""
    return Reserve(min_free, ballast_bytes=min(BALLAST, min_free))


def _store_file(config: Config) -> Path:
    if config.store_file is None:
        raise InvalidInput("store.url: this version keeps its store in SQLite only (sqlite:///…)")
    return config.store_file
