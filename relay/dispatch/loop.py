"""The heart of the way out: claim what is due, hand it to the lanes, see that nothing stands still.

Claims are written before anything is dialled. What a lane has no room for
stays in the queue, so a slow destination holds up nobody else.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from relay.clock import Clock, span_us, to_us
from relay.config import DeliveryConfig
from relay.delivery.agent import AgentLost
from relay.dispatch.ahead import Ahead
from relay.dispatch.carry import Carried, Carrier
from relay.dispatch.fleet import Fleet
from relay.dispatch.jobs import SMALL, Heading, Job, jobs_of
from relay.dispatch.lanes import Kept, Lane
from relay.dispatch.outage import Outage, Outages
from relay.dispatch.sweep import Sweeper
from relay.errors import StoreUnavailable
from relay.queue import claims, moves
from relay.queue.claims import Site
from relay.queue.records import QueuedRecipient
from relay.queue.state import Happening
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.database import Database, Transaction

logger = logging.getLogger("posthouse.dispatch")

LONGEST_SLEEP = timedelta(seconds=30)
SLEEP_WITHOUT_STORE = timedelta(seconds=1)
# A job was put off, which may change what is due next; that has time.
SOON = timedelta(milliseconds=20)


@dataclass(frozen=True, slots=True)
class Round:
    """What one look at the queue found: how many jobs it handed out, and when the next is due (µs).

    `is_blocked`: something is due that must wait for a connection elsewhere to end.
    """

    handed_out: int
    next_due: int | None
    is_blocked: bool = False


class Dispatcher:
    """Takes due recipients to their destinations until it is stopped."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        delivery: DeliveryConfig,
        carrier: Carrier,
        sweeper: Sweeper,
        node: str,
        in_hand: set[int],
    ) -> None:
        """`in_hand` is kept to be what this dispatcher holds leases on and works with."""
        self._db = db
        self._clock = clock
        self._delivery = delivery
        self._carrier = carrier
        self._sweeper = sweeper
        self._node = node
        self._in_hand = in_hand
        self._outages = Outages(db, clock, delivery)
        self._fleet = Fleet(delivery, self._carry, self._go_on)
        self.ahead = Ahead(
            self._fleet, clock, delivery, node, hand_to=self._hand_to, hand_back=self._give_up_soon
        )
        self._giving_up: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._job_done = asyncio.Event()
        self._looking = asyncio.Lock()
        # `_stopping`: nothing more is taken; `_ended`: nor will it be again.
        self._stopping = self._ended = False
        self._soon: asyncio.TimerHandle | None = None
        self.last_round_at = clock.monotonic()

    def wake(self) -> None:
        """Look at the queue now: something was accepted, released or let go."""
        self._woken.set()

    @property
    def in_flight(self) -> int:
        """Jobs that are being carried or stand in a lane."""
        return self._fleet.in_flight

    @property
    def expected(self) -> int:
        """Jobs for which lanes keep room, because their messages are just being written."""
        return sum(lane.expected for lane in self._fleet)

    async def start(self) -> None:
        """End the leases that an earlier life of this node left behind."""

        async def work(tx: Transaction) -> int:
            return await claims.end_leases(tx, self._clock, owner=self._node)

        if ended := await self._db.transact(work, lengthy=True, side_by_side=True):
            logger.warning("%d attempts of an earlier run left no outcome and are tried again", ended)

    async def run(self) -> None:
        """Work until `stop`; a store that cannot be written only makes it wait."""
        self.ahead.is_open = not self._stopping
        while not self._ended:
            self._woken.clear()
            try:
                pause = self._pause_after(await self.look())
            except StoreUnavailable as trouble:
                logger.warning("the queue waits for the store: %s", trouble)
                pause = SLEEP_WITHOUT_STORE
            except Exception:
                logger.exception("a look at the queue failed; the next follows")
                pause = SLEEP_WITHOUT_STORE
            self.last_round_at = self._clock.monotonic()
            await self._sleep(pause)

    async def look(self) -> Round:
        """One round: release what was scheduled, claim what is due, hand it to the lanes."""
        async with self._looking:
            if self._stopping:
                return Round(0, None)
            now = to_us(self._clock.now())
            waiting = await claims.survey(self._db)
            if waiting.release_at is not None and waiting.release_at <= now:
                await self._release()
                waiting = await claims.survey(self._db)
            # What could not be released is tried again in a while, not at once.
            next_due = waiting.release_at and max(waiting.release_at, now + span_us(SLEEP_WITHOUT_STORE))
            handed_out = await self._take_suspect(now) if waiting.has_suspects else 0
            due = [site for site in waiting.sites if site.due_at <= now]
            if len(due) < len(waiting.sites):
                upcoming = waiting.sites[len(due)].due_at
                next_due = min(upcoming, next_due or upcoming)
            filled, is_blocked = await self._fill_lanes(due, now)
            return Round(handed_out + filled, next_due, is_blocked)

    async def _fill_lanes(self, due: Sequence[Site], now: int) -> tuple[int, bool]:
        """How many jobs the lanes were given, and whether any waits for a connection elsewhere to end."""
        handed_out, is_blocked = 0, False
        headings = [self._fleet.heading(site.destination, is_local=site.is_local) for site in due]
        self._fleet.nobody_waits_but_for(headings)
        for site, heading in zip(due, headings, strict=True):
            lane = self._fleet.lane(heading)
            if lane.needs_slot:
                lane.slots.ask()
                is_blocked = True
            elif lane.room and not self._stopping:
                handed_out += await self._fill(lane, site, now)
            else:
                lane.has_more = True
        return handed_out, is_blocked

    async def _release(self) -> None:
        """Let scheduled mail go; trouble of one message there holds up nothing that is due."""
        try:
            await self._sweeper.release_due()
        except StoreUnavailable:
            raise
        except Exception:
            logger.exception("scheduled mail could not be released; it is tried again")

    async def run_until_idle(self) -> None:
        """Look and carry until nothing is due and nothing is under way."""
        while True:
            self._job_done.clear()
            found = await self.look()
            if self.in_flight or found.is_blocked:
                await self._job_done.wait()
            elif not found.handed_out:
                return

    async def stop(self, drain: timedelta) -> None:
        """Claim no more, let what is on the wire finish within `drain`, hand the rest back.

        What has to be broken off is due again at the next start, and counts as
        an attempt, not as a crash. If the store cannot be written, the leases
        stay, and end at the next start.
        """
        self.claim_no_more()
        self._ended = True
        self.wake()
        await self._let_go(drain)

    def claim_no_more(self) -> None:
        """From now on nothing is taken; what has been taken is carried."""
        self._stopping = True
        self.ahead.is_open = False

    async def pause(self, drain: timedelta) -> None:
        """As `stop`, but `resume` begins again."""
        self.claim_no_more()
        await self._let_go(drain)

    def resume(self) -> None:
        """Take work again after `pause`."""
        if not self._ended:
            self._stopping = False
            self.ahead.is_open = True
            self.wake()

    async def _let_go(self, drain: timedelta) -> None:
        async with self._looking:  # what a look under way has claimed stands in a lane afterwards
            lanes = list(self._fleet)
        try:
            await self._hand_back([job for lane in lanes for job in lane.take_back()])
            broken_off = await asyncio.gather(*(lane.stop(drain) for lane in lanes))
            await self._break_off([job for jobs in broken_off for job in jobs])
        except StoreUnavailable as trouble:
            logger.warning("not all leases could be handed back, they run out: %s", trouble)
            await asyncio.gather(*(lane.stop(timedelta()) for lane in lanes))
        await asyncio.gather(*self._giving_up)

    async def _fill(self, lane: Lane, site: Site, now: int) -> int:
        limit, until = lane.room, now + span_us(self._delivery.lease)

        async def work(tx: Transaction) -> list[QueuedRecipient]:
            return await claims.claim_due(tx, site, limit=limit, owner=self._node, now=now, until=until)

        jobs = list(jobs_of(await self._db.transact(work, lengthy=True, side_by_side=True)))
        lane.has_more = len(jobs) >= limit
        loaded = await self._load(jobs)
        for job in jobs:
            self._hand_to(lane, replace(job, loaded=loaded.get(job.message_id)))
        return len(jobs)

    async def _load(self, jobs: Sequence[Job]) -> Mapping[str, tuple[Message, StoredContent]]:
        """The small ones of the messages, in one read; trouble with it is met when they are carried."""
        try:
            return await spool.load_small(self._db, [job.message_id for job in jobs], SMALL)
        except Exception:
            logger.exception("messages could not be loaded with their claim; each is tried by itself")
            return {}

    def _hand_to(self, lane: Lane, job: Job) -> None:
        self._in_hand.update(recipient.id for recipient in job.recipients)
        lane.add(job)

    def _put_down(self, recipients: Iterable[QueuedRecipient]) -> None:
        self._in_hand.difference_update(recipient.id for recipient in recipients)

    async def _take_suspect(self, now: int) -> int:
        """Begin the attempt of one recipient whose last left no outcome, unless one is under way.

        It shares neither connection nor transaction, so that a message which
        kills us is found out without blaming those beside it.
        """
        if self._fleet.carries_suspect:
            return 0
        if not self._fleet.outgoing.free:
            self._fleet.outgoing.ask()
            return 0
        until = now + span_us(self._delivery.lease)

        async def work(tx: Transaction) -> QueuedRecipient | None:
            return await claims.claim_suspect(tx, owner=self._node, now=now, until=until)

        suspect = await self._db.transact(work, side_by_side=True)
        if suspect is None:
            return 0
        lane = self._fleet.lane_for_suspect(Heading(suspect.destination, suspect.is_local))
        self._hand_to(lane, Job(suspect.message_id, suspect.is_local, (suspect,)))
        return 1

    async def _carry(self, lane: Lane, job: Job, kept: Kept) -> None:
        carried = Carried(is_due_again=True)
        try:
            carried = await self._carry_and_settle(lane, job, kept)
            self._put_down(job.recipients)
            if lane.is_for_suspects:
                await kept.close()
            elif carried.outage is not None:
                await self._rest(lane, carried.outage)
        finally:
            self._job_done.set()
            if (lane.has_more and lane.room) or lane.is_for_suspects or carried.outage is not None:
                self.wake()
            elif carried.is_due_again:
                self._wake_soon()

    def _wake_soon(self) -> None:
        """Look again in a moment, once for all who ask meanwhile."""
        loop = asyncio.get_running_loop()
        if self._soon is None or self._soon.when() <= loop.time():
            self._soon = loop.call_later(SOON.total_seconds(), self.wake)

    def _go_on(self) -> None:
        """A job is done or a connection ended: there may be room for more."""
        self._job_done.set()
        self._woken.set()

    async def _carry_and_settle(self, lane: Lane, job: Job, kept: Kept) -> Carried:
        try:
            return await self._carrier.carry(lane, job, kept)
        except AgentLost as lost:
            logger.error("nobody knows what became of %s: %s", job.message_id, lost)
        except Exception:
            logger.exception("what became of %s could not be written down", job.message_id)

        async def work(tx: Transaction) -> None:
            await claims.end_without_outcome(tx, self._clock, job.recipients)

        try:
            await self._db.transact(work)
        except Exception:
            # The leases run out, and the recipients come back as suspects then.
            logger.exception("the leases of %s could not be ended", job.message_id)
        return Carried(is_due_again=True)

    async def _rest(self, lane: Lane, outage: Outage) -> None:
        """Leave the far side in peace; if that cannot be written down, the next job finds out anew."""
        jobs = list(lane.take_back())
        try:
            async with self._looking:  # what is being claimed for it just now is not begun either
                await self._hand_back([*jobs, *lane.take_back()])
                postponed = await self._outages.wait(outage)
            logger.info("%s cannot be reached: %d more recipients wait", outage.heading, postponed)
        except StoreUnavailable as trouble:
            logger.warning("the mail for %s could not be postponed: %s", outage.heading, trouble)
        except Exception:
            logger.exception("the mail for %s could not be postponed", outage.heading)
        finally:
            lane.is_postponed()

    def _give_up_soon(self, jobs: Sequence[Job]) -> None:
        """Hand jobs back that came when nobody could begin them any more."""

        async def give_up() -> None:
            try:
                await self._hand_back(jobs)
            except StoreUnavailable as trouble:
                logger.warning("leases that nobody works under run out: %s", trouble)
            self.wake()

        task = asyncio.create_task(give_up(), name="hand back")
        self._giving_up.add(task)
        task.add_done_callback(self._giving_up.discard)

    async def _hand_back(self, jobs: Iterable[Job]) -> None:
        """Undo the claims of jobs that nobody has begun; without that their leases run out."""
        recipients = [recipient for job in jobs for recipient in job.recipients]

        async def work(tx: Transaction) -> None:
            for recipient in recipients:
                await claims.hand_back(tx, recipient)

        self._put_down(recipients)
        if recipients:
            await self._db.transact(work, side_by_side=True)

    async def _break_off(self, jobs: Sequence[Job]) -> None:
        now = to_us(self._clock.now())

        async def work(tx: Transaction) -> None:
            for recipient in (recipient for job in jobs for recipient in job.recipients):
                data = {"attempt": recipient.attempts, "reason": "stopped", "next_attempt_at": now}
                await moves.move(
                    tx, self._clock, recipient, Happening.LEASE_ENDED, due_at=now, reason="stopped", data=data
                )

        for job in jobs:
            self._put_down(job.recipients)
        if jobs:
            await self._db.transact(work)

    def _pause_after(self, found: Round) -> timedelta:
        if found.next_due is None:
            return LONGEST_SLEEP
        until_due = timedelta(microseconds=found.next_due - to_us(self._clock.now()))
        return min(LONGEST_SLEEP, max(timedelta(), until_due))

    async def _sleep(self, pause: timedelta) -> None:
        try:
            async with asyncio.timeout(pause.total_seconds()):
                await self._woken.wait()
        except TimeoutError:
            pass
