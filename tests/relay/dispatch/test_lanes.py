"""A job in a lane always finds somebody to carry it, and all lanes together keep to their slots."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest

from relay.delivery.connection import Connection
from relay.dispatch import lanes
from relay.dispatch.jobs import Heading, Job
from relay.dispatch.lanes import Kept, Lane, Slots


class FakeConnection:
    """A connection that says farewell only when it is let."""

    def __init__(self) -> None:
        self.may_close = asyncio.Event()
        self.closing = asyncio.Event()

    async def close(self) -> None:
        self.closing.set()
        await self.may_close.wait()


class Carriers:
    """Carries jobs when it is let, and notes who was carried."""

    def __init__(self) -> None:
        self.carried: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.done = asyncio.Condition()
        self.keeps: FakeConnection | None = None

    async def carry(self, lane: Lane, job: Job, kept: Kept) -> None:
        await self.gate.wait()
        if self.keeps is not None:
            kept.connection = cast(Connection, self.keeps)
        async with self.done:
            self.carried.append(job.message_id)
            self.done.notify_all()

    async def have_carried(self, count: int) -> None:
        async with asyncio.timeout(5), self.done:
            await self.done.wait_for(lambda: len(self.carried) >= count)


@pytest.fixture
async def carriers() -> Carriers:
    return Carriers()


def job(name: str) -> Job:
    return Job(name, False, ())


def lane_of(carriers: Carriers, *, width: int = 2, slots: Slots | None = None, **more: Any) -> Lane:
    slots = slots or Slots(10, lambda: None)
    return Lane(Heading("far.example"), carriers.carry, max_width=10, slots=slots, width=width, **more)


async def test_a_job_that_comes_while_the_only_worker_says_farewell_is_carried(
    carriers: Carriers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "KEEP_IDLE_SECONDS", 0)
    carriers.keeps = connection = FakeConnection()
    lane = lane_of(carriers, width=1)
    lane.add(job("first"))
    await carriers.have_carried(1)
    await connection.closing.wait()
    carriers.keeps = None
    lane.add(job("second"))
    await carriers.have_carried(2)
    connection.may_close.set()
    await lane.stop(timedelta())


async def test_a_job_that_comes_in_the_moment_an_idle_worker_loses_patience_is_carried(
    carriers: Carriers,
) -> None:
    carriers.keeps = FakeConnection()
    carriers.keeps.may_close.set()
    slots = Slots(1, lambda: None)
    lane = lane_of(carriers, width=1, slots=slots)
    lane.add(job("first"))
    await carriers.have_carried(1)
    await asyncio.sleep(0)
    slots.ask()
    lane.add(job("second"))
    await carriers.have_carried(2)
    await lane.stop(timedelta())


async def test_an_idle_worker_leaves_when_somebody_else_waits_for_its_slot(carriers: Carriers) -> None:
    carriers.keeps = FakeConnection()
    carriers.keeps.may_close.set()
    freed = asyncio.Event()
    slots = Slots(1, freed.set)
    lane, other = lane_of(carriers, slots=slots), lane_of(carriers, slots=slots)
    lane.add(job("first"))
    await carriers.have_carried(1)
    await asyncio.sleep(0)
    assert (other.needs_slot, other.room) == (True, 0)
    slots.ask()
    async with asyncio.timeout(5):
        await freed.wait()
    assert (other.needs_slot, other.room) == (False, 3)
    other.add(job("second"))
    await carriers.have_carried(2)
    await asyncio.gather(lane.stop(timedelta()), other.stop(timedelta()))
    assert slots.free == 1


async def test_room_is_three_times_what_can_work_and_opens_again_at_the_half(carriers: Carriers) -> None:
    carriers.gate.clear()
    slots = Slots(3, lambda: None)
    wide = lane_of(carriers, width=5, slots=slots)
    assert wide.room == 9
    for number in range(4):
        wide.add(job(str(number)))
    assert wide.room == 5
    wide.add(job("4"))
    assert wide.room == 0
    wide.add(job("5"))
    assert slots.free == 0
    carriers.gate.set()
    await carriers.have_carried(6)
    await wide.stop(timedelta())
    assert slots.free == 3


async def test_a_lane_that_grew_narrower_goes_on_with_fewer(carriers: Carriers) -> None:
    carriers.gate.clear()
    lane = lane_of(carriers, width=4)
    for number in range(8):
        lane.add(job(str(number)))
    lane.broke_off()
    lane.broke_off()
    assert lane.width == 1
    carriers.gate.set()
    await carriers.have_carried(8)
    assert sorted(carriers.carried) == [str(number) for number in range(8)]
    await lane.stop(timedelta())


async def test_rests_grow_and_are_announced_once(carriers: Carriers) -> None:
    lane = lane_of(carriers)
    assert lane.could_not_be_reached() == timedelta(minutes=1)
    assert lane.could_not_be_reached() is None
    assert lane.room == 0
    assert not lane.needs_slot
    lane.is_postponed()
    assert lane.room == 3
    rests = []
    for _ in range(4):
        rests.append(lane.could_not_be_reached())
        lane.is_postponed()
    assert rests == [timedelta(minutes=minutes) for minutes in (5, 15, 30, 30)]
    lane.went_well()
    assert lane.could_not_be_reached() == timedelta(minutes=1)


async def test_a_stop_tells_what_it_broke_off_and_waits_for_nobody_idle(carriers: Carriers) -> None:
    carriers.gate.clear()
    lane = lane_of(carriers, width=1)
    lane.add(job("stuck"))
    lane.add(job("waiting"))
    await asyncio.sleep(0)
    assert [each.message_id for each in lane.take_back()] == ["waiting"]
    broken_off = await lane.stop(timedelta(milliseconds=20))
    assert [each.message_id for each in broken_off] == ["stuck"]
    assert lane.is_quiet

    carriers.gate.set()
    carriers.keeps = FakeConnection()
    carriers.keeps.may_close.set()
    idle = lane_of(carriers)
    idle.add(job("done"))
    await carriers.have_carried(1)
    async with asyncio.timeout(2):  # less than a worker would wait for another job
        assert await idle.stop(timedelta(seconds=30)) == []


async def test_while_it_rests_nothing_is_begun(carriers: Carriers) -> None:
    lane = lane_of(carriers)
    lane.could_not_be_reached()
    lane.add(job("late"))
    await asyncio.sleep(0)
    assert lane.in_flight == 1
    assert [each.message_id for each in lane.take_back()] == ["late"]
    lane.is_postponed()
    lane.add(job("next"))
    await carriers.have_carried(1)
    assert carriers.carried == ["next"]
    await lane.stop(timedelta())
