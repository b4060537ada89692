"""A destination's limits: connections at once, farewells and suspects included, and messages a minute."""

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest

from bench.simulator.virtual import run
from relay.config import DeliveryConfig
from relay.config.outward import DestinationLimits
from relay.delivery.connection import Connection
from relay.dispatch.fleet import Fleet
from relay.dispatch.jobs import Heading, Job
from relay.dispatch.lanes import Kept, Lane

FAR = Heading("far.example")


class Far:
    """A far side that counts connections, and when messages begin."""

    def __init__(self, *, connections: int = 0, per_minute: int = 0) -> None:
        limits = DestinationLimits(connections=connections, messages_per_minute=per_minute)
        self.fleet = Fleet(DeliveryConfig(destinations={"far.example": limits}), self.carry, lambda: None)
        self.open = self.most = 0
        self.began: list[float] = []
        self.carried: list[str] = []

    async def carry(self, lane: Lane, job: Job, kept: Kept) -> None:
        self.began.append(asyncio.get_running_loop().time())
        if kept.connection is None:
            kept.connection = cast(Connection, self)
            self.open += 1
            self.most = max(self.most, self.open)
        await asyncio.sleep(1)
        self.carried.append(job.message_id)
        lane.went_well()
        if lane.is_for_suspects:
            await kept.close()

    async def close(self) -> None:
        await asyncio.sleep(2)  # a slow farewell
        self.open -= 1

    async def has_carried(self, count: int) -> None:
        async with asyncio.timeout(1000):
            while len(self.carried) < count:  # noqa: ASYNC110 - in virtual time
                await asyncio.sleep(0.1)


def jobs(count: int, name: str = "msg") -> Iterator[Job]:
    return (Job(f"{name}_{number}", False, ()) for number in range(count))


def test_farewells_count_until_they_are_said() -> None:
    async def main() -> None:
        far = Far(connections=2)
        lane = far.fleet.lane(FAR)
        for job in jobs(5):
            lane.add(job)
        await far.has_carried(5)
        await asyncio.sleep(6)  # nobody waits for more any longer: they take their leave
        for job in jobs(5):
            lane.add(job)
        await far.has_carried(10)
        assert far.most == 2

    run(main())


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_suspect_has_a_place_within_the_limit_and_the_lane_goes_on(limit: int) -> None:
    async def main() -> None:
        far = Far(connections=limit)
        lane = far.fleet.lane(FAR)
        for job in jobs(20):
            lane.add(job)
        await far.has_carried(2)
        far.fleet.lane_for_suspect(FAR).add(next(jobs(1, "suspect")))
        await far.has_carried(21)
        assert far.most == limit
        # It did not wait until everybody else was through.
        assert far.carried.index("suspect_0") < 20

    run(main())


def test_messages_begin_evenly_and_never_more_often_than_allowed() -> None:
    async def main() -> None:
        far = Far(per_minute=30)
        lane = far.fleet.lane(FAR)
        for job in jobs(10):
            lane.add(job)
        await far.has_carried(10)
        gaps = [later - earlier for earlier, later in zip([0.0, *far.began], far.began, strict=False)]
        assert min(gaps) >= 2 - 1e-6

        # Whoever served it before may have begun one just now.
        lane.begin_anew()
        now = asyncio.get_running_loop().time()
        lane.add(next(jobs(1)))
        await far.has_carried(11)
        assert far.began[-1] >= now + 2 - 1e-6

    run(main())


def test_a_job_that_waits_for_its_turn_can_be_taken_back() -> None:
    async def main() -> None:
        far = Far(per_minute=1)
        lane = far.fleet.lane(FAR)
        (job,) = jobs(1)
        lane.add(job)
        await asyncio.sleep(1)
        assert lane.in_flight == 1
        assert list(lane.take_back()) == [job]
        await asyncio.sleep(120)
        assert (far.carried, lane.in_flight, lane.is_quiet) == ([], 0, True)

    run(main())
