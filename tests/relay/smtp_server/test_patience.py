"""Patience ends: with floods, silence, noise, trickles, strangers' PROXY headers, and at shutdown."""

import asyncio
import struct
from datetime import timedelta
from ipaddress import IPv4Network, ip_address

import pytest

from relay.replies import SmtpReply
from relay.smtp_server import SmtpListener
from relay.smtp_server.limits import ConnectionCounter
from relay.smtp_server.session import neighbourhood, unmapped
from tests.fakes.clock import FakeClock
from tests.relay.smtp_server.client import Client
from tests.relay.smtp_server.conftest import Connect, StartListener
from tests.relay.smtp_server.recording_door import RecordingDoor

MESSAGE = b"A: b\r\n\r\nhi\r\n.\r\n"
MOMENT = timedelta(milliseconds=20)
LOOPBACK = (IPv4Network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /\r\n",
        b"CONNECT x:25\r\n",
        b"Host: x\r\n",
        b"Subject: x\r\n",
        b"BDAT 10 LAST\r\nRSET\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"OPTIONS\r\n",
        b"pri * x\r\n",
        b"EHLO x\nMAIL FROM:<a@b.test>\r\n",
        b"\n",
        b"EHLO " + b"x" * 5000 + b"\r\n",
        b"x" * 5000,
        b"\x16\x03\x01",
    ],
)
async def test_what_is_not_smtp_ends_the_session_at_once(
    line: bytes, client: Client, door: RecordingDoor
) -> None:
    client.send(line)
    assert (await client.hear()).startswith("500 5.5.")
    assert await client.is_closed()
    assert door.envelopes == []


@pytest.mark.parametrize("line", [b"NOOP\x00", b"EHLO x\ry", b"MAIL FROM:<a\x7f@b.test>", b"NO\x01OP"])
async def test_control_characters_are_no_command(line: bytes, client: Client) -> None:
    assert (await client.say(line)).startswith("500 5.5.2")


async def test_too_many_errors(client: Client) -> None:
    client.send(b"WHAT\r\n" * 30)
    replies = await client.hear_all()
    assert [reply[:9] for reply in replies] == ["500 5.5.1"] * 20 + ["421 4.7.0"]


async def test_too_many_commands_without_mail(client: Client) -> None:
    client.send(b"NOOP\r\n" * 200)
    replies = await client.hear_all()
    assert [reply[:9] for reply in replies] == ["250 2.0.0"] * 101 + ["421 4.7.0"]


async def test_strangers_may_not_guess_recipients(client: Client) -> None:
    await client.start_mail()
    client.send(b"RCPT TO:<nobody@b.test>\r\n" * 30)
    replies = await client.hear_all()
    assert [reply[:9] for reply in replies] == ["550 5.1.1"] * 20 + ["421 4.7.0"]


async def test_known_clients_may_name_bad_recipients(
    start: StartListener, connect: Connect, door: RecordingDoor
) -> None:
    client = await connect(await start(uncounted_networks=LOOPBACK))
    await client.start_mail()
    for _ in range(30):
        assert (await client.say("RCPT TO:<nobody@b.test>")).startswith("550")
    assert (await client.data(MESSAGE)).startswith("250")


async def test_a_fault_between_commands_is_temporary(
    start: StartListener, connect: Connect, door: RecordingDoor, clock: FakeClock
) -> None:
    """A clock that breaks stands for whatever we did not think of."""
    client = await connect(await start())
    await client.hello()

    def broken() -> float:
        raise RuntimeError("secret")

    client.send(b"NOOP\r\n")
    assert (await client.hear()).startswith("250")
    clock.monotonic = broken  # type: ignore[method-assign]
    client.send(b"NOOP\r\n")
    replies = await client.hear_all()
    assert replies[-1].startswith("421 4.3.0 Temporary failure")
    assert "secret" not in "".join(replies)


async def test_who_sends_mail_may_stay(client: Client) -> None:
    for _ in range(4):
        for _ in range(60):
            await client.say("NOOP")
        for _ in range(15):
            await client.say("WHAT")
        await client.start_mail()
        assert (await client.data(MESSAGE)).startswith("250")


async def test_too_many_recipients_keep_the_earlier_ones(
    start: StartListener, connect: Connect, door: RecordingDoor
) -> None:
    client = await connect(await start(recipients_per_message=3))
    await client.start_mail("a@b.test", "b@b.test", "c@b.test")
    for _ in range(30):
        assert (await client.say("RCPT TO:<d@b.test>")).startswith("452 4.5.3")
    assert (await client.data(MESSAGE)).startswith("250")
    assert len(door.taken[0].envelope.recipients) == 3


async def test_too_many_connections(start: StartListener, connect: Connect) -> None:
    listener = await start(connections_per_ip=2)
    first, _ = await connect(listener), await connect(listener)
    third = await connect(listener)
    assert third.greeting.startswith("421 4.7.0")
    assert await third.is_closed()
    await first.say("QUIT")
    assert await first.is_closed()
    assert (await connect(listener)).greeting.startswith("220")


async def test_too_many_connections_in_all(start: StartListener, connect: Connect) -> None:
    listener = await start(connections=2)
    first, _ = await connect(listener), await connect(listener)
    assert (await connect(listener)).greeting.startswith("421 4.7.0")
    await first.say("QUIT")
    assert await first.is_closed()
    assert (await connect(listener)).greeting.startswith("220")


async def test_where_all_are_taken_a_stranger_who_brought_nothing_makes_room(
    start: StartListener, connect: Connect, clock: FakeClock, door: RecordingDoor
) -> None:
    listener = await start(connections=4, offers_auth=lambda _: True)
    known, sending, bringing, slow = [await connect(listener) for _ in range(4)]
    await known.hello()
    await known.say("AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAcmlnaHQ=")
    await bringing.start_mail()
    assert (await bringing.data(MESSAGE)).startswith("250")
    await sending.start_mail()
    await sending.say("DATA")
    await slow.hello()
    clock.advance(seconds=11)
    assert (await slow.say("NOOP")).startswith("250")  # words alone bring nothing
    fresh = await connect(listener)
    assert fresh.greeting.startswith("220")
    assert (await slow.hear()).startswith("421 4.3.2")
    assert await slow.is_closed()
    # Whoever logged in, brought mail or is bringing it stays, and who has just come as well.
    assert (await connect(listener)).greeting.startswith("421 4.7.0")
    assert (await known.say("NOOP")).startswith("250")
    assert (await bringing.say("NOOP")).startswith("250")
    sending.send(MESSAGE)
    assert (await sending.hear()).startswith("250")
    assert len(door.taken) == 2


async def test_who_has_enough_sends_nobody_away(
    start: StartListener, connect: Connect, clock: FakeClock
) -> None:
    listener = await start(connections=2, connections_per_ip=2)
    first = await connect(listener)
    await connect(listener)
    clock.advance(seconds=11)
    assert (await connect(listener)).greeting.startswith("421 4.7.0")
    assert (await first.say("NOOP")).startswith("250")


async def test_some_networks_are_not_counted(start: StartListener, connect: Connect) -> None:
    listener = await start(connections_per_ip=1, uncounted_networks=LOOPBACK)
    for _ in range(3):
        assert (await connect(listener)).greeting.startswith("220")
    assert len(listener.sessions) == 3


def test_addresses_are_counted_by_64_and_without_mapping() -> None:
    assert unmapped("::ffff:192.0.2.1") == ip_address("192.0.2.1")
    assert unmapped("fe80::1%eth0") == ip_address("fe80::1")
    assert neighbourhood(ip_address("2001:db8::1")) == neighbourhood(ip_address("2001:db8::ffff:1"))
    assert neighbourhood(ip_address("2001:db8::1")) != neighbourhood(ip_address("2001:db8:0:1::1"))
    counter = ConnectionCounter(10, total=1000)
    entered = [counter.enter(ip_address(f"2001:db8::{n:x}")) for n in range(1, 10_001, 99)]
    assert sum(entered) == 10
    counter.leave(ip_address("2001:db8::1"))
    assert counter.enter(ip_address("2001:db8::2"))


async def test_silence_ends_a_session(start: StartListener, connect: Connect) -> None:
    client = await connect(await start(command_timeout=MOMENT))
    assert (await client.hear()).startswith("421 4.4.2")
    assert await client.is_closed()


async def test_silence_ends_a_message(start: StartListener, connect: Connect, door: RecordingDoor) -> None:
    client = await connect(await start(block_timeout=MOMENT))
    await client.start_mail()
    assert (await client.data(b"A: b\r\n\r\nhalf")).startswith("421 4.4.2")
    assert await client.is_closed()
    assert door.taken == []


async def test_no_session_lasts_for_ever(client: Client, clock: FakeClock) -> None:
    clock.advance(minutes=59)
    assert (await client.say("NOOP")).startswith("250")
    clock.advance(minutes=2)
    client.send(b"NOOP\r\nNOOP\r\n")
    assert [reply[:9] for reply in await client.hear_all()] == ["250 2.0.0", "421 4.4.2"]


async def test_a_session_that_sends_mail_lasts(client: Client, clock: FakeClock) -> None:
    for _ in range(3):
        clock.advance(minutes=50)
        await client.start_mail()
        assert (await client.data(MESSAGE)).startswith("250")


async def test_a_trickle_is_too_slow(client: Client, clock: FakeClock, door: RecordingDoor) -> None:
    await client.start_mail()
    await client.say("DATA")
    clock.advance(seconds=61)
    client.send(b"A: b\r\n\r\nslow")
    assert (await client.hear()).startswith("421 4.4.2 Data comes in too slowly")
    assert await client.is_closed()
    assert door.taken == []


async def test_drain_lets_messages_finish_and_tells_the_rest(
    listener: SmtpListener, connect: Connect, door: RecordingDoor
) -> None:
    idle, busy = await connect(listener), await connect(listener)
    await busy.start_mail()
    assert (await busy.say("DATA")).startswith("354")
    draining = asyncio.create_task(listener.drain(timedelta(seconds=30)))
    assert (await idle.hear()).startswith("421 4.3.2")
    assert await idle.is_closed()
    assert listener.sockets == ()
    busy.send(MESSAGE)
    assert (await busy.hear()).startswith("250 2.0.0 queued")
    assert (await busy.hear()).startswith("421 4.3.2")
    assert await draining == 0
    assert len(door.taken) == 1
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", idle.writer.get_extra_info("peername")[1])


async def test_who_is_turned_away_hears_421_until_we_serve_again(
    listener: SmtpListener, connect: Connect, door: RecordingDoor
) -> None:
    idle, busy = await connect(listener), await connect(listener)
    await busy.start_mail()
    assert (await busy.say("DATA")).startswith("354")
    listener.turn_away(SmtpReply(421, "4.3.2", "Elsewhere"))
    assert await idle.hear() == "421 4.3.2 Elsewhere"
    assert await idle.is_closed()
    late = await connect(listener)
    assert late.greeting == "421 4.3.2 Elsewhere"
    assert await late.is_closed()
    busy.send(MESSAGE)
    assert (await busy.hear()).startswith("250 2.0.0 queued")
    assert await busy.hear() == "421 4.3.2 Elsewhere"
    assert len(door.taken) == 1

    listener.turn_away(None)
    served = await connect(listener)
    assert served.greeting.startswith("220")
    await served.start_mail()


async def test_drain_cuts_off_what_does_not_end_but_not_a_commit(
    listener: SmtpListener, connect: Connect, door: RecordingDoor
) -> None:
    stuck, committing = await connect(listener), await connect(listener)
    await stuck.start_mail()
    await stuck.say("DATA")
    door.content_may_end.clear()
    await committing.start_mail()
    await committing.say("DATA")
    committing.send(MESSAGE)
    await door.content_began.wait()
    draining = asyncio.create_task(listener.drain(MOMENT))
    assert await stuck.is_closed()
    assert not draining.done()
    door.content_may_end.set()
    assert await draining == 2
    assert len(door.taken) == 1


def proxy_v2(source: str) -> bytes:
    addresses = ip_address(source).packed + ip_address("192.0.2.2").packed + struct.pack("!HH", 4711, 25)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x11, len(addresses)) + addresses


@pytest.mark.parametrize(
    ("header", "peer"),
    [
        (b"PROXY TCP4 198.51.100.7 192.0.2.2 4711 25\r\n", "198.51.100.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 25\r\n", "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:192.0.2.2 4711 25\r\n", "198.51.100.7"),
        (proxy_v2("198.51.100.7"), "198.51.100.7"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", "127.0.0.1"),
    ],
)
async def test_trusted_proxies_name_the_client(
    header: bytes, peer: str, start: StartListener, connect: Connect, door: RecordingDoor
) -> None:
    client = await connect(await start(proxy_protocol_from=LOOPBACK), first=header + b"EHLO x\r\n")
    assert client.greeting.startswith("220")
    assert (await client.hear()).startswith("250")
    assert str(door.sessions[0].peer) == peer
    if peer != "127.0.0.1":
        assert door.sessions[0].port == 4711


@pytest.mark.parametrize(
    "header",
    [
        b"EHLO x\r\n",
        b"PROXY TCP4 nonsense\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 99999 25\r\n",
        b"PROXY " + b"x" * 200,
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x00",
        b"PROXY TCP4 2001:db8::1 1.2.3.4 1 25\r\n",
    ],
)
async def test_proxies_must_send_a_header(
    header: bytes, start: StartListener, connect: Connect, door: RecordingDoor
) -> None:
    client = await connect(await start(proxy_protocol_from=LOOPBACK), first=header + b"\r\n", greeted=False)
    assert await client.is_closed()
    assert door.sessions == []


@pytest.mark.parametrize("header", [b"PROXY TCP4 198.51.100.7 192.0.2.2 1 25\r\n", proxy_v2("198.51.100.7")])
async def test_headers_of_strangers_are_refused(
    header: bytes, start: StartListener, connect: Connect, door: RecordingDoor
) -> None:
    elsewhere = (IPv4Network("192.0.2.0/24"),)
    client = await connect(await start(proxy_protocol_from=elsewhere), first=header)
    replies = await client.hear_all()
    assert replies[-1].startswith("500 5.5.")
    assert str(door.sessions[0].peer) == "127.0.0.1"


async def test_connections_through_a_proxy_are_counted_by_client(
    start: StartListener, connect: Connect
) -> None:
    listener = await start(proxy_protocol_from=LOOPBACK, connections_per_ip=1)
    for host in (1, 2, 3):
        header = f"PROXY TCP4 198.51.100.{host} 192.0.2.2 4711 25\r\n".encode()
        assert (await connect(listener, first=header)).greeting.startswith("220")
    assert (await connect(listener, first=header)).greeting.startswith("421 4.7.0")
