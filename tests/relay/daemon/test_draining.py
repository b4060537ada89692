"""Out of service and back: in which order work, readiness and doors follow what is asked."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from relay.daemon.draining import TURNED_AWAY, Draining
from relay.replies import SmtpReply
from relay.station import Standing
from tests.fakes.clock import FakeClock


@dataclass
class Diary:
    """A worker and a door that write down what they are told."""

    said: list[str] = field(default_factory=list)
    standing: Standing = field(default_factory=Standing)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self, patience: timedelta) -> None:
        self._note("paused, not ready" if self.standing.left else "paused, ready")

    def resume(self) -> None:
        self._note("resumed")

    def turn_away(self, reply: SmtpReply | None) -> None:
        assert reply in (None, TURNED_AWAY)
        self._note("doors open" if reply is None else "doors turn away")

    def _note(self, what: str) -> None:
        self.said.append(what)
        self.told.set()

    async def has(self, count: int) -> None:
        """Wait until so much was said."""
        while len(self.said) < count:
            self.told.clear()
            await self.told.wait()


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
async def draining(diary: Diary, clock: FakeClock) -> AsyncIterator[Draining]:
    made = Draining(clock, diary.standing, timedelta(), [diary], diary.turn_away)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_readiness_goes_first_then_work_then_the_doors(draining: Draining, diary: Diary) -> None:
    draining.ask(True)
    await diary.has(2)
    assert diary.said == ["paused, not ready", "doors turn away"]
    assert draining.is_drained
    draining.ask(False)
    await diary.has(4)
    assert diary.said[2:] == ["doors open", "resumed"]
    assert diary.standing.left is None
    assert not draining.is_drained


async def test_asked_again_nothing_more_happens(draining: Draining, diary: Diary) -> None:
    draining.ask(False)
    draining.ask(True)
    await diary.has(2)
    draining.ask(True)
    draining.ask(False)
    await diary.has(4)
    assert len(diary.said) == 4


async def test_resumed_while_load_balancers_learn_of_it_no_session_hears_of_it(
    draining: Draining, diary: Diary
) -> None:
    draining.patience = timedelta(hours=1)
    draining.ask(True)
    await diary.has(1)
    draining.ask(False)
    await diary.has(3)
    assert diary.said == ["paused, not ready", "doors open", "resumed"]


async def test_a_node_that_starts_drained_takes_no_work_before_it_is_out(
    diary: Diary, clock: FakeClock
) -> None:
    made = Draining(clock, diary.standing, timedelta(hours=1), [diary], diary.turn_away)
    await made.hold_back()
    assert diary.said == []
    made.ask(True)
    await made.hold_back()
    assert diary.said == ["paused, not ready"]
