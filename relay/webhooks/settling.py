"""Carry one leased post out, and write down what became of it, in one transaction."""

import random
from dataclasses import dataclass
from datetime import timedelta

from relay.clock import Clock, span_us, to_us
from relay.events.kinds import EventKind
from relay.failpoints import ARMED, reach
from relay.store.database import Database, Transaction
from relay.webhooks import attempts, deliveries, standing
from relay.webhooks.attempts import Attempt
from relay.webhooks.deliveries import Post, State
from relay.webhooks.packing import pack
from relay.webhooks.post import Outcome, Poster
from relay.webhooks.schedule import wait_after

# A lease outlives its post by this, so that a slow store does not make it a second one.
LEASE_MARGIN = timedelta(seconds=30)


@dataclass(slots=True)
class Carrier:
    """Posts what was leased and settles it."""

    db: Database
    clock: Clock
    poster: Poster
    rng: random.Random

    @property
    def lease_until(self) -> int:
        """Until when what is leased now is ours (microseconds)."""
        return to_us(self.clock.now() + self.poster.timeout + LEASE_MARGIN)

    async def carry(self, post: Post) -> Attempt:
        """Post once and settle; a store that fails leaves the lease, so that it is posted again."""
        packed = pack(post, int(self.clock.now().timestamp()))
        outcome = await self.poster.post(post.url, packed.body, packed.headers)

        if ARMED:
            reach("webhooks.posted")

        async def work(tx: Transaction) -> Attempt:
            return await self._settle(tx, post, outcome)

        return await self.db.transact(work)

    async def _settle(self, tx: Transaction, post: Post, outcome: Outcome) -> Attempt:
        now = to_us(self.clock.now())
        state, due_at = self._leads_to(post, outcome, now)
        attempt = await attempts.add(tx, self.clock, post, outcome)
        is_ours = await deliveries.settle(tx, post, state, due_at, now)
        if is_ours and post.kind != EventKind.WEBHOOK_TEST:
            await standing.note(tx, self.clock, post.tenant_id, post.endpoint_id, outcome)
        return attempt

    def _leads_to(self, post: Post, outcome: Outcome, now: int) -> tuple[State, int]:
        """The state after this outcome, and when it is due again (microseconds)."""
        if outcome.taken:
            return "done", now
        wait = wait_after(post.attempt, self.rng)
        if wait is None or outcome.status == standing.GONE or post.kind == EventKind.WEBHOOK_TEST:
            return "failed", now
        return "due", now + span_us(max(wait, outcome.retry_after or timedelta()))
