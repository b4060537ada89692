"""What is sent to a signed reply address is for the mailbox whose message it answers."""

import asyncio
import smtplib

import pytest

from relay.address import Address, parse_address
from relay.tenants import reply_address
from tests.flows.house import OURS, House

LONG = "the-whole-sales-department"


def answer(house: House, address: Address) -> None:
    with smtplib.SMTP("127.0.0.1", house.inbound.port, local_hostname="mx.far.example") as client:
        client.sendmail(
            "ann@far.example", [str(address)], b"From: ann@far.example\r\nSubject: yes\r\n\r\nYes.\r\n"
        )


async def test_an_address_without_its_mailbox_leads_there(house: House) -> None:
    await house.mailbox(f"{LONG}@{OURS}")
    await house.mailbox(f"r@{OURS}")
    sent = await house.submit(sender=f"{LONG}@{OURS}")
    made = reply_address.encode(sent.id, house.station.bounce_secret, parse_address(f"{LONG}@{OURS}"))
    assert reply_address.is_without_mailbox(made)

    await asyncio.to_thread(answer, house, made)

    (received,) = await house.received_by(f"{LONG}@{OURS}")
    assert received.subject == "yes"
    assert not await house.received_by(f"r@{OURS}")


async def test_a_forged_one_is_nobody(house: House) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await asyncio.to_thread(answer, house, Address("r+" + "0" * 44, OURS))
