"""A store in memory that keeps the contract of the real one, for messages of one recipient each."""

import heapq
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from msgspec.structs import replace

from relay.clock import to_us
from relay.dispatch.jobs import Job
from relay.dispatch.outage import Outage
from relay.dispatch.sites import Sites
from relay.queue.claims import CRASHES_UNTIL_HELD, Site, Survey
from relay.queue.records import QueuedRecipient
from relay.queue.state import FINAL, Happening, State, next_state

Waiting = list[tuple[int, int]]
NO_TRANSACTION = cast(Any, None)
FREED_EVERY_US = 5 * 10**6


@dataclass(slots=True)
class Store:
    """`rows` are the recipients that are not finished; `ended` is told of each that is, and of those held."""

    ended: Callable[[QueuedRecipient, State], None]
    rows: dict[int, QueuedRecipient] = field(default_factory=dict)
    leased: dict[int, None] = field(default_factory=dict)
    # By destination: when each is due, and which it is.
    waiting: dict[str, Waiting] = field(default_factory=dict)
    suspects: list[tuple[int, int, int]] = field(default_factory=list)
    sites: dict[str, tuple[str, int]] = field(default_factory=dict)
    held_by: dict[str, dict[str, None]] = field(default_factory=dict)
    free: dict[str, None] = field(default_factory=dict)
    fenced: int = 0
    _freed_at: int = 0

    def insert(self, recipient: QueuedRecipient) -> None:
        self.rows[recipient.id] = recipient
        if recipient.state is State.LEASED:
            self.leased[recipient.id] = None
        else:
            self._wait(recipient)

    def claim(self, destination: str, limit: int, owner: str, now: int, until: int) -> list[QueuedRecipient]:
        heap = self.waiting.get(destination, [])
        claimed: list[QueuedRecipient] = []
        while heap and len(claimed) < limit and heap[0][0] <= now:
            claimed.append(self._lease(self.rows[heapq.heappop(heap)[1]], owner, until))
        return claimed

    def claim_suspect(self, owner: str, now: int, until: int) -> QueuedRecipient | None:
        """The first that is due, of a destination that nobody else serves."""
        for place, (_, due_at, number) in enumerate(sorted(self.suspects)):
            recipient = self.rows[number]
            holder, end = self.sites.get(recipient.destination, (owner, 0))
            if due_at <= now and (holder == owner or end < now):
                self.suspects = [each for each in self.suspects if each[2] != number]
                return self._lease(recipient, owner, until)
            if place > 100:
                break
        return None

    def move(self, lease: QueuedRecipient, happening: Happening, due_at: int | None = None) -> bool:
        """Only under its own lease, and only where the table of states leads."""
        row = self.rows.get(lease.id)
        if row is None or row.state is not State.LEASED or row.epoch != lease.epoch:
            self.fenced += 1
            return False
        state = next_state(row.state, happening)
        del self.leased[row.id]
        if state in FINAL or state is State.HELD:
            del self.rows[row.id]
            self.ended(row, state)
            return True
        unfinished = row.unfinished if happening is Happening.LEASE_ENDED else 0
        row = replace(row, state=state, due_at=due_at, unfinished=unfinished, lease_owner=None)
        self.rows[row.id] = row
        self._wait(row)
        return True

    def hand_back(self, lease: QueuedRecipient) -> None:
        row = self.rows.get(lease.id)
        if row is not None and row.state is State.LEASED and row.epoch == lease.epoch:
            state = next_state(row.state, Happening.LEASE_ENDED)
            row = replace(row, state=state, attempts=row.attempts - 1, unfinished=row.unfinished - 1)
            del self.leased[row.id]
            self.rows[row.id] = row
            self._wait(row)

    def end_leases(self, now: int, owner: str | None = None) -> int:
        """Of that owner, or all that have run out."""
        ended = [row for row in map(self.rows.__getitem__, self.leased) if _is_over(row, now, owner)]
        for row in ended:
            held = row.unfinished >= CRASHES_UNTIL_HELD
            self.move(row, Happening.QUARANTINED if held else Happening.LEASE_ENDED, now)
        return len(ended)

    def extend_leases(self, ids: Iterable[int], owner: str, until: int) -> None:
        for number in ids:
            row = self.rows.get(number)
            if row is not None and row.state is State.LEASED and row.lease_owner == owner:
                self.rows[number] = replace(row, lease_until=until)

    def postpone(self, destination: str, now: int, until: int) -> int:
        """Give up what has expired, and let the rest wait."""
        heap: Waiting = []
        for due_at, number in self.waiting.get(destination, []):
            row = self.rows[number]
            if row.expires_at is not None and row.expires_at <= now:
                del self.rows[number]
                self.ended(row, next_state(row.state, Happening.GIVEN_UP))
                continue
            at = max(due_at, until)
            self.rows[number] = replace(row, due_at=at)
            heap.append((at, number))
        heapq.heapify(heap)
        self.waiting[destination] = heap
        return len(heap)

    def take_site(self, destination: str, node: str, now: int, until: int) -> bool:
        holder, end = self.sites.get(destination, (node, 0))
        if holder != node and end >= now:
            return False
        self.release(holder, [destination])
        self.sites[destination] = (node, until)
        self.held_by.setdefault(node, {})[destination] = None
        self.free.pop(destination, None)
        return True

    def release(self, node: str, destinations: Iterable[str]) -> None:
        for destination in list(destinations):
            if self.sites.get(destination, ("", 0))[0] == node:
                del self.sites[destination]
                del self.held_by[node][destination]
                self.free[destination] = None

    def free_what_has_ended(self, now: int) -> None:
        """A lease that has run out is nobody's; `take_site` would say the same.

        Every node asks for it; once in a while is enough.
        """
        if now < self._freed_at + FREED_EVERY_US:
            return
        self._freed_at = now
        over = [(node, destination) for destination, (node, end) in self.sites.items() if end < now]
        for node, destination in over:
            self.release(node, [destination])

    def _lease(self, row: QueuedRecipient, owner: str, until: int) -> QueuedRecipient:
        leased = replace(
            row,
            state=next_state(row.state, Happening.CLAIMED),
            lease_owner=owner,
            lease_until=until,
            epoch=row.epoch + 1,
            attempts=row.attempts + 1,
            unfinished=row.unfinished + 1,
        )
        self.rows[row.id] = leased
        self.leased[row.id] = None
        return leased

    def _wait(self, row: QueuedRecipient) -> None:
        due_at = row.due_at or 0
        if row.unfinished:
            self.suspects.append((row.unfinished, due_at, row.id))
            return
        heap = self.waiting.get(row.destination)
        if heap is None:
            heap = self.waiting[row.destination] = []
        if row.destination not in self.sites:
            self.free[row.destination] = None
        heapq.heappush(heap, (due_at, row.id))


def _is_over(row: QueuedRecipient, now: int, owner: str | None) -> bool:
    return row.lease_owner == owner if owner is not None else (row.lease_until or 0) < now


@dataclass(frozen=True, slots=True)
class MemoryLeases:
    """A `LeaseBook` on it; `alive` says who delivers."""

    store: Store
    clock: Any
    node: str
    alive: Callable[[], Sequence[str]]

    async def take(self, tx: object, destination: str, now: int, until: int) -> bool:
        return self.store.take_site(destination, self.node, now, until)

    async def keep(self, used: Collection[str], idle: Collection[str], until: int) -> Collection[str]:
        self.store.release(self.node, idle)
        ours = [name for name in used if self.store.sites.get(name, ("", 0))[0] == self.node]
        for destination in ours:
            self.store.sites[destination] = (self.node, until)
        return set(ours)

    async def release_all(self) -> None:
        self.store.release(self.node, self.store.held_by.get(self.node, {}))

    async def delivering(self) -> Sequence[str]:
        return self.alive()


@dataclass(frozen=True, slots=True)
class MemoryBacklog:
    """A `Backlog` on it. What others have leased is left out of a survey, but for when it may be free."""

    store: Store
    clock: Any
    node: str
    sites: Sites
    lease_us: int

    async def end_own_leases(self) -> int:
        await self.sites.release_all()
        return self.store.end_leases(self._now, self.node)

    async def survey(self) -> Survey:
        waiting = self.store.waiting
        ours = [*self.store.held_by.get(self.node, ()), *self.store.free]
        found = [
            self.sites.when(Site(name, False, heap[0][0])) for name in ours if (heap := waiting.get(name))
        ]
        found.sort(key=lambda site: site.due_at)
        return Survey(None, bool(self.store.suspects), tuple(found))

    async def claim(self, site: Site, limit: int) -> Sequence[Job]:
        ours_until = await self.sites.take(NO_TRANSACTION, site)
        if ours_until is None:
            return []
        self.sites.taken(site, ours_until)
        now = self._now
        claimed = self.store.claim(site.destination, limit, self.node, now, now + self.lease_us)
        return [Job(each.message_id, False, (each,)) for each in claimed]

    async def claim_suspect(self, beside: Collection[str] = ()) -> Job | None:
        if beside:
            return None
        now = self._now
        suspect = self.store.claim_suspect(self.node, now, now + self.lease_us)
        if suspect is None:
            return None
        site = Site(suspect.destination, False, now)
        ours_until = await self.sites.take(NO_TRANSACTION, site)
        assert ours_until is not None
        self.sites.taken(site, ours_until)
        return Job(suspect.message_id, False, (suspect,))

    async def hand_back(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self.store.hand_back(job.recipients[0])

    async def break_off(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self.store.move(job.recipients[0], Happening.LEASE_ENDED, self._now)

    async def end_without_outcome(self, job: Job) -> None:
        self.store.move(job.recipients[0], Happening.LEASE_ENDED, self._now)

    async def postpone(self, outage: Outage) -> None:
        assert outage.heading.destination is not None
        self.store.postpone(outage.heading.destination, self._now, to_us(outage.until))

    @property
    def _now(self) -> int:
        return to_us(self.clock.now())
