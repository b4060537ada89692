"""One address may do only so much in a minute: connect, send, fill our disk, guess who is here."""

from ipaddress import IPv4Network, IPv6Address, ip_address
from typing import Any

from relay.smtp_server import Rates
from relay.smtp_server.rates import Deed
from tests.fakes.clock import FakeClock
from tests.relay.smtp_server.client import Client
from tests.relay.smtp_server.conftest import Connect, StartListener
from tests.relay.smtp_server.recording_door import RecordingDoor

MESSAGE = b"A: b\r\n\r\nhi\r\n.\r\n"
ANN, BOB = ip_address("192.0.2.1"), ip_address("192.0.2.2")
LOOPBACK = (IPv4Network("127.0.0.0/8"),)


def rates(clock: FakeClock, **limits: int) -> Rates:
    generous = dict.fromkeys(("connections", "messages", "octets", "refused_recipients"), 1000)
    return Rates(clock, **(generous | limits))


def takes(counted: Rates, address: Any, deed: Deed, times: int) -> int:
    return sum(counted.take(address, deed) for _ in range(times))


def test_a_minute_gives_back_what_was_used_evenly(clock: FakeClock) -> None:
    counted = rates(clock, connections=60)
    assert takes(counted, ANN, Deed.CONNECTION, 100) == 60
    clock.advance(seconds=10)
    assert takes(counted, ANN, Deed.CONNECTION, 100) == 10
    clock.advance(minutes=5)
    assert takes(counted, ANN, Deed.CONNECTION, 100) == 60


def test_addresses_and_deeds_are_counted_apart(clock: FakeClock) -> None:
    counted = rates(clock, connections=2, messages=3)
    assert takes(counted, ANN, Deed.CONNECTION, 5) == 2
    assert takes(counted, ANN, Deed.MESSAGE, 5) == 3
    assert takes(counted, BOB, Deed.CONNECTION, 5) == 2


def test_ten_thousand_addresses_of_one_line_are_one(clock: FakeClock) -> None:
    counted = rates(clock, connections=10)
    line = int(IPv6Address("2001:db8::"))
    assert sum(counted.take(IPv6Address(line + n), Deed.CONNECTION) for n in range(10_000)) == 10
    assert counted.take(IPv6Address(line + (1 << 64)), Deed.CONNECTION)
    assert len(counted) == 2


def test_who_has_used_more_than_there_was_waits_longer(clock: FakeClock) -> None:
    counted = rates(clock, octets=100)
    counted.spend(ANN, Deed.OCTET, 300)
    clock.advance(minutes=2)
    assert counted.is_spent(ANN, Deed.OCTET)
    clock.advance(seconds=1)
    assert not counted.is_spent(ANN, Deed.OCTET)


def test_memory_is_bounded_and_the_busy_are_remembered(clock: FakeClock) -> None:
    counted = Rates(clock, connections=1, messages=1, octets=1, refused_recipients=1, capacity=100)
    for n in range(10_000):
        counted.spend(IPv6Address(n << 64), Deed.CONNECTION, 1)
        counted.spend(ANN, Deed.CONNECTION, 1)
    assert len(counted) == 100
    assert counted.is_spent(ANN, Deed.CONNECTION)


async def test_too_many_connections_in_a_minute(
    start: StartListener, connect: Connect, clock: FakeClock
) -> None:
    listener = await start(rates=rates(clock, connections=2))
    for _ in range(2):
        client = await connect(listener)
        assert client.greeting.startswith("220")
        await client.say("QUIT")
    client = await connect(listener)
    assert client.greeting.startswith("421 4.7.0")
    assert await client.is_closed()
    clock.advance(seconds=30)
    assert (await connect(listener)).greeting.startswith("220")


async def test_listeners_that_share_rates_count_together(
    start: StartListener, connect: Connect, clock: FakeClock
) -> None:
    shared = rates(clock, connections=1)
    first, second = await start(rates=shared), await start(rates=shared)
    assert (await connect(first)).greeting.startswith("220")
    assert (await connect(second)).greeting.startswith("421 4.7.0")


async def test_too_many_messages_in_a_minute(
    start: StartListener, connect: Connect, clock: FakeClock, door: RecordingDoor
) -> None:
    client = await connect(await start(rates=rates(clock, messages=2)))
    for _ in range(2):
        await client.start_mail()
        assert (await client.data(MESSAGE)).startswith("250")
    assert (await client.say("MAIL FROM:<ann@example.test>")).startswith("451 4.7.1")
    assert (await client.say("NOOP")).startswith("250")
    clock.advance(seconds=30)
    await client.start_mail()
    assert (await client.data(MESSAGE)).startswith("250")
    assert len(door.taken) == 3


async def test_too_much_data_in_a_minute_even_when_it_is_refused(
    start: StartListener, connect: Connect, clock: FakeClock, door: RecordingDoor
) -> None:
    listener = await start(rates=rates(clock, octets=100_000), message_size=50_000)
    client = await connect(listener)
    await client.start_mail()
    assert (await client.data(b"A: b\r\n\r\n" + b"x\r\n" * 40_000 + b".\r\n")).startswith("552")
    reply = await (await connect(listener)).say("EHLO another.example")
    assert reply.startswith("250")
    assert (await client.say("MAIL FROM:<ann@example.test>")).startswith("451 4.7.1")
    clock.advance(seconds=15)
    await client.start_mail()
    assert (await client.data(MESSAGE)).startswith("250")


async def test_who_guesses_recipients_is_shut_out_for_a_while(
    start: StartListener, connect: Connect, clock: FakeClock
) -> None:
    listener = await start(rates=rates(clock, refused_recipients=6))
    for _ in range(2):
        client = await connect(listener)
        await client.start_mail()
        for _ in range(3):
            last = await client.say("RCPT TO:<nobody@b.test>")
    assert last.startswith("550 5.1.1")
    assert (await client.hear()).startswith("421 4.7.0")
    assert await client.is_closed()
    assert (await connect(listener)).greeting.startswith("421 4.7.0")
    clock.advance(seconds=10)
    assert (await connect(listener)).greeting.startswith("220")


async def test_recipients_after_a_mail_that_was_refused_are_no_guesses(
    start: StartListener, connect: Connect, clock: FakeClock
) -> None:
    listener = await start(rates=rates(clock, messages=1, refused_recipients=3), errors_allowed=100)
    client = await connect(listener)
    await client.start_mail()
    await client.say("RSET")
    assert (await client.say("MAIL FROM:<ann@example.test>")).startswith("451 4.7.1")
    for _ in range(10):
        assert (await client.say("RCPT TO:<bob@example.test>")).startswith("503")


async def test_networks_that_are_not_counted_pass(
    start: StartListener, connect: Connect, clock: FakeClock
) -> None:
    nothing = rates(clock, connections=0, messages=0, octets=0, refused_recipients=0)
    listener = await start(rates=nothing, uncounted_networks=LOOPBACK)
    client: Client = await connect(listener)
    for _ in range(3):
        await client.start_mail()
        assert (await client.say("RCPT TO:<nobody@b.test>")).startswith("550")
        assert (await client.data(MESSAGE)).startswith("250")
    assert len(nothing) == 0
