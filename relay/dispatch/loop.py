"""The heart of the way out: look at the queue whenever there may be something to do, until stopped."""

import asyncio
import logging
from datetime import timedelta

from relay.clock import Clock, to_us
from relay.config import DeliveryConfig
from relay.dispatch.ahead import Ahead
from relay.dispatch.backlog import Backlog
from relay.dispatch.fleet import Fleet
from relay.dispatch.hands import Carries, Hands
from relay.dispatch.leases import Leases
from relay.dispatch.look import Looker, Release, Round
from relay.dispatch.sites import Sites
from relay.errors import StoreUnavailable

logger = logging.getLogger("posthouse.dispatch")

LONGEST_SLEEP = timedelta(seconds=30)
SLEEP_WITHOUT_STORE = timedelta(seconds=1)


class Dispatcher:
    """Takes due recipients to their destinations until it is stopped."""

    def __init__(
        self,
        *,
        backlog: Backlog,
        clock: Clock,
        delivery: DeliveryConfig,
        carrier: Carries,
        sites: Sites,
        release_due: Release,
        node: str,
        leases: Leases,
    ) -> None:
        """`leases` is kept to be what this dispatcher holds leases on and works with."""
        self._backlog = backlog
        self._sites = sites
        self._clock = clock
        self._woken = asyncio.Event()
        self._looking = asyncio.Lock()
        # `_stopping`: nothing more is taken; `_ended`: nor will it be again.
        self._stopping = self._ended = False
        self._hands = Hands(backlog, carrier, sites, leases, looking=self._looking, wake=self.wake)
        self._fleet = Fleet(delivery, self._hands.carry, self._go_on)
        self._looker = Looker(
            backlog, clock, self._fleet, self._hands, sites, release_due, may_claim=lambda: not self._stopping
        )
        self.ahead = Ahead(
            self._fleet,
            clock,
            delivery,
            node,
            sites=sites,
            hand_to=self._hands.take,
            hand_back=self._hands.hand_back_soon,
        )
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
        if ended := await self._backlog.end_own_leases():
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
            return Round(0, None) if self._stopping else await self._looker.look()

    async def run_until_idle(self) -> None:
        """Look and carry until nothing is due and nothing is under way."""
        job_done = self._hands.job_done
        while True:
            job_done.clear()
            found = await self.look()
            if self.in_flight or found.is_blocked:
                await job_done.wait()
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
        await self._hands.empty(lanes, drain)
        try:
            await self._sites.release_all()
        except StoreUnavailable as trouble:
            logger.warning("others will serve our destinations when the leases end: %s", trouble)

    async def look_after_sites(self) -> None:
        """Keep the destinations that are served here, and give up what another node is to serve."""
        async with self._looking:
            used = {lane.heading.destination for lane in self._fleet if not lane.is_quiet}
            await self._sites.look_after(used.__contains__)

    def _go_on(self) -> None:
        """A job is done or a connection ended: there may be room for more."""
        self._hands.job_done.set()
        self._woken.set()

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
