"""Mail that was accepted just now goes straight to its lane: no look at the queue, no claim, no second read.

Its recipients are written under a lease of ours, as if they had been claimed
the moment after. So a crash, a lane that rests or a node that is paused means
the same for them as for all others. What another node serves goes through the
store.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType

from msgspec import structs

from relay.clock import Clock, span_us, to_us
from relay.config import DeliveryConfig
from relay.dispatch.fleet import Fleet
from relay.dispatch.jobs import SMALL, Job, jobs_of
from relay.dispatch.lanes import Lane
from relay.dispatch.sites import Sites
from relay.queue.records import QueuedRecipient
from relay.queue.state import Happening, State, next_state
from relay.spool.records import Message, StoredContent

HandTo = Callable[[Lane, Job], None]
HandBack = Callable[[Sequence[Job]], None]
_TO_BE_CLAIMED = frozenset({State.QUEUED, State.SCHEDULED})


class Ahead:
    """Leases recipients in the name of `node` while they are being written, as long as it `is_open`."""

    def __init__(
        self,
        fleet: Fleet,
        clock: Clock,
        delivery: DeliveryConfig,
        node: str,
        *,
        sites: Sites,
        hand_to: HandTo,
        hand_back: HandBack,
    ) -> None:
        self.fleet = fleet
        self.clock = clock
        self.lease_us = span_us(delivery.lease)
        self.node = node
        self.sites = sites
        self.hand_to = hand_to
        self.hand_back = hand_back
        self.is_open = False

    def hold(self) -> "Held":
        return Held(self)


class Held:
    """The places of one message in the lanes; see `relay.queue.handover.Hold`."""

    __slots__ = ("_ahead", "_jobs", "_leaves_some")

    def __init__(self, ahead: Ahead) -> None:
        self._ahead = ahead
        self._jobs: list[tuple[Lane, Job]] = []
        self._leaves_some = False

    def __enter__(self) -> "Held":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()

    def lease(
        self, message: Message, content: StoredContent, recipients: Sequence[QueuedRecipient]
    ) -> Sequence[QueuedRecipient]:
        self._let_go()
        leased: dict[int, QueuedRecipient] = {}
        if self._ahead.is_open and not message.is_test:
            now = to_us(self._ahead.clock.now())
            due = [recipient for recipient in recipients if recipient.state is State.QUEUED]
            for job in jobs_of(due):
                members = self._place(job, message, content, now)
                leased.update((member.id, member) for member in members)
        written = [leased.get(recipient.id, recipient) for recipient in recipients]
        self._leaves_some = any(recipient.state in _TO_BE_CLAIMED for recipient in written)
        return written

    def begin(self) -> bool:
        jobs, self._jobs = self._jobs, []
        left_standing: list[Job] = []
        for lane, job in jobs:
            lane.expected -= 1
            if self._ahead.is_open and lane.may_begin:
                self._ahead.hand_to(lane, job)
            else:
                left_standing.append(job)
        if left_standing:
            self._ahead.hand_back(left_standing)
        return self._leaves_some

    def _place(
        self, job: Job, message: Message, content: StoredContent, now: int
    ) -> tuple[QueuedRecipient, ...]:
        """The recipients of `job` under a lease, if its lane has room; else none."""
        fleet, destination = self._ahead.fleet, job.recipients[0].destination
        if not (job.is_local or self._ahead.sites.keeps(destination)):
            return ()
        lane = fleet.lane(fleet.heading(destination, is_local=job.is_local))
        if not lane.may_expect or lane.rests_until > now:
            return ()
        members = tuple(self._leased(recipient, now + self._ahead.lease_us) for recipient in job.recipients)
        is_small = content.body is None or len(content.body) <= SMALL
        loaded = (message, content) if is_small else None
        lane.expected += 1
        self._jobs.append((lane, replace(job, recipients=members, loaded=loaded)))
        return members

    def _leased(self, recipient: QueuedRecipient, until: int) -> QueuedRecipient:
        return structs.replace(
            recipient,
            state=next_state(recipient.state, Happening.CLAIMED),
            lease_owner=self._ahead.node,
            lease_until=until,
            epoch=recipient.epoch + 1,
            attempts=recipient.attempts + 1,
            unfinished=recipient.unfinished + 1,
        )

    def _let_go(self) -> None:
        jobs, self._jobs = self._jobs, []
        for lane, _ in jobs:
            lane.expected -= 1
