"""What follows goes on in rounds: until nothing is found, when it is woken, after trouble, and to its end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from relay.errors import StoreUnavailable
from relay.events.following import follow

NEVER = 3600.0
logger = logging.getLogger("posthouse.following")


class Over(Exception):
    """What ends it."""


class Steps:
    """Finds what it was told to, one after another, then nothing any more."""

    def __init__(self, *found: int | Exception | None) -> None:
        self.taken = 0
        self._found = list(found)
        self._changed = asyncio.Condition()

    async def __call__(self) -> int | None:
        async with self._changed:
            self.taken += 1
            self._changed.notify_all()
        found = self._found.pop(0) if self._found else 0
        if isinstance(found, Exception):
            raise found
        return found

    async def until(self, taken: int) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: self.taken >= taken)


class Call(asyncio.Event):
    """What wakes it, and tells when it is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._awaited = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self._awaited.set()
        return await super().wait()

    async def until_awaited(self) -> None:
        async with asyncio.timeout(20):
            await self._awaited.wait()
        self._awaited.clear()


@asynccontextmanager
async def following(steps: Steps, woken: Call, *, again: float = NEVER) -> AsyncIterator[asyncio.Task[None]]:
    """It runs, and ends with the Over that a step raises, or with the block."""
    task = asyncio.create_task(
        follow(steps, woken, again=again, waits="letters wait", logger=logger, ends=(Over,))
    )
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_takes_steps_until_one_finds_nothing_then_waits_to_be_woken() -> None:
    steps, woken = Steps(3, 1, 0, 2, 0), Call()
    async with following(steps, woken):
        await woken.until_awaited()
        assert steps.taken == 3
        woken.set()
        await steps.until(5)
        await woken.until_awaited()
        assert steps.taken == 5
        assert not woken.is_set()


async def test_a_step_that_does_all_is_taken_once_a_round() -> None:
    steps, woken = Steps(None, None), Call()
    async with following(steps, woken):
        await woken.until_awaited()
        assert steps.taken == 1


async def test_it_looks_again_when_nobody_wakes_it() -> None:
    steps = Steps()
    async with following(steps, Call(), again=0.0):
        await steps.until(5)


async def test_what_calls_during_a_step_is_heard_after_it() -> None:
    woken = Call()

    class Calls(Steps):
        async def __call__(self) -> int | None:
            if not self.taken:
                woken.set()
            return await super().__call__()

    steps = Calls()
    async with following(steps, woken):
        await steps.until(2)


async def test_it_waits_for_the_store_and_goes_on_after_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    steps = Steps(StoreUnavailable("the disk is full"), RuntimeError("ours"), 1, 0)
    async with following(steps, Call(), again=0.0):
        await steps.until(4)
    told = [(record.levelname, record.getMessage(), bool(record.exc_info)) for record in caplog.records]
    assert told == [
        ("WARNING", "letters wait for the store: the disk is full", False),
        ("ERROR", "letters wait after a fault; it is tried again", True),
    ]


async def test_it_ends_when_a_step_says_so_and_when_it_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    steps = Steps(1, Over())
    async with following(steps, Call()) as ending, asyncio.timeout(20):
        await ending
    assert steps.taken == 2
    assert not caplog.records
    woken = Call()
    async with following(Steps(), woken) as cancelled:
        await woken.until_awaited()
    assert cancelled.cancelled()
