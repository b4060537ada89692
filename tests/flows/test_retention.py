"""What is finished is forgotten when the configuration says, and nothing of mail under way."""

import os
from datetime import timedelta

import pytest

from relay.queue.state import State
from relay.spool import records as spool
from relay.store.database import Transaction
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House, Sent, letter

pytestmark = pytest.mark.both_engines

ME = f"app@{OURS}"
LARGE = b"0123456789abcde\r\n" * 20_000


async def is_kept(house: House, message_id: str) -> bool:
    stored = await spool.content_of(house.station.db, message_id)
    assert stored is not None
    return not stored.is_purged


async def delivered(house: House, body: bytes = b"") -> Sent:
    sent = await house.submit(message=letter(ME, f"ann@{FAR}") + body)
    await house.run_until_idle()
    return sent


async def test_bodies_of_sent_mail_go_after_their_time_and_the_facts_stay(house: House) -> None:
    small, large = await delivered(house), await delivered(house, LARGE)
    house.clock.advance(days=90)
    await house.way_out.sweeper.purge()
    assert await is_kept(house, small.id)
    assert await is_kept(house, large.id)
    house.clock.advance(minutes=1)
    await house.way_out.sweeper.purge()
    assert not await is_kept(house, small.id)
    assert not await is_kept(house, large.id)
    assert await house.bodies() == set()
    assert (await small.stored()).subject == "Invoice 7"
    assert await small.events("message.delivered")


async def test_mail_that_waits_is_never_purged(make_house: MakeHouse) -> None:
    house = await make_house(
        {"retention.content": "1d", "retention.events": "1d", "delivery.expire_after": "30d"}
    )
    house.mx.answers(f"late@{FAR}", "450 4.2.0 not now")
    sent = await house.submit(to=[f"ann@{FAR}", f"late@{FAR}"], message=letter(ME, "x@y.test") + LARGE)
    await house.run_until_idle()
    house.clock.advance(days=20)
    await house.way_out.sweeper.purge()
    assert await is_kept(house, sent.id)
    assert await sent.events("message.accepted")

    house.mx.answers(f"late@{FAR}", "250 2.1.5 ok")
    await house.run_until_idle()
    assert [recipient.state for recipient in await sent.recipients()] == [State.DELIVERED] * 2
    await house.way_out.sweeper.purge()
    assert not await is_kept(house, sent.id)
    assert not await sent.events("message.accepted")


async def test_in_the_end_nothing_is_left_of_a_message(house: House) -> None:
    await delivered(house)
    late = await house.submit()
    house.clock.advance(days=366)
    await house.run_until_idle()
    await house.way_out.sweeper.purge()

    assert await house.count("messages") == 1
    assert await house.count("contents") == 1
    (recipient,) = await late.recipients()
    assert recipient.settled_at is not None


async def test_mail_that_waits_is_never_forgotten(house: House) -> None:
    house.mx.answers("RCPT", "450 4.2.0 not now")
    sent = await delivered(house)
    house.clock.advance(days=366)
    await house.way_out.sweeper.purge()

    assert await is_kept(house, sent.id)
    assert await sent.state() is State.DEFERRED


async def test_received_mail_has_a_time_of_its_own(make_house: MakeHouse) -> None:
    house = await make_house({"retention.raw_inbound": "2d"})
    sent = await house.submit(to=ME)
    await house.run_until_idle()
    (received,) = await house.received_by(ME)
    house.clock.advance(days=3)
    await house.way_out.sweeper.purge()
    assert not await is_kept(house, received.id)
    assert await is_kept(house, sent.id)


async def test_purging_goes_on_while_there_is_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.dispatch.sweep.BATCH", 2)
    monkeypatch.setattr("relay.dispatch.sweep.EVENTS_BATCH", 3)
    for _ in range(5):
        await delivered(house)
    house.clock.advance(days=400)
    await house.way_out.sweeper.purge()
    assert await house.count("messages") == await house.count("recipients") == 0
    assert await house.count("events") == 0
    assert await house.count("idempotency") == 0


async def test_a_purged_message_that_is_let_go_again_is_not_lost_without_a_word(
    house: House, faults_of_ours: list[str]
) -> None:
    faults_of_ours.append("failed on our side")
    house.mx.answers("RCPT", "450 4.2.0 not now")
    sent = await delivered(house)

    async def vanish(tx: Transaction) -> None:
        await spool.purge_body(tx, sent.id)

    await house.station.db.transact(vanish)
    house.clock.advance(days=6)
    await house.run_until_idle()
    assert await sent.state() is State.EXPIRED
    assert [notice.actions for notice in await house.notices()] == [["failed"]]


async def test_body_files_that_no_message_names_are_swept_when_they_are_old(house: House) -> None:
    sent = await delivered(house, LARGE)
    draft = await house.draft([f"ann@{FAR}"], letter(ME, "x@y.test") + LARGE)
    _, orphan = await house.station.shelf.keep(draft.content.body, "msg_0rphan0000")
    assert orphan is not None
    moment = house.clock.now().timestamp()
    for name in house.station.shelf.names():
        os.utime(house.station.shelf.path(name), (moment, moment))
    for file in house.leftovers():
        os.utime(file, (moment, moment))

    await house.way_out.sweeper.sweep_orphans()
    assert orphan in await house.bodies()
    house.clock.advance(timedelta(hours=1, seconds=1))
    await house.way_out.sweeper.sweep_orphans()
    assert len(await house.bodies()) == 1
    assert house.leftovers() == []
    assert await is_kept(house, sent.id)
