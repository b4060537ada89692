"""One look at the queue: release what was scheduled, claim what is due, hand it to the lanes.

What a lane has no room for stays in the queue, so a slow destination holds up
nobody else.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from relay.clock import Clock, span_us, to_us
from relay.dispatch.backlog import Backlog
from relay.dispatch.fleet import Fleet
from relay.dispatch.hands import Hands
from relay.dispatch.jobs import Heading
from relay.dispatch.lanes import Lane
from relay.dispatch.sites import Sites
from relay.errors import StoreUnavailable
from relay.queue.claims import Site

logger = logging.getLogger("posthouse.dispatch")

Release = Callable[[], Awaitable[object]]

# Attempts without an outcome of who was in one crash: that one, and the one that is begun.
FIRST_CRASH: Final = 2
# What could not be released is tried again in a while, not at once.
RELEASED_AGAIN: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Round:
    """What one look at the queue found: how many jobs it handed out, and when the next is due (µs).

    `is_blocked`: something is due that must wait for a connection elsewhere to end.
    """

    handed_out: int
    next_due: int | None
    is_blocked: bool = False


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks, as long as `may_claim` says that more may be taken."""

    backlog: Backlog
    clock: Clock
    fleet: Fleet
    hands: Hands
    sites: Sites
    release_due: Release
    may_claim: Callable[[], bool]

    async def look(self) -> Round:
        now = to_us(self.clock.now())
        waiting = await self.backlog.survey()
        if waiting.release_at is not None and waiting.release_at <= now:
            await self._release()
            waiting = await self.backlog.survey()
        next_due = waiting.release_at and max(waiting.release_at, now + span_us(RELEASED_AGAIN))
        handed_out = await self._take_suspects() if waiting.has_suspects else 0
        due = [site for site in waiting.sites if site.due_at <= now]
        if len(due) < len(waiting.sites):
            upcoming = waiting.sites[len(due)].due_at
            next_due = min(upcoming, next_due or upcoming)
        filled, is_blocked = await self._fill_lanes(due)
        return Round(handed_out + filled, next_due, is_blocked)

    async def _release(self) -> None:
        """Let scheduled mail go; trouble of one message there holds up nothing that is due."""
        try:
            await self.release_due()
        except StoreUnavailable:
            raise
        except Exception:
            logger.exception("scheduled mail could not be released; it is tried again")

    async def _fill_lanes(self, due: Sequence[Site]) -> tuple[int, bool]:
        """How many jobs the lanes were given, and whether any waits for a connection elsewhere to end."""
        handed_out, is_blocked = 0, False
        headings = [self.fleet.heading(site.destination, is_local=site.is_local) for site in due]
        self.fleet.nobody_waits_but_for(headings)
        for site, heading in zip(due, headings, strict=True):
            lane = self.fleet.lane(heading)
            if lane.needs_slot:
                lane.slots.ask()
                is_blocked = True
            elif lane.room and self.may_claim():
                handed_out += await self._fill(lane, site)
            else:
                lane.has_more = True
        return handed_out, is_blocked

    async def _fill(self, lane: Lane, site: Site) -> int:
        limit, was_ours = lane.room, site.is_local or self.sites.has(site.destination)
        jobs = await self.backlog.claim(site, limit)
        if not was_ours:
            lane.begin_anew()
        lane.has_more = len(jobs) >= limit
        for job in jobs:
            self.hands.take(lane, job)
        return len(jobs)

    async def _take_suspects(self) -> int:
        """Begin the attempts of recipients whose last left no outcome: one at a time for a destination.

        Each shares neither connection nor transaction, so that a message which
        kills us is found out without blaming those beside it. Who was in two
        crashes is tried when no other suspect is: see `claim_suspect`.
        """
        taken = 0
        while self.fleet.may_try_suspect:
            if not self.fleet.outgoing.free:
                self.fleet.outgoing.ask()
                break
            job = await self.backlog.claim_suspect(self.fleet.suspected)
            if job is None:
                break
            (suspect,) = job.recipients
            heading = Heading(suspect.destination, suspect.is_local)
            lane = self.fleet.lane_for_suspect(heading, alone=suspect.unfinished > FIRST_CRASH)
            self.hands.take(lane, job)
            taken += 1
        return taken
