"""What was accepted just now goes straight to its lane, if there is room, and only when it is on disk."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from relay.address import parse_address
from relay.config import DeliveryConfig
from relay.dispatch.ahead import Ahead, Held
from relay.dispatch.fleet import Fleet
from relay.dispatch.jobs import SMALL, Heading, Job
from relay.dispatch.lanes import FIRST_WIDTH, JOBS_PER_WORKER, Kept, Lane
from relay.dispatch.sites import AloneSites
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from relay.spool.records import Message, StoredContent
from tests.fakes.clock import FakeClock

FULL = FIRST_WIDTH * JOBS_PER_WORKER
NODE = "mail.ours.test"
CONTENT = StoredContent(b"Subject: x\r\n", b"body\r\n", None)


def message(**other: Any) -> Message:
    facts = Message(
        id="msg_1",
        tenant_id="ten_default",
        mailbox_id="mbx_1",
        direction="out",
        source="smtp",
        reverse_path=parse_address("app@ours.test"),
        header_from="app@ours.test",
        subject="x",
        message_id="<1@ours.test>",
        size=20,
        body_size=6,
        created_at=0,
    )
    return replace(facts, **other)


def recipient(number: int, address: str = "ann@far.example", state: State = State.QUEUED) -> QueuedRecipient:
    parsed = parse_address(address)
    return QueuedRecipient(
        number, "ten_default", "msg_1", "mbx_1", number, parsed, parsed.domain, is_local=False, state=state
    )


class Desk:
    """A fleet whose jobs wait for ever, and what was handed where."""

    def __init__(self, clock: FakeClock) -> None:
        delivery = DeliveryConfig()
        self.fleet = Fleet(delivery, self._carry, lambda: None)
        self.handed_to: list[tuple[Heading, Job]] = []
        self.handed_back: list[Job] = []
        self.ahead = Ahead(
            self.fleet,
            clock,
            delivery,
            NODE,
            sites=AloneSites(),
            hand_to=self._hand_to,
            hand_back=self.handed_back.extend,
        )
        self.ahead.is_open = True

    @property
    def lane(self) -> Lane:
        return self.fleet.lane(Heading("far.example"))

    def lease(self, held: Held, recipients: Sequence[QueuedRecipient], **other: Any) -> list[State]:
        return [each.state for each in held.lease(message(**other), CONTENT, recipients)]

    def _hand_to(self, lane: Lane, job: Job) -> None:
        self.handed_to.append((lane.heading, job))
        lane.add(job)

    async def _carry(self, lane: Lane, job: Job, kept: Kept) -> None:
        await asyncio.Event().wait()


@pytest.fixture
async def desk(clock: FakeClock) -> AsyncIterator[Desk]:
    desk = Desk(clock)
    yield desk
    for lane in desk.fleet:
        await lane.stop(timedelta())


async def test_what_is_due_is_leased_as_if_it_had_been_claimed(desk: Desk, clock: FakeClock) -> None:
    with desk.ahead.hold() as held:
        (leased,) = held.lease(message(), CONTENT, [recipient(1)])
        assert (leased.state, leased.lease_owner) == (State.LEASED, NODE)
        assert (leased.epoch, leased.attempts, leased.unfinished) == (1, 1, 1)
        assert leased.lease_until is not None
        assert not desk.handed_to  # it is not on disk yet
        assert not held.begin()
    ((heading, job),) = desk.handed_to
    assert heading == Heading("far.example")
    assert job.recipients == (leased,)
    assert job.loaded == (message(), CONTENT)
    assert desk.lane.expected == 0


async def test_what_there_is_no_room_for_is_left_in_the_queue(desk: Desk) -> None:
    helds = [desk.ahead.hold() for _ in range(FULL + 2)]
    states = [desk.lease(held, [recipient(number)])[0] for number, held in enumerate(helds)]
    assert states == [State.LEASED] * FULL + [State.QUEUED] * 2
    assert [held.begin() for held in helds] == [False] * FULL + [True] * 2
    assert len(desk.handed_to) == FULL


async def test_who_was_in_the_queue_before_goes_first(desk: Desk) -> None:
    desk.lane.has_more = True
    assert desk.lease(desk.ahead.hold(), [recipient(1)]) == [State.QUEUED]
    desk.fleet.nobody_waits_but_for([Heading("other.example")])
    assert desk.lease(desk.ahead.hold(), [recipient(1)]) == [State.LEASED]


async def test_a_transaction_that_comes_to_nothing_frees_its_places(desk: Desk) -> None:
    with desk.ahead.hold() as held:
        desk.lease(held, [recipient(1), recipient(2, "bob@other.example")])
        assert [lane.expected for lane in desk.fleet] == [1, 1]
    assert [lane.expected for lane in desk.fleet] == [0, 0]
    assert not desk.handed_to


async def test_a_transaction_that_is_run_again_takes_no_second_place(desk: Desk) -> None:
    with desk.ahead.hold() as held:
        for _ in range(3):
            assert desk.lease(held, [recipient(1)]) == [State.LEASED]
        assert desk.lane.expected == 1
        held.begin()
    assert len(desk.handed_to) == 1


async def test_recipients_of_one_message_travel_together(desk: Desk) -> None:
    addresses = ["ann@far.example", "bob@other.example", "eve@far.example"]
    with desk.ahead.hold() as held:
        desk.lease(held, [recipient(number, address) for number, address in enumerate(addresses)])
        held.begin()
    travelled = {heading.destination: len(job.recipients) for heading, job in desk.handed_to}
    assert travelled == {"far.example": 2, "other.example": 1}


async def test_what_is_not_due_stays_as_it_is(desk: Desk) -> None:
    with desk.ahead.hold() as held:
        waiting = [recipient(1, state=State.SCHEDULED), recipient(2, state=State.SUPPRESSED)]
        assert desk.lease(held, waiting) == [State.SCHEDULED, State.SUPPRESSED]
        assert held.begin()  # somebody must look when it is due
        assert desk.lease(held, [recipient(2, state=State.SUPPRESSED)]) == [State.SUPPRESSED]
        assert not held.begin()


async def test_a_trial_is_not_taken_along(desk: Desk) -> None:
    assert desk.lease(desk.ahead.hold(), [recipient(1)], is_test=True) == [State.QUEUED]


async def test_a_large_body_is_read_when_its_turn_comes(desk: Desk) -> None:
    large = StoredContent(b"", b"x" * (SMALL + 1), None)
    in_file = StoredContent(b"", None, "ab/cd.body")
    for content in (large, in_file):
        with desk.ahead.hold() as held:
            held.lease(message(), content, [recipient(1)])
            held.begin()
    assert [job.loaded for _, job in desk.handed_to] == [None, (message(), in_file)]


@pytest.mark.parametrize("trouble", ["stopped", "resting", "no connection"])
async def test_who_cannot_be_carried_any_more_is_handed_back(desk: Desk, trouble: str) -> None:
    with desk.ahead.hold() as held:
        desk.lease(held, [recipient(1)])
        if trouble == "stopped":
            desk.ahead.is_open = False
        elif trouble == "resting":
            desk.lane.could_not_be_reached()
        else:
            desk.lane.slots.free = 0
        held.begin()
    assert not desk.handed_to
    assert [job.message_id for job in desk.handed_back] == ["msg_1"]
    assert desk.lane.expected == 0


async def test_nothing_is_leased_while_nobody_delivers(desk: Desk) -> None:
    desk.ahead.is_open = False
    with desk.ahead.hold() as held:
        assert desk.lease(held, [recipient(1)]) == [State.QUEUED]
        assert held.begin()
