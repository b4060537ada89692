"""A mailbox writes to nobody whom its lists keep out, and hears so before it has sent the text."""

import smtplib
from typing import Any

import pytest

from relay.lists import RecipientNotAllowed, records
from relay.queue.state import State
from relay.tenants.tenants import DEFAULT_TENANT
from tests.flows.house import FAR, OURS, House, letter

ANN, BOB = f"ann@{FAR}", f"bob@{FAR}"


async def lists(house: House, type_: Any, entry: str, mailbox_id: str | None = None) -> None:
    await house.station.lists.change(
        lambda tx: records.add(
            tx,
            house.clock,
            tenant_id=DEFAULT_TENANT,
            direction="send",
            type=type_,
            entry=entry,
            mailbox_id=mailbox_id,
        )
    )


async def test_a_blocked_recipient_is_refused_at_rcpt(house: House) -> None:
    await lists(house, "block", ANN)
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        await house.submit(to=[BOB, ANN.upper()])
    ((address, (code, text)),) = refused.value.recipients.items()
    assert (address, code, text[:5]) == (ANN.upper(), 550, b"5.7.1")
    sent = await house.submit(to=BOB)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_only_the_listed_are_written_to_where_any_is(house: House) -> None:
    await lists(house, "allow", FAR)
    sent = await house.submit(to=f"cy@mail.{FAR}")
    assert sent.id.startswith("msg_")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await house.submit(to="dan@elsewhere.example")


async def test_every_door_asks_the_lists_and_keeps_nothing_of_what_they_refuse(house: House) -> None:
    await lists(house, "block", ANN)
    draft = await house.draft([BOB, ANN], letter(f"app@{OURS}", BOB))
    with pytest.raises(RecipientNotAllowed):
        await house.way_out.acceptor.accept(draft)
    assert await house.count("messages") == 0
    assert await house.used_today() == 0


async def test_our_own_reports_are_not_held_back(house: House) -> None:
    """Who blocks a whole domain still learns what became of earlier mail to it."""
    house.mx.answers(ANN, "550 5.1.1 no such user")
    await house.submit(to=ANN)
    await lists(house, "block", OURS)
    await lists(house, "block", FAR)
    await house.run_until_idle()
    assert len(await house.notices()) == 1
