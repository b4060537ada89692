"""What comes back to a signed bounce address is for the mailbox that sent the message."""

import asyncio
import smtplib

import pytest

from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, House

SENDING = "sender.test"


def report_to(house: House, path: str) -> None:
    with smtplib.SMTP("127.0.0.1", house.inbound.port, local_hostname="mx.far.example") as client:
        client.sendmail("", [path], b"From: MAILER-DAEMON@far.example\r\nSubject: failed\r\n\r\nSorry.\r\n")


@pytest.fixture
async def sending_house(make_house: MakeHouse) -> House:
    house = await make_house()
    await house.domain(SENDING, bounces=True)
    await house.mailbox(f"app@{SENDING}")
    return house


async def test_a_late_bounce_reaches_the_sender(sending_house: House) -> None:
    await sending_house.submit(to=f"ann@{FAR}", sender=f"app@{SENDING}")
    await sending_house.run_until_idle()
    path = sending_house.mx.received[0].reverse_path
    assert path.endswith(f"@bounces.{SENDING}")

    await asyncio.to_thread(report_to, sending_house, path)

    (report,) = await sending_house.received_by(f"app@{SENDING}")
    assert report.subject == "failed"


async def test_nobody_takes_it_away_by_a_mailbox_at_our_host(sending_house: House) -> None:
    await sending_house.domain(f"bounces.{SENDING}")
    await sending_house.mailbox(f"b@bounces.{SENDING}")
    await sending_house.submit(to=f"ann@{FAR}", sender=f"app@{SENDING}")
    await sending_house.run_until_idle()

    await asyncio.to_thread(report_to, sending_house, sending_house.mx.received[0].reverse_path)

    assert [each.subject for each in await sending_house.received_by(f"app@{SENDING}")] == ["failed"]
    assert not await sending_house.received_by(f"b@bounces.{SENDING}")


async def test_a_signed_address_is_ours_only_at_our_host(sending_house: House) -> None:
    await sending_house.submit(to=f"ann@{FAR}", sender=f"app@{SENDING}")
    await sending_house.run_until_idle()
    signed = sending_house.mx.received[0].reverse_path.partition("@")[0]
    for host in ("evil.example", "bounces.evil.example", SENDING, f"x.bounces.{SENDING}"):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await asyncio.to_thread(report_to, sending_house, f"{signed}@{host}")


async def test_a_forged_bounce_address_is_nobody(sending_house: House) -> None:
    await sending_house.submit(to=f"ann@{FAR}", sender=f"app@{SENDING}")
    await sending_house.run_until_idle()
    path = sending_house.mx.received[0].reverse_path
    last = path[path.index("@") - 1]
    forged = path.replace(f"{last}@", "a@" if last != "a" else "c@")

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await asyncio.to_thread(report_to, sending_house, forged)
