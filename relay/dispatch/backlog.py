"""What waits in the store, as the dispatcher sees it: look, claim, give back, put off.

A claim is written before anything is dialled, and whatever ends it goes by the
lease that it made: what another node has taken over meanwhile stays as it is.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from relay.clock import Clock, span_us, to_us
from relay.config import DeliveryConfig
from relay.dispatch.jobs import SMALL, Job, jobs_of
from relay.dispatch.outage import Outage, Outages
from relay.dispatch.sites import Sites
from relay.queue import claims, moves, rests
from relay.queue.claims import Site, Survey
from relay.queue.records import QueuedRecipient
from relay.queue.state import Happening
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.database import Database, Transaction

logger = logging.getLogger("posthouse.dispatch")


class Backlog(Protocol):
    """Each call happens wholly or not at all, and raises StoreUnavailable while the store cannot be had."""

    async def end_own_leases(self) -> int:
        """End the leases that an earlier life of this node left behind; returns how many.

        Who is alone tries anew whom that could not reach.
        """
        ...

    async def survey(self) -> Survey:
        """Every destination with waiting mail, and what else is to do."""
        ...

    async def claim(self, site: Site, limit: int) -> Sequence[Job]:
        """Lease what is due there to this node: of at most `limit` messages, the longest overdue."""
        ...

    async def claim_suspect(self, beside: Collection[str] = ()) -> Job | None:
        """Lease one recipient whose last attempt left no outcome, if any is due.

        One that may be tried while others are, for the destinations `beside` it.
        """
        ...

    async def hand_back(self, jobs: Iterable[Job]) -> None:
        """Undo the claims of jobs that nobody has begun; without that their leases run out."""
        ...

    async def break_off(self, jobs: Iterable[Job]) -> None:
        """The attempts were begun and stopped by us: they count, and the recipients are due again."""
        ...

    async def end_without_outcome(self, job: Job) -> None:
        """The attempt failed on our side before it could be written down."""
        ...

    async def postpone(self, outage: Outage) -> None:
        """Let all mail behind an outage wait."""
        ...


@dataclass(frozen=True, slots=True)
class StoredBacklog:
    """The backlog of a store, claimed in the name of `node`."""

    db: Database
    clock: Clock
    delivery: DeliveryConfig
    node: str
    sites: Sites

    async def end_own_leases(self) -> int:
        await self.sites.release_all()

        async def work(tx: Transaction) -> int:
            if not self.sites.is_shared:
                await rests.end(tx)
            return await claims.end_leases(tx, self.clock, owner=self.node)

        return await self.db.transact(work, lengthy=True, side_by_side=True)

    async def survey(self) -> Survey:
        if not self.sites.is_shared:
            return await claims.survey(self.db)
        found = await claims.survey(self.db, self.node)
        sites = sorted(map(self.sites.when, found.sites), key=lambda site: site.due_at)
        return replace(found, sites=tuple(sites))

    async def claim(self, site: Site, limit: int) -> Sequence[Job]:
        now, until = self._lease()

        async def work(tx: Transaction) -> tuple[int | None, list[QueuedRecipient]]:
            ours_until = await self.sites.take(tx, site)
            if ours_until is None:  # another node was quicker
                return None, []
            leased = await claims.claim_due(tx, site, limit=limit, owner=self.node, now=now, until=until)
            return ours_until, leased

        ours_until, leased = await self.db.transact(work, lengthy=True, side_by_side=True)
        if ours_until is not None:
            self.sites.taken(site, ours_until)
        jobs = list(jobs_of(leased))
        loaded = await self._load(jobs)
        return [replace(job, loaded=loaded.get(job.message_id)) for job in jobs]

    async def claim_suspect(self, beside: Collection[str] = ()) -> Job | None:
        now, until = self._lease()
        if not await claims.has_due_suspect(self.db, now=now, beside=beside):
            return None

        async def work(tx: Transaction) -> tuple[Site, int, QueuedRecipient] | None:
            suspect = await claims.claim_suspect(
                tx, owner=self.node, now=now, until=until, beside=beside, is_shared=self.sites.is_shared
            )
            if suspect is None:
                return None
            site = Site(suspect.destination, suspect.is_local, now)
            ours_until = await self.sites.take(tx, site)
            if ours_until is None:
                await claims.hand_back(tx, suspect)
                return None
            return site, ours_until, suspect

        claimed = await self.db.transact(work, side_by_side=True)
        if claimed is None:
            return None
        site, ours_until, suspect = claimed
        self.sites.taken(site, ours_until)
        return Job(suspect.message_id, suspect.is_local, (suspect,))

    async def hand_back(self, jobs: Iterable[Job]) -> None:
        recipients = [recipient for job in jobs for recipient in job.recipients]

        async def work(tx: Transaction) -> None:
            for recipient in recipients:
                await claims.hand_back(tx, recipient)

        if recipients:
            await self.db.transact(work, side_by_side=True)

    async def break_off(self, jobs: Iterable[Job]) -> None:
        recipients = [recipient for job in jobs for recipient in job.recipients]
        now = to_us(self.clock.now())

        async def work(tx: Transaction) -> None:
            for recipient in recipients:
                data = {"attempt": recipient.attempts, "reason": "stopped", "next_attempt_at": now}
                await moves.move(
                    tx, self.clock, recipient, Happening.LEASE_ENDED, due_at=now, reason="stopped", data=data
                )

        if recipients:
            await self.db.transact(work)

    async def end_without_outcome(self, job: Job) -> None:
        async def work(tx: Transaction) -> None:
            await claims.end_without_outcome(tx, self.clock, job.recipients)

        await self.db.transact(work)

    async def postpone(self, outage: Outage) -> None:
        await Outages(self.db, self.clock, self.delivery).wait(outage)

    def _lease(self) -> tuple[int, int]:
        """Now, and when a lease that is taken now ends."""
        now = to_us(self.clock.now())
        return now, now + span_us(self.delivery.lease)

    async def _load(self, jobs: Sequence[Job]) -> Mapping[str, tuple[Message, StoredContent]]:
        """The small ones of the messages, in one read; trouble with it is met when they are carried."""
        try:
            return await spool.load_small(self.db, [job.message_id for job in jobs], SMALL)
        except Exception:
            logger.exception("messages could not be loaded with their claim; each is tried by itself")
            return {}
