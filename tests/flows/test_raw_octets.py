"""Headers of programs that know no UTF-8: their octets are nobody's fault, and arrive as they are."""

from relay.queue.state import State
from tests.flows.house import FAR, OURS, House
from tests.relay.smtp_server.client import Client

LATIN_1 = (
    b"From: Jos\xe9 <app@ours.test>\r\nTo: ann@far.example\r\nSubject: \xe9t\xe9\r\n"
    b"Message-ID: <\xff@app.test>\r\nDate: Mon, 02 Mar 2026 09:00:00 +0000\r\n\r\n\xe9\r\n"
)


async def test_a_header_in_latin_1_is_delivered_as_it_is(house: House) -> None:
    sent = await house.submit(message=LATIN_1, mail_options=["BODY=8BITMIME"])
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert house.mx.received[0].content.endswith(LATIN_1)
    assert (await sent.stored()).message_id == "<?@app.test>"


async def test_it_is_known_again_when_its_250_was_lost(house: House) -> None:
    first = await house.submit(message=LATIN_1, mail_options=["BODY=8BITMIME"])
    again = await house.submit(message=LATIN_1, mail_options=["BODY=8BITMIME"])
    assert again.id == first.id


async def test_within_the_house_it_is_received(house: House) -> None:
    await house.mailbox(f"bob@{OURS}")
    sent = await house.submit(to=f"bob@{OURS}", message=LATIN_1, mail_options=["BODY=8BITMIME"])
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    (received,) = await house.received_by(f"bob@{OURS}")
    assert (await house.raw(received)).endswith(LATIN_1)


async def test_from_the_world_it_is_received(house: House) -> None:
    async with await Client.open(house.inbound.port) as client:
        await client.say("EHLO mx.far.example")
        await client.say(f"MAIL FROM:<ann@{FAR}>")
        await client.say(f"RCPT TO:<app@{OURS}>")
        assert (await client.data(LATIN_1 + b".\r\n")).startswith("250 2.0.0 ")
    (received,) = await house.received_by(f"app@{OURS}")
    assert (await house.raw(received)).endswith(LATIN_1)
    assert received.header_from == "Jos? <app@ours.test>"
