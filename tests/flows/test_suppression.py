"""Only "no such mailbox" suppresses an address; who is suppressed is not written to, and the others are."""

import smtplib

import pytest

from relay.address import parse_address
from relay.queue.state import State
from relay.store.database import Transaction
from relay.suppressions import records as suppressions
from relay.tenants.tenants import DEFAULT_TENANT
from tests.flows.house import FAR, OURS, House, letter

ANN, BOB = f"ann@{FAR}", f"bob@{FAR}"


async def is_suppressed(house: House, address: str) -> bool:
    found = await suppressions.find(house.station.db, DEFAULT_TENANT, parse_address(address))
    return found is not None


@pytest.mark.parametrize(
    ("answer", "suppresses"),
    [
        ("550 5.1.1 no such user", True),
        ("550 No such user here", True),
        ("554 5.7.1 your address is on a block list", False),
        ("550 5.7.1 policy", False),
        ("552 5.2.2 mailbox full", False),
        ("550 5.2.1 mailbox disabled", False),
        ("550 5.1.1 blocked by spamhaus", False),
        ("550 no", False),
        ("450 4.1.1 user unknown", False),
    ],
)
async def test_only_no_such_mailbox_suppresses(house: House, answer: str, suppresses: bool) -> None:
    house.mx.answers(ANN, answer)
    sent = await house.submit(to=ANN)
    await house.run_until_idle()
    assert await is_suppressed(house, ANN) is suppresses
    again = await house.submit(to=ANN)
    assert (await again.state() is State.SUPPRESSED) is suppresses
    assert sent.id != again.id


async def test_a_missing_mailbox_of_our_own_may_be_made_tomorrow(house: House) -> None:
    sent = await house.submit(to=f"new@{OURS}")
    await house.run_until_idle()
    assert await sent.state() is State.BOUNCED
    await house.mailbox(f"new@{OURS}")
    sent = await house.submit(to=f"new@{OURS}")
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_mail_to_a_suppressed_recipient_ends_there_and_the_sender_hears(house: House) -> None:
    await house.suppress(ANN, "complaint")
    sent = await house.submit(to=[ANN, BOB])
    await house.run_until_idle()

    assert [recipient.state for recipient in await sent.recipients()] == [State.SUPPRESSED, State.DELIVERED]
    assert (await sent.recipients())[0].reason == "complaint"
    (event,) = await sent.events("message.suppressed")
    assert event.data == {"recipient": ANN, "reason": "complaint"}
    assert house.mx.says("RCPT") == [f"RCPT TO:<{BOB}>"]
    (notice,) = await house.notices()
    assert [(each["Final-Recipient"], each["Status"]) for each in notice.recipients] == [
        (f"rfc822; {ANN}", "5.7.1")
    ]


async def test_case_does_not_get_around_it(house: House) -> None:
    await house.suppress(ANN)
    sent = await house.submit(to=f"ANN@{FAR.upper()}")
    assert await sent.state() is State.SUPPRESSED


async def test_nothing_scheduled_is_told_of_mail_for_nobody(house: House) -> None:
    await house.suppress(ANN)
    written = b"X-Posthouse-Send-At: 2026-03-02T12:00:00Z\r\nFrom: app@ours.test\r\n\r\ntext\r\n"
    sent = await house.submit(to=ANN, message=written)
    kinds = [event.kind for event in await sent.events()]
    assert kinds == ["message.accepted", "message.suppressed"]


async def test_a_stream_is_named_over_smtp_too_and_left_alone_by_others(house: House) -> None:
    async def leave(tx: Transaction) -> None:
        await suppressions.add(
            tx,
            house.clock,
            tenant_id=DEFAULT_TENANT,
            address=parse_address(f"ann@{FAR}"),
            reason="unsubscribe",
            stream="news",
        )

    await house.station.db.transact(leave)
    news = b"X-Posthouse-Stream: news\r\n" + letter(f"app@{OURS}", f"ann@{FAR}")
    left = await house.submit(message=news)
    other = await house.submit(message=letter(f"app@{OURS}", f"ann@{FAR}", subject="Invoice"))
    await house.run_until_idle()
    assert (await left.state(), await other.state()) == (State.SUPPRESSED, State.DELIVERED)
    assert (await left.stored()).stream == "news"
    assert b"X-Posthouse" not in house.mx.received[-1].content
    with pytest.raises(smtplib.SMTPDataError):
        await house.submit(message=b"X-Posthouse-Stream: " + b"x" * 65 + b"\r\n" + news)
