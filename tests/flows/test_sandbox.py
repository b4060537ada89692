"""Test mail takes the relay's own ways to a far side of ours; what comes back is read like all reports."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.clock import to_us
from relay.events import listing, log
from relay.events.listing import Filter
from relay.events.log import Event
from relay.queue.state import State
from relay.sandbox import caught
from relay.submission.control_fields import Wishes
from relay.suppressions import records as suppressions
from relay.tenants.tenants import DEFAULT_TENANT
from tests.fakes.far_mx import FarMx
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House, Sent, letter

SIMULATED = "simulator.test"
NOBODY = "::1"  # nothing listens there on the port of the fake


async def tries(house: House, *to: str, **wishes: Any) -> Sent:
    """Test mail, as a door with a test key hands it in, carried as far as it goes now."""
    draft = await house.draft(to, letter(f"app@{OURS}", to[0]))
    draft = replace(draft, is_test=True, wishes=Wishes(**wishes))
    accepted = await house.way_out.acceptor.accept(draft)
    await house.run_until_idle()
    return Sent(house, accepted.message_id)


async def kinds(sent: Sent) -> list[str]:
    return [str(event.kind).removeprefix("message.") for event in await sent.events()]


@pytest.fixture
async def house(make_house: MakeHouse) -> AsyncIterator[House]:
    """Whatever a test tries: no far server hears of it, no allowance is used, nobody is suppressed."""
    house = await make_house()
    yield house
    assert house.mx.sessions == 0
    assert await house.used_today() == 0
    assert await suppressions.page(house.station.db, DEFAULT_TENANT) == []


async def test_test_mail_is_caught_signed_as_a_far_server_would_have_it(house: House) -> None:
    sent = await tries(house, f"ann@{FAR}", f"delivered+7@{SIMULATED}", f"app@{OURS}")
    assert {row.state for row in await sent.recipients()} == {State.DELIVERED}
    assert {(row.last_mx, row.last_reply) for row in await sent.recipients()} == {
        ("sandbox", "250 2.0.0 taken for trial, sent to nobody")
    }
    (taken,) = await caught.page(house.station.db, DEFAULT_TENANT)
    assert taken.message_id == sent.id
    assert taken.recipients == (f"ann@{FAR}", f"delivered+7@{SIMULATED}", f"app@{OURS}")
    assert taken.header.startswith(b"DKIM-Signature:")
    assert taken.reverse_path.endswith(f"@bounces.{OURS}")
    assert await house.received_by(f"app@{OURS}") == []


async def test_a_bounce_is_a_refusal_for_good_in_the_session(house: House) -> None:
    sent = await tries(house, f"bounce+order-7@{SIMULATED}")
    (event,) = await sent.events("message.bounced")
    assert await kinds(sent) == ["accepted", "sent", "bounced"]
    assert event.data["reply"] == "550 5.1.1 No such mailbox here"
    assert (event.data["reason"], event.data["mx"]) == ("no_such_mailbox", "sandbox")
    # A notice would be live mail.
    assert await house.notices() == []


async def test_a_late_bounce_is_a_notice_that_the_inbound_path_reads(house: House) -> None:
    sent = await tries(house, f"late-bounce@{SIMULATED}")
    assert await kinds(sent) == ["accepted", "sent", "delivered", "bounced"]
    (event,) = await sent.events("message.bounced")
    assert (event.data["source"], event.data["status"]) == ("dsn", "5.1.1")
    assert await sent.state() is State.BOUNCED
    (notice,) = await house.received_by(f"app@{OURS}")
    assert notice.is_test


async def test_a_complaint_is_a_report_that_the_inbound_path_reads(house: House) -> None:
    sent = await tries(house, f"complain@{SIMULATED}")
    assert await kinds(sent) == ["accepted", "sent", "delivered", "complained"]
    (event,) = await sent.events("message.complained")
    assert (event.data["source"], event.data["feedback_type"]) == ("arf", "abuse")
    assert event.data["recipient"] == f"complain@{SIMULATED}"


@pytest.mark.parametrize(("name", "put_off"), [("greylist", 1), ("delay", 2)])
async def test_who_is_put_off_is_tried_again_on_the_schedule_and_delivered(
    name: str, put_off: int, house: House
) -> None:
    sent = await tries(house, f"{name}@{SIMULATED}")
    for wait in house.station.config.delivery.retry_schedule[:put_off]:
        assert await sent.state() is State.DEFERRED
        house.clock.advance(wait * 1.2)
        await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert await kinds(sent) == ["accepted", *["sent", "deferred"] * put_off, "sent", "delivered"]


async def test_a_full_mailbox_is_put_off_then_refused(house: House) -> None:
    sent = await tries(house, f"full@{SIMULATED}")
    for wait in house.station.config.delivery.retry_schedule[:2]:
        house.clock.advance(wait * 1.2)
        await house.run_until_idle()
    put_off = await sent.events("message.deferred")
    assert [event.data["reply"][:9] for event in put_off] == ["452 4.2.2", "552 5.2.2"]
    (event,) = await sent.events("message.bounced")
    assert event.data["reply"].startswith("554 5.2.2")
    assert event.data["reason"] == "mailbox_full"


async def test_who_is_suppressed_in_trials_is_not_written_to(house: House) -> None:
    sent = await tries(house, f"suppressed@{SIMULATED}", f"ann@{FAR}")
    states = {str(row.address): row.state for row in await sent.recipients()}
    assert states == {f"suppressed@{SIMULATED}": State.SUPPRESSED, f"ann@{FAR}": State.DELIVERED}


async def test_every_event_of_a_trial_bears_its_mark_and_no_live_one_does(house: House) -> None:
    """Those of scheduling and of the reports that come back, too; figures are without them."""
    for name in ("bounce", "late-bounce", "complain", "greylist", "suppressed"):
        await tries(house, f"{name}@{SIMULATED}")
    await tries(house, f"ann@{FAR}", send_at=house.clock.now() + timedelta(hours=1))
    house.clock.advance(timedelta(hours=2))
    await house.run_until_idle()
    told: list[Event] = await log.after(house.station.db, 0, 10_000)
    about_mail = [event for event in told if event.kind.startswith("message.")]
    assert {str(event.kind) for event in about_mail} >= {
        *("message.accepted", "message.scheduled", "message.released", "message.sent", "message.delivered"),
        *("message.deferred", "message.bounced", "message.complained", "message.suppressed"),
        "message.received",
    }
    assert all(event.is_test for event in about_mail)
    assert not any(event.is_test for event in told if event not in about_mail)
    counted = await listing.counts(house.station.db, 0)
    assert not any(kind.startswith("message.") for kind in counted)
    live = await listing.latest(house.station.db, Filter(is_test=False), 10_000)
    assert live == [event for event in told if event not in about_mail]


async def test_a_trial_on_the_way_of_live_mail_goes_nowhere(house: House, faults_of_ours: list[str]) -> None:
    """Whatever put it there: nothing is dialled."""
    faults_of_ours.append("failed on our side")
    sent = await tries(house, f"greylist@{SIMULATED}")
    await house.station.db.transact(
        lambda tx: tx.execute("update recipients set destination = $1 where message_id = $2", FAR, sent.id)
    )
    house.clock.advance(timedelta(minutes=10))
    await house.run_until_idle()
    assert await sent.state() is State.DEFERRED
    (recipient,) = await sent.recipients()
    assert recipient.last_reply == "451 4.3.0 Temporary failure on our side"


async def test_what_was_caught_is_forgotten_after_thirty_days(house: House) -> None:
    await tries(house, f"ann@{FAR}")
    db = house.station.db
    house.clock.advance(timedelta(days=30))
    await caught.clear_old(db, house.clock)
    assert len(await caught.page(db, DEFAULT_TENANT)) == 1
    house.clock.advance(timedelta(seconds=1))
    await caught.clear_old(db, house.clock)
    assert await caught.page(db, DEFAULT_TENANT) == []


async def test_a_reporter_that_dies_before_its_cursor_tells_nothing_twice(house: House) -> None:
    sent = await tries(house, f"complain@{SIMULATED}", f"late-bounce@{SIMULATED}")
    before = await kinds(sent)
    house.way_out.reporter._read = 0
    await house.run_until_idle()
    assert await kinds(sent) == before


async def test_a_smarthost_is_given_no_trial_and_the_simulator_no_live_mail(
    make_house: MakeHouse, mx: FarMx
) -> None:
    """Both at once, with the connections that are kept from one message to the next."""
    smarthost = f"127.0.0.1:{mx.port}?tls=none"
    house = await make_house({"delivery.smarthost": smarthost, "delivery.max_connections_per_destination": 1})
    for _ in range(3):
        live = await house.submit(to=f"live@{FAR}")
        await tries(house, f"trial@{FAR}")
        assert await live.state() is State.DELIVERED
    assert [message.recipients for message in mx.received] == [[f"live@{FAR}"]] * 3
    caught_ones = await caught.page(house.station.db, DEFAULT_TENANT)
    assert [each.recipients for each in caught_ones] == [(f"trial@{FAR}",)] * 3


async def test_a_dead_smarthost_holds_up_no_trial(make_house: MakeHouse, mx: FarMx) -> None:
    house = await make_house({"delivery.smarthost": f"[{NOBODY}]:{mx.port}"})
    live = await house.submit(to=f"live@{FAR}")
    await house.run_until_idle()
    assert await live.state() is State.DEFERRED
    sent = await tries(house, f"trial@{FAR}")
    assert await sent.state() is State.DELIVERED
    put_off = await tries(house, f"greylist@{SIMULATED}")
    (recipient,) = await put_off.recipients()
    wait = house.station.config.delivery.retry_schedule[0]
    assert recipient.due_at is not None
    assert recipient.due_at <= to_us(house.clock.now() + wait * 1.2)
