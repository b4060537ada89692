"""Which destinations this node serves, where several nodes share the store.

A destination is leased to one node at a time. So connections are used again,
the limits of a destination hold for all nodes together, and one of them
learns of its troubles. Which node it is, all would answer alike: free
destinations are spread by chance that each can compute. Who was to come and does
not is replaced; who comes back gets its own again, when they have come to rest.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Protocol

from relay.clock import Clock, span_us, to_us
from relay.nodes import records as nodes
from relay.queue import sites
from relay.queue.claims import Site
from relay.store.database import Database, Transaction

# After that a free destination with mail that is due is anybody's: its node has no room, or is gone.
ANYBODYS_AFTER: Final = timedelta(seconds=10)
FORGOTTEN_AFTER: Final = timedelta(hours=1)
MANY_DESTINATIONS: Final = 100_000


class Sites(Protocol):
    """What may be served here. Mail that stays in the house is anybody's, and so is that of a smarthost."""

    @property
    def is_shared(self) -> bool:
        """Whether others have leases too."""
        ...

    def has(self, destination: str) -> bool:
        """Whether an attempt may begin: the lease is ours, and goes on for a while."""
        ...

    def keeps(self, destination: str) -> bool:
        """Whether more may be taken on, because it is ours and stays so."""
        ...

    def when(self, site: Site) -> Site:
        """The site as of when it may be served here."""
        ...

    async def take(self, tx: Transaction, site: Site) -> int | None:
        """Within a claim, make it ours; until when it is, to be told to `taken` after the commit, or None."""
        ...

    def taken(self, site: Site, until: int) -> None: ...
    async def look_after(self, in_use: Callable[[str], bool]) -> None:
        """Do in time what leases need; called every few seconds."""
        ...

    async def release_all(self) -> None:
        """Nothing is served here any more, until it is taken again."""
        ...


class AloneSites:
    """One node has the store, or what it serves needs no agreement: everything is its own."""

    is_shared = False

    def has(self, destination: str) -> bool:
        return True

    def keeps(self, destination: str) -> bool:
        return True

    def when(self, site: Site) -> Site:
        return site

    async def take(self, tx: Transaction, site: Site) -> int | None:
        return 0

    def taken(self, site: Site, until: int) -> None:
        pass

    async def look_after(self, in_use: Callable[[str], bool]) -> None:
        pass

    async def release_all(self) -> None:
        pass


class LeaseBook(Protocol):
    """Where the leases of one node are written."""

    async def take(self, tx: Transaction, destination: str, now: int, until: int) -> bool:
        """False while another node has it."""
        ...

    async def keep(self, used: Collection[str], idle: Collection[str], until: int) -> Collection[str]:
        """Extend the ones, release the others; returns those of the used that are still ours."""
        ...

    async def release_all(self) -> None: ...
    async def delivering(self) -> Sequence[str]:
        """The names of the nodes that deliver now."""
        ...


@dataclass(frozen=True, slots=True)
class StoredLeases:
    """The leases of `node` in the store."""

    db: Database
    clock: Clock
    node: str

    async def take(self, tx: Transaction, destination: str, now: int, until: int) -> bool:
        return await sites.take(tx, destination, node=self.node, now=now, until=until)

    async def keep(self, used: Collection[str], idle: Collection[str], until: int) -> Collection[str]:
        async def work(tx: Transaction) -> Collection[str]:
            if idle:
                await sites.release(tx, self.node, idle)
            await sites.forget(tx, to_us(self.clock.now() - FORGOTTEN_AFTER))
            return await sites.extend(tx, self.node, used, until) if used else ()

        return await self.db.transact(work, side_by_side=True)

    async def release_all(self) -> None:
        await self.db.transact(lambda tx: sites.release(tx, self.node), side_by_side=True)

    async def delivering(self) -> Sequence[str]:
        return await nodes.delivering(self.db, self.clock)


@dataclass(slots=True)
class SharedSites:
    """The leases of `node`, each until when (µs), and the names of the nodes that deliver."""

    leases: LeaseBook
    clock: Clock
    node: str
    lease: timedelta
    nodes: Sequence[str] = ()
    is_shared = True
    _held: dict[str, int] = field(default_factory=dict)
    _ours: dict[str, bool] = field(default_factory=dict)
    _others: Sequence[int] = ()

    def has(self, destination: str) -> bool:
        # Another node may think that its clock is right.
        return self._held.get(destination, 0) - self._now > span_us(self.lease) // 4

    def keeps(self, destination: str) -> bool:
        return self.has(destination) and self._is_ours(destination)

    def when(self, site: Site) -> Site:
        if site.is_local:
            return site
        if site.elsewhere_until is not None and site.elsewhere_until >= self._now:
            return replace(site, due_at=max(site.due_at, site.elsewhere_until + 1))
        if self._is_ours(site.destination):
            return site
        if self.has(site.destination):  # it goes to its own node as soon as nothing is under way
            return replace(site, due_at=max(site.due_at, self._held[site.destination]))
        return replace(site, due_at=site.due_at + span_us(ANYBODYS_AFTER))

    async def take(self, tx: Transaction, site: Site) -> int | None:
        now, held = self._now, self._held.get(site.destination, 0)
        # With half of it to come there is no need to write that it is ours.
        if site.is_local or held - now > span_us(self.lease) // 2:
            return held
        until = now + span_us(self.lease)
        is_ours = await self.leases.take(tx, site.destination, now, until)
        return until if is_ours else None

    def taken(self, site: Site, until: int) -> None:
        if not site.is_local:
            self._held[site.destination] = until

    async def look_after(self, in_use: Callable[[str], bool]) -> None:
        self.meet(await self.leases.delivering())
        until, used = self._now + span_us(self.lease), [name for name in self._held if in_use(name)]
        idle = [name for name in self._held if not (in_use(name) or self._is_ours(name))]
        for destination in idle:
            del self._held[destination]
        ours = await self.leases.keep(used, idle, until) if used or idle else ()
        for destination in used:
            self._held[destination] = until if destination in ours else 0
        now = self._now
        self._held = {destination: end for destination, end in self._held.items() if end > now}

    def meet(self, nodes: Sequence[str]) -> None:
        """These are the nodes that deliver."""
        if len(self._ours) > MANY_DESTINATIONS:
            self._ours.clear()
        if nodes != self.nodes:
            self._ours.clear()
            self.nodes = nodes
            self._others = [_number(name) for name in nodes if name != self.node]

    async def release_all(self) -> None:
        self._held.clear()
        await self.leases.release_all()

    @property
    def _now(self) -> int:
        return to_us(self.clock.now())

    def _is_ours(self, destination: str) -> bool:
        """Rendezvous hashing: a node that comes or goes changes only whose its own are."""
        ours = self._ours.get(destination)
        if ours is None:
            number = _number(destination)
            mine = _weight(number, _number(self.node))
            ours = all(_weight(number, other) <= mine for other in self._others)
            self._ours[destination] = ours
        return ours


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())


def _weight(destination: int, node: int) -> int:
    """By chance, and the same on every node; multiplying moves each bit's word to the upper ones."""
    return ((destination ^ node) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
