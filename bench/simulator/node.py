"""One node of the simulation: the real dispatcher, around a memory and a model of the far side."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from msgspec.structs import replace

from bench.simulator.far import Destination
from bench.simulator.store import MemoryBacklog, MemoryLeases, Store
from bench.simulator.tally import Tally
from relay.address import parse_address
from relay.clock import span_us, to_us
from relay.config import DeliveryConfig
from relay.daemon.chores import LEASES_EVERY, SITES_EVERY
from relay.delivery.outcome import Fate, Outcome
from relay.dispatch.carry import Carried, lesson
from relay.dispatch.jobs import Job
from relay.dispatch.lanes import Kept, Lane
from relay.dispatch.leases import Leases
from relay.dispatch.loop import Dispatcher
from relay.dispatch.settle import Settler
from relay.dispatch.sites import AloneSites, SharedSites, Sites
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from relay.spool.records import Message, StoredContent

ANN = parse_address("ann@far.example")
MESSAGE = Message(
    id="msg_0",
    tenant_id="ten_default",
    mailbox_id=None,
    direction="out",
    source="smtp",
    reverse_path=ANN,
    header_from=str(ANN),
    subject="",
    message_id="",
    size=0,
    body_size=0,
    created_at=0,
)
CONTENT = StoredContent(b"", b"", None)


class Node:
    """Born with its tasks; `kill` ends it as a power cut does. The same name may be born again.

    Without `leases` it serves whatever there is, as if it were alone.
    """

    def __init__(
        self,
        name: str,
        *,
        store: Store,
        clock: Any,
        delivery: DeliveryConfig,
        world: Mapping[str, Destination],
        tally: Tally,
        rng: random.Random,
        alive: Callable[[], Sequence[str]],
        leases: bool = True,
    ) -> None:
        self.name = name
        self._store, self._clock, self._delivery = store, clock, delivery
        self._world, self._tally = world, tally
        self._leases = Leases(clock)
        self._settler = Settler(cast(Any, None), clock, delivery, rng, cast(Any, None))
        book = MemoryLeases(store, clock, name, alive)
        sites: Sites = AloneSites()
        if leases:
            sites = SharedSites(book, clock, name, delivery.site_lease)
        self.dispatcher = Dispatcher(
            backlog=MemoryBacklog(store, clock, name, sites, span_us(delivery.lease)),
            clock=clock,
            delivery=delivery,
            carrier=self,
            sites=sites,
            release_due=self._nothing_is_scheduled,
            node=name,
            leases=self._leases,
        )
        self._tasks = [asyncio.create_task(self._live())]

    def accept(self, recipient: QueuedRecipient) -> bool:
        """As `submission.accept` does it; returns whether it waits for a claim."""
        with self.dispatcher.ahead.hold() as hold:
            (written,) = hold.lease(MESSAGE, CONTENT, [recipient])
            self._store.insert(written)
            waits = hold.begin()
        if waits:
            self.dispatcher.wake()
        return waits

    async def carry(self, lane: Lane, job: Job, kept: Kept) -> Carried:
        """What `dispatch.carry` does, with the far side's model and the memory."""
        (recipient,) = job.recipients
        self._tally.began(recipient)
        outcome = await self._world[recipient.destination].transfer(recipient, kept)
        self._settle(recipient, outcome)
        is_due_again = outcome.fate is Fate.DEFERRED
        return Carried(lesson(lane, [outcome], self._clock.now()), is_due_again)

    async def kill(self) -> None:
        """Nothing more is written: leases of recipients and of destinations stay behind."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in list(self.dispatcher._fleet):
            self._tally.broken_off += len(await lane.stop(timedelta()))

    async def stop(self) -> None:
        """In order, as on SIGTERM."""
        await self.dispatcher.stop(timedelta(seconds=30))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _settle(self, recipient: QueuedRecipient, outcome: Outcome) -> None:
        happening, due_at = self._settler.decide(recipient, outcome)
        if outcome.fate is Fate.DELIVERED:
            self._tally.delivered(recipient)
        self._store.move(recipient, happening, due_at)

    async def _live(self) -> None:
        await self.dispatcher.start()
        await self.dispatcher.look_after_sites()
        self._tasks += [
            asyncio.create_task(self.dispatcher.run()),
            asyncio.create_task(self._repeat(SITES_EVERY, self._look_after_sites)),
            asyncio.create_task(self._repeat(LEASES_EVERY, self._keep_leases)),
        ]

    async def _look_after_sites(self) -> None:
        await self.dispatcher.look_after_sites()
        self._store.free_what_has_ended(self._now)

    async def _keep_leases(self) -> None:
        until = self._now + span_us(self._delivery.lease)
        self._store.extend_leases(self._leases.ids, self.name, until)
        self._leases.extended(self._leases.ids, until)
        if self._store.end_leases(self._now):
            self.dispatcher.wake()

    async def _repeat(self, every: timedelta, chore: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(every.total_seconds())
            await chore()

    async def _nothing_is_scheduled(self) -> None:
        raise AssertionError("nothing is scheduled here")

    @property
    def _now(self) -> int:
        return to_us(self._clock.now())


_TEMPLATE = QueuedRecipient(0, "ten_default", "", None, 0, ANN, "", is_local=False, state=State.QUEUED)


def recipient(number: int, destination: str, now: int, delivery: DeliveryConfig) -> QueuedRecipient:
    """A message as it is written when it is accepted."""
    return replace(
        _TEMPLATE,
        id=number,
        message_id=f"msg_{number}",
        destination=destination,
        due_at=now,
        expires_at=now + span_us(delivery.expire_after),
    )
