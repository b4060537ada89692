"""Follow the log, claim what is due, have it posted: for as long as the daemon runs.

Each endpoint has a queue and places of its own, so that one that hangs delays
no other; those whose last post failed share a quarter of all places.
One that takes its posts is given more places, one for each: a far one answers
in a tenth of a second or more, and is to keep up with who sends a lot.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from relay.clock import Clock, to_us
from relay.errors import StoreUnavailable
from relay.events.following import follow
from relay.store.database import Database, Transaction
from relay.webhooks import deliveries
from relay.webhooks.deliveries import Post, Site
from relay.webhooks.outbox import Outbox
from relay.webhooks.settling import Carrier

logger = logging.getLogger("posthouse.webhooks")

LOOK_AGAIN_SECONDS = 0.25
_FOR_EVER: Final = (1 << 63) - 1


class Counted(Protocol):
    """What is told of posts (`relay.telemetry.Metrics`)."""

    def webhook_posted(self, *, taken: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Places:
    """How many posts at once: to one endpoint at first and at most, to all those that fail, and in all."""

    of_endpoint: int = 2
    of_endpoint_at_most: int = 20
    of_failing: int = 25
    in_all: int = 100


@dataclass(slots=True)
class Sender:
    """Posts what is owed. `run` goes on until it is cancelled; `stop` lets open posts end."""

    db: Database
    clock: Clock
    outbox: Outbox
    carrier: Carrier
    counted: Counted
    places: Places = Places()
    _posting: dict[asyncio.Task[None], Site] = field(default_factory=dict)
    # How many posts each endpoint took since its last failure.
    _taken: Counter[str] = field(default_factory=Counter)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _paused: bool = False

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    async def start(self) -> None:
        """End the leases that an earlier life left behind; where other nodes post as well, they run out."""
        if self.db.engine == "sqlite":
            await self._end_leases(to_us(self.clock.now()), until=_FOR_EVER)

    async def run(self) -> None:
        """Post until cancelled; a store that cannot be written only makes it wait."""
        await follow(self._look, self._woken, again=LOOK_AGAIN_SECONDS, waits="webhooks wait", logger=logger)

    async def step(self) -> int:
        """Read on in the log, and begin every post that is due and has a place; returns how many.

        Where the log may have more, the next step follows at once: its end may never come while mail does.
        """
        if self._paused:
            return 0
        if await self.outbox.step():
            self.wake()
        now = to_us(self.clock.now())
        if await deliveries.has_lost_leases(self.db, now):
            await self._end_leases(now)
        wanted = self._places_for([site for site in await deliveries.sites(self.db) if site.due_at <= now])
        posts = await self._claim(wanted, now) if wanted else []
        for site, post in posts:
            task = asyncio.create_task(self._carry(post), name="webhook")
            self._posting[task] = site
            task.add_done_callback(self._ended)
        return len(posts)

    async def idle(self) -> None:
        """Return when no post is under way."""
        while self._posting:
            await asyncio.wait(self._posting)

    async def pause(self, patience: timedelta) -> None:
        """Begin no post; those that are open may end within `patience`."""
        self._paused = True
        await self.stop(patience)

    def resume(self) -> None:
        """Post again."""
        self._paused = False
        self.wake()

    async def stop(self, patience: timedelta) -> None:
        """Let open posts end within `patience`; what is broken off then is posted again after its lease."""
        if self._posting:
            await asyncio.wait(self._posting, timeout=patience.total_seconds())
        for task in list(self._posting):
            task.cancel()
        await asyncio.gather(*self._posting, return_exceptions=True)

    async def _look(self) -> None:
        """One step and no more at once: what is left in the log, or a post that ends, wakes the next."""
        await self.step()

    def _places_for(self, due: Sequence[Site]) -> list[tuple[Site, int]]:
        """How many posts to begin at each endpoint; those that are well come first, then the longest due."""
        busy = Counter(site.endpoint_id for site in self._posting.values())
        free = self.places.in_all - len(self._posting)
        free_for_failing = self.places.of_failing - sum(site.is_failing for site in self._posting.values())
        wanted = []
        for site in sorted(due, key=lambda site: (site.is_failing, site.due_at)):
            room = min(self._most_at_once(site.endpoint_id) - busy[site.endpoint_id], free)
            if site.is_failing:
                # One at a time shows whether it is back.
                room = min(1 - busy[site.endpoint_id], free, free_for_failing)
                free_for_failing -= max(room, 0)
            if room > 0:
                wanted.append((site, room))
                free -= room
        return wanted

    def _most_at_once(self, endpoint_id: str) -> int:
        return min(self.places.of_endpoint + self._taken[endpoint_id], self.places.of_endpoint_at_most)

    async def _claim(self, wanted: Sequence[tuple[Site, int]], now: int) -> list[tuple[Site, Post]]:
        until = self.carrier.lease_until

        async def work(tx: Transaction) -> list[tuple[Site, Post]]:
            return [
                (site, post)
                for site, room in wanted
                for post in await deliveries.claim(tx, site.endpoint_id, limit=room, now=now, until=until)
            ]

        return await self.db.transact(work, side_by_side=True)

    async def _end_leases(self, now: int, *, until: int | None = None) -> None:
        if ended := await self.db.transact(lambda tx: deliveries.end_leases(tx, now, until=until)):
            logger.warning("%d webhook posts were left without an outcome; they are made again", ended)

    async def _carry(self, post: Post) -> None:
        """One post from wire to settled; its trouble is told, and its lease runs out."""
        try:
            attempt = await self.carrier.carry(post)
        except StoreUnavailable as trouble:
            logger.warning("the outcome of %s for %s waits: %s", post.event_id, post.endpoint_id, trouble)
            return
        except Exception:
            logger.exception("%s could not be posted to %s", post.event_id, post.endpoint_id)
            return
        self._note(post.endpoint_id, taken=attempt.error is None)
        level = logging.DEBUG if attempt.error is None else logging.INFO
        what = attempt.error or "taken"
        logger.log(level, "%s to %s, attempt %d: %s", post.event_id, post.endpoint_id, post.attempt, what)

    def _note(self, endpoint_id: str, *, taken: bool) -> None:
        self.counted.webhook_posted(taken=taken)
        if taken:
            self._taken[endpoint_id] += 1
        else:
            del self._taken[endpoint_id]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._posting.pop(task, None)
        self.wake()
