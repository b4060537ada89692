"""Who cannot wait is no mail server: before the greeting, within a line, or for ever at RCPT."""

from datetime import timedelta
from ipaddress import IPv4Network

import pytest

from relay.smtp_server import SmtpManners
from relay.smtp_server.inlet import Inlet
from relay.smtp_server.patience import Patience
from tests.fakes.clock import FakeClock
from tests.relay.smtp_server.conftest import Connect, StartListener
from tests.relay.smtp_server.recording_door import RecordingDoor

LONG, MOMENT = timedelta(hours=1), timedelta(milliseconds=20)
LOOPBACK = (IPv4Network("127.0.0.0/8"),)
SESSION = (
    b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nA: 1\r\n\r\nfirst\r\n.\r\nQUIT\r\n"
)


@pytest.mark.parametrize(
    "first", [b"EHLO x\r\n", b"\r\n", b"x", SESSION, b"GET / HTTP/1.1\r\n", b"\x16\x03\x01"]
)
async def test_who_speaks_before_the_greeting_is_turned_away(
    first: bytes, start: StartListener, connect: Connect, door: RecordingDoor
) -> None:
    client = await connect(await start(greeting_delay=LONG), first=first)
    assert client.greeting.startswith("554 5.5.0 ")
    assert await client.is_closed()
    assert door.envelopes == []


async def test_who_waits_is_greeted(start: StartListener, connect: Connect) -> None:
    client = await connect(await start(greeting_delay=MOMENT))
    assert client.greeting.startswith("220 ")
    assert (await client.hello()).startswith("250")


async def test_without_a_delay_nobody_speaks_too_early(
    start: StartListener, connect: Connect, door: RecordingDoor
) -> None:
    client = await connect(await start(greeting_delay=timedelta()), first=SESSION)
    assert client.greeting.startswith("220 ")
    assert [reply[:3] for reply in await client.hear_all()] == ["250", "250", "250", "354", "250", "221"]


async def test_after_the_greeting_a_whole_session_in_one_packet_is_answered_in_order(
    start: StartListener, connect: Connect, door: RecordingDoor
) -> None:
    client = await connect(await start(greeting_delay=MOMENT))
    client.send(SESSION)
    assert [reply[:3] for reply in await client.hear_all()] == ["250", "250", "250", "354", "250", "221"]
    assert door.mail_bytes == [b"A: 1\r\n\r\nfirst\r\n"]


async def test_networks_that_are_not_counted_are_greeted_at_once(
    start: StartListener, connect: Connect
) -> None:
    client = await connect(await start(greeting_delay=LONG, uncounted_networks=LOOPBACK))
    assert client.greeting.startswith("220 ")


async def test_what_a_client_says_behind_the_proxys_header_is_early_too(
    start: StartListener, connect: Connect
) -> None:
    listener = await start(greeting_delay=LONG, proxy_protocol_from=LOOPBACK)
    header = b"PROXY TCP4 198.51.100.7 192.0.2.2 4711 25\r\n"
    assert (await connect(listener, first=header + b"EHLO x\r\n")).greeting.startswith("554 5.5.0 ")


async def test_a_stop_waits_for_nobody_who_waits_for_the_greeting(
    start: StartListener, connect: Connect, door: RecordingDoor
) -> None:
    listener = await start(greeting_delay=LONG)
    client = await connect(listener, greeted=False)
    await door.somebody_came.wait()
    assert await listener.drain(LONG) == 0
    assert (await client.hear()).startswith("421 4.3.2")


async def test_a_line_that_trickles_ends_with_the_patience_for_one_command(clock: FakeClock) -> None:
    patience = Patience(SmtpManners(hostname="x", spool=__file__, clock=clock))  # type: ignore[arg-type]
    waits = []

    async def receive(timeout: float) -> bytes:
        waits.append(timeout)
        clock.advance(seconds=30)
        return b"x"

    with pytest.raises(TimeoutError):
        await Inlet(receive).line(patience.for_line(), 4096, 4096)
    assert waits == [300.0 - 30 * number for number in range(10)]


async def test_strangers_may_not_name_recipients_for_ever(start: StartListener, connect: Connect) -> None:
    client = await connect(await start(recipients_per_message=2, recipients_put_off=5))
    await client.start_mail("a@b.test", "b@b.test")
    client.send(b"RCPT TO:<d@b.test>\r\n" * 20)
    replies = await client.hear_all()
    assert [reply[:9] for reply in replies] == ["452 4.5.3"] * 6 + ["421 4.7.0"]
