"""The same submission twice is one message: after a lost 250, and under a key of the client's."""

import asyncio
import smtplib

import pytest

from relay.queue.state import State
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House, letter
from tests.flows.test_caps import log_in
from tests.relay.smtp_server.client import Client

ME = f"app@{OURS}"


def keyed(key: str, *, subject: str = "one", body: str = "text\r\n", number: int = 1) -> bytes:
    return (
        f"From: {ME}\r\nSubject: {subject}\r\nMessage-ID: <{number}@app.test>\r\n"
        f"X-Posthouse-Idempotency-Key: {key}\r\n\r\n{body}"
    ).encode()


async def copies(house: House) -> int:
    await house.run_until_idle()
    return len(house.mx.received)


async def test_a_client_that_lost_our_250_gets_the_same_answer_and_no_second_copy(house: House) -> None:
    written = letter(ME, f"ann@{FAR}")
    first = await house.submit(message=written)
    house.clock.advance(minutes=9, seconds=59)
    second = await house.submit(message=written)

    assert second.id == first.id
    assert await house.used_today() == 1
    assert await copies(house) == 1
    assert [event.kind for event in await first.events("message.accepted")] == ["message.accepted"]


async def test_after_ten_minutes_it_is_meant_again(house: House) -> None:
    written = letter(ME, f"ann@{FAR}")
    first = await house.submit(message=written)
    house.clock.advance(minutes=10)
    second = await house.submit(message=written)
    assert second.id != first.id
    assert await copies(house) == 2


async def test_another_envelope_body_or_sender_is_another_message(house: House) -> None:
    await house.mailbox(f"shop@{OURS}", senders=[f"*@{OURS}"])
    written = letter(ME, f"ann@{FAR}")
    sent = [
        await house.submit(message=written),
        await house.submit(message=written, to=[f"ann@{FAR}", f"bob@{FAR}"]),
        await house.submit(message=written, to=f"bob@{FAR}"),
        await house.submit(message=written + b"PS\r\n"),
        await house.submit(message=written, reverse_path=""),
        await house.submit(message=written, login=f"shop@{OURS}"),
    ]
    assert len({each.id for each in sent}) == len(sent)


@pytest.mark.parametrize(
    "field", [b"", b"Message-ID:\r\n", b"Message-ID:  \r\n"], ids=["none", "empty", "blank"]
)
async def test_without_a_message_id_two_alike_are_two(house: House, field: bytes) -> None:
    written = f"From: {ME}\r\n".encode() + field + b"\r\nReading: 21.5\r\n"
    first = await house.submit(message=written)
    second = await house.submit(message=written)
    assert second.id != first.id
    assert await copies(house) == 2


async def test_a_large_repeat_leaves_no_file_behind(house: House) -> None:
    written = letter(ME, f"ann@{FAR}", body="x" * 70 + "\r\n") + b"y" * 300_000 + b"\r\n"
    await house.submit(message=written)
    await house.submit(message=written)
    assert len(await house.bodies()) == 1
    assert house.leftovers() == []


async def test_repeats_at_the_same_time_are_one(house: House) -> None:
    written = letter(ME, f"ann@{FAR}")
    sent = await asyncio.gather(*(house.submit(message=written) for _ in range(8)))
    assert len({each.id for each in sent}) == 1
    assert await house.count("messages") == 1
    assert await house.used_today() == 1


async def test_the_same_key_is_the_same_message_for_a_day(house: House) -> None:
    first = await house.submit(message=keyed("order-7"))
    house.clock.advance(hours=23, minutes=59)
    again = await house.submit(message=keyed("order-7", number=2))
    assert again.id == first.id
    house.clock.advance(minutes=1)
    assert (await house.submit(message=keyed("order-7", number=3))).id != first.id


@pytest.mark.parametrize(
    "changed",
    [
        {"message": keyed("order-7", body="other\r\n", number=2)},
        {"message": keyed("order-7", subject="other", number=2)},
        {"message": keyed("order-7", number=2), "to": f"bob@{FAR}"},
    ],
    ids=["body", "subject", "recipient"],
)
async def test_the_same_key_for_something_else_is_refused(house: House, changed: dict[str, object]) -> None:
    await house.submit(message=keyed("order-7"))
    with pytest.raises(smtplib.SMTPDataError, match=r"554"):
        await house.submit(**changed)  # type: ignore[arg-type]
    assert await house.count("messages") == 1
    assert await house.used_today() == 1


async def test_keys_of_two_mailboxes_have_nothing_to_do_with_each_other(house: House) -> None:
    shop = f"shop@{OURS}"
    await house.mailbox(shop)
    first = await house.submit(message=keyed("1"))
    second = await house.submit(sender=shop, message=keyed("1").replace(ME.encode(), shop.encode()))
    assert first.id != second.id


async def test_a_key_given_only_on_the_second_try_names_the_message_that_there_is(house: House) -> None:
    plain = keyed("order-7").replace(b"X-Posthouse-Idempotency-Key: order-7\r\n", b"")
    first = await house.submit(message=plain)
    assert (await house.submit(message=keyed("order-7"))).id == first.id
    house.clock.advance(hours=1)
    assert (await house.submit(message=keyed("order-7"))).id == first.id


async def test_a_refused_submission_uses_up_no_key(house: House) -> None:
    small = f"small@{OURS}"
    await house.mailbox(small, daily_cap=1)
    written = keyed("order-7").replace(ME.encode(), small.encode())
    first = await house.submit(sender=small)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await house.submit(f"bob@{FAR}", sender=small, message=written)
    with pytest.raises(smtplib.SMTPDataError, match=r"451.*4\.7\.1"):
        await house.submit(sender=small, message=written)
    house.clock.advance(days=1)
    assert (await house.submit(sender=small, message=written)).id != first.id


async def test_a_lost_250_for_the_last_of_the_allowance_is_given_again(house: House) -> None:
    small, two = f"small@{OURS}", [f"ann@{FAR}", f"bob@{FAR}"]
    await house.mailbox(small, daily_cap=2)
    written = letter(small, two[0])
    first = await house.submit(two, sender=small, message=written)
    house.clock.advance(minutes=9, seconds=59)
    again = await house.submit(two, sender=small, message=written)

    assert again.id == first.id
    assert await house.used_today(small) == 2
    assert await house.count("messages") == 1
    house.clock.advance(seconds=1)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await house.submit(two, sender=small, message=written)
    assert await copies(house) == 1


async def test_a_trusted_network_is_given_its_lost_250_again_too(make_house: MakeHouse) -> None:
    house = await make_house({"submission.trusted_networks": ["127.0.0.0/8"]})
    small = f"small@{OURS}"
    await house.mailbox(small, daily_cap=1)
    written = letter(small, f"ann@{FAR}")
    first = await house.submit(sender=small, message=written, login="")
    assert (await house.submit(sender=small, message=written, login="")).id == first.id
    # Whoever logs in is somebody else.
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await house.submit(sender=small, message=written)


async def test_a_client_that_hangs_up_before_our_250_finds_its_message_taken(house: House) -> None:
    written = letter(ME, f"ann@{FAR}")
    async with await Client.open(house.submission.port) as client:
        await client.say("EHLO some.test")
        await log_in(client, house, ME)
        await client.say(f"MAIL FROM:<{ME}>")
        await client.say(f"RCPT TO:<ann@{FAR}>")
        await client.say("DATA")
        client.send(written + b".\r\n")
        await client.writer.drain()
    again = await house.submit(message=written)
    assert await copies(house) == 1
    assert await house.count("messages") == 1
    assert await again.state() is State.DELIVERED
