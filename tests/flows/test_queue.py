"""A slow or dead destination costs nobody else anything; a crash loses nothing and blames no innocent."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from relay.clock import to_us
from relay.control.context import Context
from relay.control.operations import queue as queue_operations
from relay.control.operations.queue import Chosen
from relay.dispatch.lanes import FIRST_WIDTH, JOBS_PER_WORKER
from relay.dispatch.outage import Outage, Outages
from relay.dispatch.settle import Settler
from relay.errors import StoreUnavailable
from relay.queue import claims
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from relay.store.database import Transaction
from tests.fakes.far_mx import FarMx
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House, Sent

pytestmark = pytest.mark.both_engines

ANN = f"ann@{FAR}"
NOBODY = "::1"  # nothing listens there on the port of the fake


async def only(sent: Sent) -> QueuedRecipient:
    (recipient,) = await sent.recipients()
    return recipient


def dead_site(house: House, name: str = "dead.example") -> None:
    house.dns.mx(name, (10, f"mx.{name}"))
    house.dns.address(f"mx.{name}", NOBODY)


def live_site(house: House, name: str) -> None:
    house.dns.mx(name, (10, f"mx.{FAR}"))


# A destination that is not there


async def test_a_dead_site_is_left_in_peace_and_its_mail_pays_no_attempts(house: House) -> None:
    dead_site(house)
    sent = [await house.submit(to=f"p{number}@dead.example") for number in range(20)]
    alive = await house.submit(to=ANN)
    await house.run_until_idle()

    assert await alive.state() is State.DELIVERED
    recipients = [await only(each) for each in sent]
    # As many as the lane is wide at first may have tried before they knew.
    assert sum(recipient.attempts for recipient in recipients) <= 2
    now = to_us(house.clock.now())
    assert all(recipient.due_at and recipient.due_at >= now + 60 * 10**6 for recipient in recipients)
    assert {recipient.unfinished for recipient in recipients} == {0}


async def test_nobody_waits_while_a_long_queue_is_postponed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()
    wait = Outages.wait

    async def take_long(self: Outages, outage: Outage) -> None:
        begun.set()
        await gate.wait()
        await wait(self, outage)

    monkeypatch.setattr(Outages, "wait", take_long)
    dead_site(house)
    dead = await house.submit(to="ann@dead.example")
    running = asyncio.create_task(house.run_until_idle())
    try:
        async with asyncio.timeout(30):
            await begun.wait()
            alive = await house.submit(to=ANN)
            await house.way_out.dispatcher.look()
            await house.mx.messages_arrive()
    finally:
        gate.set()
        await running
    assert await alive.state() is State.DELIVERED
    assert ((await only(dead)).due_at or 0) > to_us(house.clock.now())


async def test_mail_that_comes_while_a_site_is_left_in_peace_waits_with_the_others(house: House) -> None:
    dead_site(house)
    early = await house.submit(to="ann@dead.example")
    await house.run_until_idle()
    late = await house.submit(to="bob@dead.example")
    await house.run_until_idle()
    assert (await only(early)).attempts == 1
    waits = await only(late)
    assert (waits.attempts, waits.state) == (0, State.QUEUED)
    assert waits.due_at == to_us(house.clock.now()) + 60 * 10**6


async def test_who_hurries_mail_ends_the_rest_of_its_destination(house: House) -> None:
    dead_site(house)
    sent = [await house.submit(to=f"p{number}@dead.example") for number in range(3)]
    await house.run_until_idle()
    back = await FarMx.start(NOBODY, house.mx.port)
    try:
        context = Context(house.station)
        await queue_operations.retry(context, Chosen(destination="dead.example"))
        await house.run_until_idle()
        assert {await each.state() for each in sent} == {State.DELIVERED}
    finally:
        await back.stop()


async def test_suspects_of_other_destinations_do_not_wait_for_a_silent_one(house: House, mx: FarMx) -> None:
    silent = await FarMx.start("::1", mx.port)
    try:
        gate = silent.stalls("BANNER")
        house.dns.mx("silent.example", (10, "mx.silent.example"))
        house.dns.address("mx.silent.example", "::1")
        stuck = [await house.submit(to=f"p{number}@silent.example") for number in range(2)]
        others = [await house.submit(to=f"p{number}@{FAR}") for number in range(3)]
        await house.crash()
        running = asyncio.create_task(house.way_out.dispatcher.run())
        async with asyncio.timeout(30):
            await house.mx.messages_arrive(3)
            while {await each.state() for each in others} != {State.DELIVERED}:
                await house.way_out.dispatcher.look()
        assert sorted([await each.state() for each in stuck]) == [State.LEASED, State.QUEUED]
        gate.set()
        async with asyncio.timeout(30):
            await silent.messages_arrive(2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await house.run_until_idle()
        assert {await each.state() for each in stuck} == {State.DELIVERED}
    finally:
        await silent.stop()


async def test_a_site_that_comes_back_gets_all_its_mail(house: House) -> None:
    dead_site(house)
    sent = [await house.submit(to=f"p{number}@dead.example") for number in range(20)]
    await house.run_until_idle()
    back = await FarMx.start(NOBODY, house.mx.port)
    try:
        house.clock.advance(minutes=6)
        await house.run_until_idle()
        assert {await each.state() for each in sent} == {State.DELIVERED}
        assert len(back.received) == 20
    finally:
        await back.stop()


async def test_mail_that_never_had_a_turn_expires_and_is_told_of_in_time(house: House) -> None:
    dead_site(house)
    sent = [await house.submit(to=f"p{number}@dead.example") for number in range(12)]
    for _ in range(10):
        await house.run_until_idle()
        house.clock.advance(minutes=31)
    delayed = [notice for notice in await house.notices() if notice.actions == ["delayed"]]
    assert len(delayed) == 12
    for _ in range(5 * 24):
        house.clock.advance(hours=1)
        await house.run_until_idle()

    assert {await each.state() for each in sent} == {State.EXPIRED}
    for each in sent:
        (expired,) = await each.events("message.expired")
        accepted, *_ = await each.events("message.accepted")
        assert timedelta(days=5) <= expired.at - accepted.at <= timedelta(days=5, hours=2)
    notices = await house.notices()
    assert (
        sorted(action for notice in notices for action in notice.actions)
        == ["delayed"] * 12 + ["failed"] * 12
    )


async def test_a_slow_site_delays_nobody_else(house: House, mx: FarMx) -> None:
    slow = await FarMx.start("::1", mx.port)
    try:
        gate = slow.stalls("BANNER")
        house.dns.mx("slow.example", (10, "mx.slow.example"))
        house.dns.address("mx.slow.example", "::1")
        stuck = [await house.submit(to=f"p{number}@slow.example") for number in range(8)]
        quick = [await house.submit(to=f"p{number}@{FAR}") for number in range(5)]
        running = asyncio.create_task(house.way_out.dispatcher.run())
        async with asyncio.timeout(10):
            await house.mx.messages_arrive(5)
            while {await each.state() for each in quick} != {State.DELIVERED}:
                await house.way_out.dispatcher.look()
        assert State.DELIVERED not in {await each.state() for each in stuck}
        # No more was claimed for it than its lane can use.
        leased = [each for each in stuck if await each.state() is State.LEASED]
        assert len(leased) <= FIRST_WIDTH * JOBS_PER_WORKER
        gate.set()
        async with asyncio.timeout(10):
            await slow.messages_arrive(8)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await house.run_until_idle()
        assert {await each.state() for each in stuck} == {State.DELIVERED}
    finally:
        await slow.stop()


# What the DNS says


async def test_a_domain_that_accepts_no_mail_bounces_at_once(house: House) -> None:
    house.dns.null_mx("null.example")
    sent = await house.submit(to="ann@null.example")
    await house.run_until_idle()
    assert (await only(sent)).state is State.BOUNCED
    (notice,) = await house.notices()
    assert notice.recipients[0]["Status"] == "5.1.10"
    assert notice.recipients[0]["Remote-MTA"] is None


async def test_a_domain_that_does_not_exist_bounces_and_suppresses_nobody(house: House) -> None:
    sent = await house.submit(to="ann@nowhere.example")
    await house.run_until_idle()
    recipient = await only(sent)
    assert recipient.state is State.BOUNCED
    assert recipient.last_reply is not None
    assert recipient.last_reply.startswith("550 5.1.2")
    assert await house.count("suppressions") == 0


async def test_a_nameserver_in_trouble_defers(house: House) -> None:
    house.dns.fails("shaky.example")
    sent = await house.submit(to="ann@shaky.example")
    await house.run_until_idle()
    recipient = await only(sent)
    assert recipient.state is State.DEFERRED
    assert recipient.last_reply is not None
    assert recipient.last_reply.startswith("451 4.4.3")


async def test_mail_that_would_come_back_to_us_bounces(house: House) -> None:
    house.dns.mx("loop.example", (10, "mail.ours.test"), (20, f"mx.{FAR}"))
    house.dns.address("mail.ours.test", "127.0.0.1")
    sent = await house.submit(to="ann@loop.example")
    await house.run_until_idle()
    recipient = await only(sent)
    assert recipient.state is State.BOUNCED
    assert recipient.last_reply is not None
    assert recipient.last_reply.startswith("554 5.4.6")


async def test_mail_that_has_been_everywhere_is_refused(house: House) -> None:
    hops = b"Received: from a by b; Mon, 02 Mar 2026 09:00:00 +0000\r\n"
    rest = b"From: app@ours.test\r\n\r\ntext\r\n"
    await house.submit(message=hops * 100 + rest)
    with pytest.raises(Exception, match=r"554.*5\.4\.6"):
        await house.submit(message=hops * 101 + rest)


# How many at once


async def most_sessions_at_once(house: House) -> int:
    """Deliver everything while the far side holds each session open until nobody else comes."""
    gate, dispatcher = house.mx.stalls("BANNER"), house.way_out.dispatcher
    running = asyncio.create_task(dispatcher.run())
    try:
        async with asyncio.timeout(60):
            # Until a look has nothing more to hand out, and whoever was given something has dialled.
            while (await dispatcher.look()).handed_out or not (  # noqa: ASYNC110 - there is no event for it
                0 < sum(lane._active for lane in dispatcher._fleet) == house.mx.open_sessions
            ):
                await asyncio.sleep(0)
        most = house.mx.open_sessions
        gate.set()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await house.run_until_idle()
    return most


async def test_a_destination_gets_few_connections_at_first(house: House) -> None:
    sent = [await house.submit(to=f"p{number}@{FAR}") for number in range(12)]
    assert await most_sessions_at_once(house) == 2
    assert {await each.state() for each in sent} == {State.DELIVERED}


async def test_a_destination_never_gets_more_than_it_may(make_house: MakeHouse) -> None:
    house = await make_house({"delivery.max_connections_per_destination": 1})
    sent = [await house.submit(to=f"p{number}@{FAR}") for number in range(5)]
    assert await most_sessions_at_once(house) == 1
    assert {await each.state() for each in sent} == {State.DELIVERED}
    assert house.mx.sessions == 1


async def test_all_destinations_together_keep_to_the_limit(make_house: MakeHouse) -> None:
    house = await make_house({"delivery.max_connections": 3})
    sent = []
    for number in range(6):
        live_site(house, f"d{number}.example")
        sent.append(await house.submit(to=f"ann@d{number}.example"))
    local = await house.submit(to=f"app@{OURS}")
    assert await most_sessions_at_once(house) == 3
    assert {await each.state() for each in (*sent, local)} == {State.DELIVERED}


async def test_a_smarthost_is_one_far_side_whatever_the_destination(make_house: MakeHouse, mx: FarMx) -> None:
    house = await make_house({"delivery.smarthost": f"127.0.0.1:{mx.port}"})
    sent = [await house.submit(to=f"ann@d{number}.example") for number in range(6)]
    local = await house.submit(to=f"app@{OURS}")
    assert await most_sessions_at_once(house) == 2
    assert {await each.state() for each in (*sent, local)} == {State.DELIVERED}
    assert len(house.mx.received) == 6


async def test_a_dead_smarthost_rests_for_all_destinations_and_not_for_the_house(
    make_house: MakeHouse, mx: FarMx
) -> None:
    house = await make_house({"delivery.smarthost": f"[{NOBODY}]:{mx.port}"})
    sent = [await house.submit(to=f"ann@d{number}.example") for number in range(8)]
    local = await house.submit(to=f"app@{OURS}")
    await house.run_until_idle()
    assert await local.state() is State.DELIVERED
    recipients = [await only(each) for each in sent]
    assert sum(recipient.attempts for recipient in recipients) <= 2
    now = to_us(house.clock.now())
    assert all(recipient.due_at and recipient.due_at > now for recipient in recipients)


# Crashes and stops


async def test_what_was_in_an_attempt_at_a_crash_is_tried_again_alone(house: House) -> None:
    sent = await house.submit(to=[f"p{number}@{FAR}" for number in range(3)])
    await house.crash()
    assert {recipient.unfinished for recipient in await sent.recipients()} == {1}
    fresh = await house.submit(to=[f"q{number}@{FAR}" for number in range(2)])
    await house.run_until_idle()
    assert {recipient.state for recipient in await sent.recipients()} == {State.DELIVERED}
    assert sorted(len(message.recipients) for message in house.mx.received) == [1, 1, 1, 2]
    assert {recipient.state for recipient in await fresh.recipients()} == {State.DELIVERED}
    ids = {
        message.content.partition(b"Message-ID: ")[2].partition(b"\r\n")[0] for message in house.mx.received
    }
    assert len(ids) == 2


async def test_after_three_crashes_it_waits_for_a_person(house: House) -> None:
    sent = await house.submit(to=ANN)
    for _ in range(3):
        assert await sent.state() is State.QUEUED
        await house.crash()
    recipient = await only(sent)
    assert (recipient.state, recipient.reason) == (State.HELD, "quarantine")
    (held,) = await sent.events("message.held")
    assert held.data["attempts_without_outcome"] == 3
    await house.run_until_idle()
    assert house.mx.received == []


async def test_an_outcome_between_crashes_clears_the_innocent(house: House) -> None:
    house.mx.answers(ANN, "450 4.2.0 not now")
    sent = await house.submit(to=ANN)
    for _ in range(4):
        await house.crash()
        await house.run_until_idle()
        recipient = await only(sent)
        assert (recipient.state, recipient.unfinished) == (State.DEFERRED, 0)
        house.clock.advance(hours=3)


async def test_leases_of_an_earlier_life_end_at_start(house: House) -> None:
    sent = await house.submit(to=ANN)

    async def claim(tx: Transaction) -> None:
        (site,) = (await claims.survey(tx)).sites
        await claims.claim_due(
            tx, site, limit=1, owner=house.station.node, now=site.due_at, until=site.due_at + 10**12
        )

    await house.station.db.transact(claim)
    await house.run_until_idle()
    assert await sent.state() is State.LEASED
    await house.way_out.dispatcher.start()
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_a_lease_under_which_nobody_works_runs_out(house: House) -> None:
    sent = await house.submit(to=ANN)

    async def claim(tx: Transaction) -> None:
        (site,) = (await claims.survey(tx)).sites
        until = site.due_at + 30 * 60 * 10**6
        await claims.claim_due(tx, site, limit=1, owner=house.station.node, now=site.due_at, until=until)

    await house.station.db.transact(claim)
    for _ in range(4):
        await house.way_out.sweeper.keep_leases()
        house.clock.advance(minutes=10)
    await house.way_out.sweeper.keep_leases()
    assert await sent.state() is State.QUEUED
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_a_lease_in_use_is_kept(house: House) -> None:
    gate = house.mx.stalls("DATA")
    sent = await house.submit(to=ANN)
    await house.way_out.dispatcher.look()
    async with asyncio.timeout(10):
        while not house.mx.says("DATA"):  # noqa: ASYNC110 - the fake has no event for it
            await asyncio.sleep(0)
    for _ in range(6):
        await house.way_out.sweeper.keep_leases()
        house.clock.advance(minutes=10)
    assert await sent.state() is State.LEASED
    gate.set()
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert len(house.mx.received) == 1


async def test_a_stop_hands_back_what_was_not_begun_and_breaks_off_the_rest(house: House) -> None:
    house.mx.stalls("BANNER")
    sent = [await house.submit(to=f"p{number}@{FAR}") for number in range(4)]
    await house.way_out.dispatcher.look()
    async with asyncio.timeout(10):
        while house.mx.open_sessions < 2:  # noqa: ASYNC110 - the fake has no event for it
            await asyncio.sleep(0)
    assert {await each.state() for each in sent} == {State.LEASED}

    await house.way_out.dispatcher.stop(timedelta(milliseconds=50))

    recipients = [await only(each) for each in sent]
    assert {recipient.state for recipient in recipients} == {State.QUEUED}
    # Not a crash: nobody becomes a suspect for it, however often we are restarted.
    assert {recipient.unfinished for recipient in recipients} == {0}
    assert sorted(recipient.attempts for recipient in recipients) == [0, 0, 1, 1]


async def test_a_stop_lets_a_transfer_finish(house: House) -> None:
    gate = house.mx.stalls(".")
    sent = await house.submit(to=ANN)
    await house.way_out.dispatcher.look()
    async with asyncio.timeout(10):
        await house.mx.messages_arrive()
    stopping = asyncio.create_task(house.way_out.dispatcher.stop(timedelta(seconds=20)))
    await asyncio.sleep(0)
    gate.set()
    await stopping
    assert await sent.state() is State.DELIVERED


# The store in trouble


async def test_an_outcome_is_kept_until_it_can_be_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.dispatch.carry.SETTLE_AGAIN_AFTER", 0)
    sent = await house.submit(to=ANN)
    refusals = iter([StoreUnavailable("full"), StoreUnavailable("full"), StoreUnavailable("full")])
    settle = Settler.settle

    async def stubborn(self: Settler, pairs: Any) -> None:
        if (refusal := next(refusals, None)) is not None:
            raise refusal
        await settle(self, pairs)

    monkeypatch.setattr(Settler, "settle", stubborn)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert len(house.mx.received) == 1
    assert next(refusals, None) is None


async def test_an_outcome_that_cannot_be_written_at_all_makes_a_suspect(
    house: House, monkeypatch: pytest.MonkeyPatch, faults_of_ours: list[str]
) -> None:
    faults_of_ours.append("could not be written down")
    sent = await house.submit(to=ANN)
    settle = Settler.settle
    faults = iter([RuntimeError("a bug")])

    async def faulty(self: Settler, pairs: Any) -> None:
        if (fault := next(faults, None)) is not None:
            raise fault
        await settle(self, pairs)

    monkeypatch.setattr(Settler, "settle", faulty)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    (again,) = await sent.events("message.deferred")
    assert again.data["reason"] == "attempt_without_outcome"
    assert len(house.mx.received) == 2


async def test_postmaster_without_a_domain_is_read_in_the_house(house: House) -> None:
    sent = await house.submit(to="postmaster")
    other = await house.submit(to=ANN)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert await other.state() is State.DELIVERED
    assert len(await house.received_by(f"app@{OURS}")) == 1
