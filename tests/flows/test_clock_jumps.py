"""Somebody sets the clock by a day: mail goes on, nothing expires, nothing goes out twice."""

import pytest

from relay.policy.days import day_of
from relay.queue.state import State
from tests.flows.house import FAR, House

DAY = {"forward": 1, "back": -1}


@pytest.mark.parametrize("way", DAY)
async def test_what_is_on_the_wire_goes_out_once(house: House, way: str) -> None:
    gate = house.mx.stalls(".")
    sent = await house.submit()
    await house.way_out.dispatcher.look()
    await house.mx.messages_arrive()
    house.clock.jump(days=DAY[way])
    await house.way_out.sweeper.keep_leases()
    await house.way_out.dispatcher.look()
    gate.set()
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert len(house.mx.received) == 1


@pytest.mark.parametrize("way", DAY)
async def test_what_waits_is_tried_again_and_does_not_expire(house: House, way: str) -> None:
    house.mx.answers("RCPT", "451 4.7.1 greylisted")
    sent = await house.submit()
    await house.run_until_idle()
    house.clock.jump(days=DAY[way])
    await house.way_out.sweeper.keep_leases()
    await house.run_until_idle()
    # Tried again at once, and after that in the usual time.
    assert len(await sent.events("message.deferred")) == 2
    house.mx.behaves()
    house.clock.advance(minutes=12)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert len(house.mx.received) == 1


@pytest.mark.parametrize("way", DAY)
async def test_what_was_accepted_but_not_begun_goes_out(house: House, way: str) -> None:
    house.way_out.dispatcher.claim_no_more()
    sent = await house.submit()
    house.clock.jump(days=DAY[way])
    house.way_out.dispatcher.resume()
    await house.way_out.sweeper.keep_leases()
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_a_lease_that_nobody_holds_ends_though_the_clock_went_back(house: House) -> None:
    house.way_out.dispatcher.claim_no_more()
    sent = await house.submit()
    until = 1_000_000 * int(house.clock.now().timestamp() + 600)
    await house.station.db.transact(
        lambda tx: tx.execute(
            "update recipients set state = 'leased', lease_owner = 'mail.ours.test', lease_until = $1,"
            " attempts = 1, unfinished = 1, epoch = 1",
            until,
        )
    )
    house.clock.jump(days=-1)
    house.way_out.dispatcher.resume()
    for _ in range(2):
        await house.way_out.sweeper.keep_leases()
        house.clock.advance(house.station.config.delivery.lease, seconds=1)
    await house.way_out.sweeper.keep_leases()
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


@pytest.mark.parametrize("way", DAY)
async def test_new_mail_goes_at_once_and_is_counted_on_its_day(house: House, way: str) -> None:
    before = day_of(house.clock.now(), house.station.config.policy.cap_timezone)
    await house.submit()
    house.clock.jump(days=DAY[way])
    sent = await house.submit(to=f"bob@{FAR}")
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert await house.used_today() == 1
    house.clock.jump(days=-DAY[way])
    assert day_of(house.clock.now(), house.station.config.policy.cap_timezone) == before
    assert await house.used_today() == 1


async def test_scheduled_mail_keeps_its_hour(house: House) -> None:
    at = house.clock.now().replace(hour=18).isoformat()
    message = f"From: <app@ours.test>\r\nTo: <ann@{FAR}>\r\nX-Posthouse-Send-At: {at}\r\n\r\nLater.\r\n"
    sent = await house.submit(message=message.encode())
    house.clock.jump(days=-1)
    await house.way_out.sweeper.keep_leases()
    await house.run_until_idle()
    assert await sent.state() is State.SCHEDULED
    house.clock.jump(days=2)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
