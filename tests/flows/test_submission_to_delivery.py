"""An application submits; the far server receives the same bytes, signed."""

import dkim
import pytest

from relay.queue.state import State
from tests.flows.house import FAR, OURS, House, letter

pytestmark = pytest.mark.both_engines


async def test_a_submitted_message_arrives_signed_and_otherwise_unchanged(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dkim.time.time", lambda: house.clock.now().timestamp())
    written = letter(f"app@{OURS}", f"ann@{FAR}", body="Hello.\r\n\r\n.dots\r\n")

    sent = await house.submit(message=written)
    await house.run_until_idle()

    assert await sent.state() is State.DELIVERED
    (arrived,) = house.mx.received
    assert arrived.recipients == [f"ann@{FAR}"]
    assert arrived.reverse_path == f"app@{OURS}"
    assert arrived.content.endswith(written)
    assert arrived.content.count(b"DKIM-Signature:") == 2
    keys = {key.dns_name: key.dns_record for key in house.station.keys.active(OURS)}
    judge = dkim.DKIM(arrived.content)
    for index in range(2):
        assert judge.verify(
            idx=index, dnsfunc=lambda name, timeout=5: keys[name.decode().rstrip(".")].encode()
        )


async def test_what_happened_is_told_in_order(house: House) -> None:
    sent = await house.submit()
    await house.run_until_idle()

    kinds = [event.kind for event in await sent.events()]
    assert kinds == ["message.accepted", "message.sent", "message.delivered"]


async def test_mail_within_the_house_takes_the_inbound_path(house: House) -> None:
    await house.mailbox(f"ann@{OURS}")

    sent = await house.submit(to=f"ann@{OURS}")
    await house.run_until_idle()

    assert await sent.state() is State.DELIVERED
    assert house.mx.received == []
    (message,) = await house.received_by(f"ann@{OURS}")
    assert message.subject == "Invoice 7"


async def test_where_the_dns_was_not_asked_mailboxes_are_here_and_others_are_not(house: House) -> None:
    await house.domain("both.test", receives=False)
    await house.mailbox("ann@both.test")
    house.dns.mx("both.test", (10, f"mx.{FAR}"))

    sent = await house.submit(to=["ann@both.test", "bob@both.test"])
    await house.run_until_idle()

    assert [recipient.state for recipient in await sent.recipients()] == [State.DELIVERED] * 2
    assert len(await house.received_by("ann@both.test")) == 1
    (arrived,) = house.mx.received
    assert arrived.recipients == ["bob@both.test"]
