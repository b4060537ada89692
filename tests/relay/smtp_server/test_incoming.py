"""Octets of a client: none is lost, who waits is woken or told that its time is over, and nobody hoards."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.smtp_server.incoming import HIGH_WATER, Incoming

LONG = 60.0


class Held:
    """Remembers what the transport was told."""

    def __init__(self) -> None:
        self.told: list[bool] = []


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
async def incoming(held: Held) -> AsyncIterator[Incoming]:
    made = Incoming(asyncio.get_running_loop(), held.told.append)
    yield made
    made.close()


async def test_what_came_before_is_there_at_once(incoming: Incoming) -> None:
    incoming.feed(b"EHLO ")
    incoming.feed(b"x\r\n")
    assert await incoming.next(0) == b"EHLO x\r\n"
    assert incoming.take() == b""


async def test_who_waits_is_woken(incoming: Incoming) -> None:
    waiting = asyncio.create_task(incoming.next(LONG))
    await asyncio.sleep(0)
    incoming.feed(b"x")
    incoming.feed(b"y")
    assert await waiting == b"xy"


async def test_the_end_comes_after_what_was_sent(incoming: Incoming) -> None:
    incoming.feed(b"x")
    incoming.end()
    assert await incoming.next(LONG) == b"x"
    assert await incoming.next(LONG) == b""


async def test_a_shorter_wait_after_a_long_one_ends_in_its_own_time(incoming: Incoming) -> None:
    waiting = asyncio.create_task(incoming.next(LONG))
    await asyncio.sleep(0)
    incoming.feed(b"x")
    await waiting
    async with asyncio.timeout(LONG / 2):
        with pytest.raises(TimeoutError):
            await incoming.next(0.01)


async def test_a_longer_wait_after_a_short_one_is_not_cut_short(incoming: Incoming) -> None:
    incoming.feed(b"x")
    await incoming.next(0.01)
    short = asyncio.create_task(incoming.next(0.01))
    await asyncio.sleep(0)
    incoming.feed(b"y")
    await short
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await incoming.next(0.1)
    assert asyncio.get_running_loop().time() - began > 0.09


async def test_a_wait_can_be_given_up(incoming: Incoming) -> None:
    incoming.give_up()  # nobody waits yet
    waiting = asyncio.create_task(incoming.next(LONG))
    await asyncio.sleep(0)
    incoming.give_up()
    with pytest.raises(TimeoutError):
        await waiting


async def test_a_client_that_sends_more_than_is_read_is_held_up(incoming: Incoming, held: Held) -> None:
    incoming.feed(b"x" * HIGH_WATER)
    assert held.told == []
    incoming.feed(b"x")
    incoming.feed(b"x")
    assert held.told == [True]
    assert len(incoming.take()) == HIGH_WATER + 2
    assert held.told == [True, False]
