"""Mail that waits for its time gets its Date, its suppression check and its signature when it travels."""

import re
import smtplib
from datetime import timedelta

import pytest

from relay.message.headers import Header
from relay.policy import caps
from relay.queue import moves
from relay.queue.moves import Selection
from relay.queue.state import Happening, State
from relay.store.database import Transaction
from relay.submission.held import let_go
from tests.flows.house import FAR, OURS, House, Sent

ME = f"app@{OURS}"
AT = "2026-03-02T12:30:00Z"


def waiting(at: str = AT) -> bytes:
    return f"X-Posthouse-Send-At: {at}\r\nFrom: {ME}\r\nSubject: later\r\n\r\ntext\r\n".encode()


async def test_it_waits_and_is_released_in_time(house: House) -> None:
    sent = await house.submit(message=waiting())
    assert await sent.state() is State.SCHEDULED
    await house.run_until_idle()
    assert house.mx.received == []

    found = await house.way_out.dispatcher.look()
    assert found.next_due == 1772454600 * 10**6
    house.clock.advance(hours=3, minutes=30)
    await house.run_until_idle()

    assert await sent.state() is State.DELIVERED
    kinds = [event.kind for event in await sent.events()]
    assert kinds == [
        "message.accepted",
        "message.scheduled",
        "message.released",
        "message.sent",
        "message.delivered",
    ]


async def test_date_and_signature_are_those_of_the_release(house: House) -> None:
    await house.submit(message=waiting())
    house.clock.advance(hours=4)
    await house.run_until_idle()
    (arrived,) = house.mx.received
    header = Header.parse(arrived.content.partition(b"\r\n\r\n")[0] + b"\r\n")
    assert header.all("date") == ["Mon, 02 Mar 2026 13:00:00 +0000"]
    for signature in header.all("dkim-signature"):
        assert re.search(r"t=(\d+);", signature)[1] == "1772456400"  # type: ignore[index]


async def test_its_life_is_counted_from_the_release(house: House) -> None:
    sent = await house.submit(message=waiting("2026-03-12T09:00:00Z"))
    house.mx.answers("RCPT", "450 4.2.0 not now")
    house.clock.advance(days=10)
    await house.run_until_idle()
    (recipient,) = await sent.recipients()
    assert recipient.state is State.DEFERRED
    house.clock.advance(days=5, minutes=1)
    await house.run_until_idle()
    assert await sent.state() is State.EXPIRED


async def test_who_is_suppressed_meanwhile_is_not_written_to_and_costs_nothing(house: House) -> None:
    sent = await house.submit(to=[f"ann@{FAR}", f"bob@{FAR}"], message=waiting())
    assert await house.used_today() == 2
    await house.suppress(f"bob@{FAR}")
    house.clock.advance(hours=4)
    await house.run_until_idle()
    assert [recipient.state for recipient in await sent.recipients()] == [State.DELIVERED, State.SUPPRESSED]
    assert [message.recipients for message in house.mx.received] == [[f"ann@{FAR}"]]
    assert len(await sent.events("message.suppressed")) == 1
    assert await house.used_today() == 1


async def cancel(house: House, sent: Sent) -> None:
    async def work(tx: Transaction) -> None:
        for recipient in await moves.select_for(tx, Selection(message_id=sent.id), Happening.TAKEN_BACK):
            await moves.move(tx, house.clock, recipient, Happening.TAKEN_BACK)
            assert recipient.mailbox_id
            assert recipient.release_day
            await caps.give_back(tx, recipient.mailbox_id, recipient.release_day, 1)

    await house.station.db.transact(work)


async def test_what_is_cancelled_does_not_go_and_gives_its_allowance_back(house: House) -> None:
    sent = await house.submit(to=[f"ann@{FAR}", f"bob@{FAR}"], message=waiting())
    await cancel(house, sent)
    house.clock.advance(hours=4)
    await house.run_until_idle()
    assert {recipient.state for recipient in await sent.recipients()} == {State.CANCELED}
    assert house.mx.received == []
    assert await house.used_today() == 0
    assert len(await sent.events("message.canceled")) == 2


async def test_what_is_held_and_let_go_before_its_time_still_waits_for_it(house: House) -> None:
    """A queued recipient that is due in days would be taken for one whose clock was wrong."""
    sent = await house.submit(message=waiting("2026-03-12T09:00:00Z"))

    async def hold_and_let_go(tx: Transaction) -> None:
        (recipient,) = await sent.recipients_in(tx)
        await moves.move(tx, house.clock, recipient, Happening.HELD_BACK, reason="operator")
        await let_go(tx, house.clock, house.station.config, await sent.recipients_in(tx), {"by": "operator"})

    await house.station.db.transact(hold_and_let_go)
    await house.way_out.sweeper.keep_leases()
    await house.run_until_idle()
    assert await sent.state() is State.SCHEDULED
    assert house.mx.received == []

    house.clock.advance(days=11)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_a_time_that_has_passed_means_now(house: House) -> None:
    sent = await house.submit(message=waiting("2026-03-02T08:59:00Z"))
    assert await sent.state() is State.QUEUED


@pytest.mark.parametrize("at", ["tomorrow", "2026-03-02T12:30:00", "2026-07-02T12:30:00Z", "", "2026-13-01"])
async def test_a_time_that_cannot_be_meant_is_refused(house: House, at: str) -> None:
    with pytest.raises(smtplib.SMTPDataError, match=r"554.*5\.6\.0"):
        await house.submit(message=waiting(at))
    assert await house.count("messages") == 0


async def test_many_that_are_due_at_once_are_all_released(house: House) -> None:
    people = [f"p{number}@{FAR}" for number in range(70)]
    for start in range(0, 70, 10):
        await house.submit(to=people[start : start + 10], message=waiting())
    house.clock.advance(timedelta(hours=4))
    await house.run_until_idle()
    assert sorted(name for message in house.mx.received for name in message.recipients) == sorted(people)
