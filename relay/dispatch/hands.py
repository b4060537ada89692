"""What this node has in hand: every job from the lane to its outcome, or back to the store."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final, Protocol

from relay.clock import to_us
from relay.delivery.agent import AgentLost
from relay.dispatch.backlog import Backlog
from relay.dispatch.carry import Carried
from relay.dispatch.jobs import Heading, Job
from relay.dispatch.lanes import Kept, Lane
from relay.dispatch.leases import Leases
from relay.dispatch.outage import Outage
from relay.dispatch.sites import Sites
from relay.errors import StoreUnavailable
from relay.failpoints import ARMED, reach

logger = logging.getLogger("posthouse.dispatch")

# A job was put off, which may change what is due next; that has time.
SOON: Final = timedelta(milliseconds=20)


class Carries(Protocol):
    async def carry(self, lane: Lane, job: Job, kept: Kept) -> Carried:
        """Attempt `job` and write its outcomes down."""
        ...


class Hands:
    """Hands jobs to lanes, has them carried, and gives back what is not begun.

    `leases` is kept to be what is in hand. Whoever claims holds
    `looking` meanwhile; `wake` asks for a look at the queue.
    """

    def __init__(
        self,
        backlog: Backlog,
        carrier: Carries,
        sites: Sites,
        leases: Leases,
        *,
        looking: asyncio.Lock,
        wake: Callable[[], None],
    ) -> None:
        self._backlog = backlog
        self._carrier = carrier
        self._sites = sites
        self._leases = leases
        self._looking = looking
        self._wake = wake
        self._giving_up: set[asyncio.Task[None]] = set()
        self._soon: asyncio.TimerHandle | None = None
        # Set with each job that ends.
        self.job_done = asyncio.Event()

    def may_begin(self, heading: Heading) -> bool:
        """Whether the far side is still ours to speak with."""
        return heading.is_local or heading.destination is None or self._sites.has(heading.destination)

    def take(self, lane: Lane, job: Job) -> None:
        """From its claim on, a job is in hand."""
        self._leases.take(job.recipients)
        if ARMED:
            reach("dispatch.claimed")
        lane.add(job)

    async def carry(self, lane: Lane, job: Job, kept: Kept) -> None:
        """What a lane's worker does with a job."""
        if not self.may_begin(lane.heading):
            self.hand_back_soon((job,))
            await kept.close()
            return
        carried = Carried(is_due_again=True)
        try:
            if self._leases.hold(job.recipients):
                carried = await self._carry_and_settle(lane, job, kept)
            else:
                await self._leave(job)
            self._put_down((job,))
            if lane.is_for_suspects:
                await kept.close()
            elif carried.outage is not None:
                await self._rest(lane, carried.outage)
        finally:
            self.job_done.set()
            if (lane.has_more and lane.room) or lane.is_for_suspects or carried.outage is not None:
                self._wake()
            elif carried.is_due_again:
                self._wake_soon()

    async def hand_back(self, jobs: Iterable[Job]) -> None:
        """Undo the claims of jobs that nobody has begun."""
        jobs = list(jobs)
        self._put_down(jobs)
        await self._backlog.hand_back(jobs)

    def hand_back_soon(self, jobs: Sequence[Job]) -> None:
        """Hand jobs back that came when nobody could begin them any more."""

        async def give_up() -> None:
            try:
                await self.hand_back(jobs)
            except StoreUnavailable as trouble:
                logger.warning("leases that nobody works under run out: %s", trouble)
            self._wake()

        task = asyncio.create_task(give_up(), name="hand back")
        self._giving_up.add(task)
        task.add_done_callback(self._giving_up.discard)

    async def empty(self, lanes: Sequence[Lane], drain: timedelta) -> None:
        """Let what is on the wire finish within `drain`, and give the rest back.

        If the store cannot be written, the leases stay.
        """
        try:
            await self.hand_back(job for lane in lanes for job in lane.take_back())
            broken_off = await asyncio.gather(*(lane.stop(drain) for lane in lanes))
            await self._break_off([job for jobs in broken_off for job in jobs])
        except StoreUnavailable as trouble:
            logger.warning("not all leases could be handed back, they run out: %s", trouble)
            await asyncio.gather(*(lane.stop(timedelta()) for lane in lanes))
        await asyncio.gather(*self._giving_up)

    async def _break_off(self, jobs: Sequence[Job]) -> None:
        self._put_down(jobs)
        await self._backlog.break_off(jobs)

    def _put_down(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._leases.put_down(job.recipients)

    async def _leave(self, job: Job) -> None:
        """Its lease ran out before it was begun: it is another's by now, or is due again."""
        logger.warning("%s is not begun: its lease has run out", job.message_id)
        try:
            await self._backlog.hand_back((job,))
        except StoreUnavailable as trouble:
            logger.warning("the lease of %s could not be given back: %s", job.message_id, trouble)

    async def _carry_and_settle(self, lane: Lane, job: Job, kept: Kept) -> Carried:
        try:
            return await self._carrier.carry(lane, job, kept)
        except AgentLost as lost:
            logger.error("nobody knows what became of %s: %s", job.message_id, lost)
        except Exception:
            logger.exception("what became of %s could not be written down", job.message_id)
        try:
            await self._backlog.end_without_outcome(job)
        except Exception:
            # The leases run out, and the recipients come back as suspects then.
            logger.exception("the leases of %s could not be ended", job.message_id)
        return Carried(is_due_again=True)

    async def _rest(self, lane: Lane, outage: Outage) -> None:
        """Leave the far side in peace; if that cannot be written down, the next job finds out anew."""
        jobs = list(lane.take_back())
        try:
            async with self._looking:  # what is being claimed for it just now is not begun either
                await self.hand_back([*jobs, *lane.take_back()])
            # While it rests nothing is claimed for it; others are not to wait for a long queue.
            await self._backlog.postpone(outage)
            lane.rests_until = to_us(outage.until)
            logger.info("%s cannot be reached: its mail waits until %s", outage.heading, outage.until)
        except StoreUnavailable as trouble:
            logger.warning("the mail for %s could not be postponed: %s", outage.heading, trouble)
        except Exception:
            logger.exception("the mail for %s could not be postponed", outage.heading)
        finally:
            lane.is_postponed()

    def _wake_soon(self) -> None:
        """Look again in a moment, once for all who ask meanwhile."""
        loop = asyncio.get_running_loop()
        if self._soon is None or self._soon.when() <= loop.time():
            self._soon = loop.call_later(SOON.total_seconds(), self._wake)
