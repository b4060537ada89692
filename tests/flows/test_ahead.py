"""While the dispatcher runs, fresh mail needs no look at the queue, and loses nothing by that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from relay.queue import claims
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, House, Sent


@asynccontextmanager
async def delivering(house: House) -> AsyncIterator[None]:
    task = asyncio.create_task(house.way_out.dispatcher.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        await house.way_out.dispatcher.stop(timedelta(seconds=5))
        await task


async def reaches(sent: Sent, state: State) -> QueuedRecipient:
    async with asyncio.timeout(10):
        while (recipient := (await sent.recipients())[0]).state is not state:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0)
    return recipient


async def test_fresh_mail_is_delivered_without_a_claim(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody_claims(*_: object, **__: object) -> None:
        raise AssertionError("claimed")

    async with delivering(house):
        if house.station.db.engine == "postgresql":  # the first claim makes the destination ours
            await reaches(await house.submit(to=f"bob@{FAR}"), State.DELIVERED)
            house.mx.received.clear()
        monkeypatch.setattr(claims, "claim_due", nobody_claims)
        sent = await house.submit()
        delivered = await reaches(sent, State.DELIVERED)
    assert (delivered.attempts, delivered.epoch, delivered.unfinished) == (1, 1, 0)
    kinds = [event.kind for event in await sent.events()]
    assert kinds == ["message.accepted", "message.sent", "message.delivered"]
    assert len(house.mx.received) == 1


async def test_a_refusal_keeps_no_place(make_house: MakeHouse) -> None:
    house = await make_house()
    async with delivering(house):
        for _ in range(3):
            with pytest.raises(Exception, match=r"5\.7\.1"):
                await house.submit(message=b"From: eve@far.example\r\nTo: ann@far.example\r\n\r\nx\r\n")
        assert house.way_out.dispatcher.expected == 0
        await reaches(await house.submit(), State.DELIVERED)


async def test_a_far_side_that_says_later_is_asked_again_by_a_claim(house: House) -> None:
    house.mx.answers("RCPT", "451 later", then="250 ok")
    async with delivering(house):
        sent = await house.submit()
        await reaches(sent, State.DEFERRED)
        house.clock.advance(timedelta(hours=1))
        house.way_out.dispatcher.wake()
        delivered = await reaches(sent, State.DELIVERED)
    assert (delivered.attempts, delivered.epoch) == (2, 2)


async def test_a_stop_in_the_middle_leaves_no_lease(house: House) -> None:
    house.mx.stalls("DATA")
    task = asyncio.create_task(house.way_out.dispatcher.run())
    sent = await house.submit(to=f"ann@{FAR}")
    async with asyncio.timeout(10):
        while not house.mx.says("DATA"):  # noqa: ASYNC110 - the far side tells nobody
            await asyncio.sleep(0)
    await house.way_out.dispatcher.stop(timedelta())
    await task
    (recipient,) = await sent.recipients()
    assert (recipient.state, recipient.lease_owner) == (State.QUEUED, None)
