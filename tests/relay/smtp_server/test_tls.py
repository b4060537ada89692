"""STARTTLS begins anew, implicit TLS comes before the greeting, and passwords travel under either."""

import asyncio
import base64
import gc
import socket
import ssl
import warnings
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from relay.smtp_server import SmtpManners, SmtpSession
from relay.smtp_server.connection import SmtpConnection
from relay.smtp_server.handshake import TlsServer, bind
from tests.relay.smtp_server.client import Client
from tests.relay.smtp_server.conftest import Connect, StartListener
from tests.relay.smtp_server.recording_door import RecordingDoor

PLAIN = base64.b64encode(b"\0ann@example.test\0right").decode()


def under_tls(session: SmtpSession) -> bool:
    return session.tls is not None


@pytest.fixture
async def client(start: StartListener, connect: Connect, server_tls: ssl.SSLContext) -> Client:
    """Of a listener that offers STARTTLS, and AUTH only under TLS; EHLO was said."""
    manners = {"tls_context": server_tls, "offers_auth": under_tls, "requires_auth": lambda session: True}
    client = await connect(await start(**manners))
    await client.hello()
    return client


async def test_auth_waits_for_tls(client: Client, client_tls: ssl.SSLContext, door: RecordingDoor) -> None:
    offers = await client.hello()
    assert "\n250 STARTTLS" in offers
    assert "AUTH" not in offers
    assert (await client.say(f"AUTH PLAIN {PLAIN}")).startswith("538 5.7.11")
    assert (await client.say("MAIL FROM:<a@b.test>")).startswith("530 5.7.0 Send STARTTLS")
    assert door.logins == []
    assert (await client.say("STARTTLS")).startswith("220 2.0.0")
    await client.start_tls(client_tls)
    offers = await client.hello()
    assert "STARTTLS" not in offers
    assert offers.endswith("\n250 AUTH PLAIN LOGIN")
    assert (await client.say("MAIL FROM:<a@b.test>")).startswith("530 5.7.0 Authentication required")
    assert (await client.say(f"AUTH PLAIN {PLAIN}")).startswith("235")
    assert (await client.say("MAIL FROM:<a@b.test>")).startswith("250")
    assert (await client.say("RCPT TO:<a@b.test>")).startswith("250")
    assert (await client.data(b"A: b\r\n\r\n" + b"x" * 300_000 + b"\r\n.\r\n")).startswith("250")
    (session,) = door.sessions
    assert session.tls is not None
    assert session.tls.version == "TLSv1.3"
    assert session.tls.cipher
    assert door.taken[0].content.body.size == 300_002
    assert (await client.say("QUIT")).startswith("221")


async def test_nothing_said_before_the_handshake_was_said(
    client: Client, client_tls: ssl.SSLContext, door: RecordingDoor
) -> None:
    client.send(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@b.test>\r\nRCPT TO:<evil@b.test>\r\n")
    assert (await client.hear()).startswith("220")
    await client.start_tls(client_tls)
    assert (await client.say("MAIL FROM:<a@b.test>")).startswith("503 5.5.1 Send HELO")
    assert door.sessions[0].helo == ""
    await client.hello()
    assert (await client.say("RCPT TO:<a@b.test>")).startswith("503 5.5.1 Send MAIL")
    assert door.envelopes == []


async def test_starttls_ends_the_transaction(
    start: StartListener, connect: Connect, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    client = await connect(await start(tls_context=server_tls))
    await client.start_mail()
    await client.say("STARTTLS")
    await client.start_tls(client_tls)
    assert (await client.say("DATA")).startswith("503 5.5.1")


async def test_starttls_once_and_without_argument(client: Client, client_tls: ssl.SSLContext) -> None:
    assert (await client.say("STARTTLS now")).startswith("501 5.5.4")
    await client.say("STARTTLS")
    await client.start_tls(client_tls)
    await client.hello()
    assert (await client.say("STARTTLS")).startswith("503 5.5.1")
    assert (await client.say("NOOP")).startswith("250")


async def test_a_handshake_that_fails_ends_the_session(client: Client, door: RecordingDoor) -> None:
    await client.say("STARTTLS")
    client.send(b"MAIL FROM:<a@b.test>\r\n" * 10)
    assert await client.reader.read(1000) != b"250"
    assert door.envelopes == []


async def test_a_handshake_may_not_last(
    start: StartListener, connect: Connect, server_tls: ssl.SSLContext
) -> None:
    quick = timedelta(milliseconds=20)
    client = await connect(await start(tls_context=server_tls, handshake_timeout=quick))
    await client.hello()
    await client.say("STARTTLS")
    assert await client.is_closed()


async def test_implicit_tls_offers_auth_and_no_starttls(
    start: StartListener,
    connect: Connect,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    door: RecordingDoor,
) -> None:
    listener = await start(tls_context=server_tls, implicit_tls=True, offers_auth=under_tls)
    client = await connect(listener, tls=client_tls)
    assert client.greeting.startswith("220 ")
    offers = await client.hello()
    assert "STARTTLS" not in offers
    assert offers.endswith("\n250 AUTH PLAIN LOGIN")
    assert (await client.say("STARTTLS")).startswith("503 5.5.1")
    assert (await client.say(f"AUTH PLAIN {PLAIN}")).startswith("235")
    await client.start_mail()
    assert (await client.data(b"A: b\r\n\r\nhi\r\n.\r\n")).startswith("250")
    assert door.sessions[0].tls is not None


async def test_unfinished_handshakes_are_limited_like_sessions(
    start: StartListener, connect: Connect, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    listener = await start(tls_context=server_tls, implicit_tls=True, connections_per_ip=2)
    first, second, third = [await connect(listener, greeted=False) for _ in range(3)]
    assert await third.is_closed()
    first.writer.transport.abort()
    second.writer.transport.abort()
    async with asyncio.timeout(10):
        while True:
            try:
                client = await connect(listener, tls=client_tls)
                break
            except (OSError, EOFError):  # until both are known to be gone
                await asyncio.sleep(0)
    assert client.greeting.startswith("220 ")


async def test_a_handshake_that_does_not_come_ends_in_time(
    start: StartListener, connect: Connect, server_tls: ssl.SSLContext
) -> None:
    quick = timedelta(milliseconds=50)
    listener = await start(tls_context=server_tls, implicit_tls=True, handshake_timeout=quick)
    client = await connect(listener, greeted=False)
    assert await client.is_closed()
    assert listener.sessions == ()


async def test_closing_does_not_wait_for_a_handshake(
    start: StartListener, connect: Connect, server_tls: ssl.SSLContext
) -> None:
    listener = await start(tls_context=server_tls, implicit_tls=True)
    client = await connect(listener, greeted=False)
    assert await listener.drain(timedelta(seconds=5)) == 0
    assert await client.is_closed()


async def test_a_client_that_leaves_with_its_handshake_leaves_nothing(
    start: StartListener, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    listener = await start(tls_context=server_tls, implicit_tls=True)
    for _ in range(20):
        _, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=client_tls, server_hostname="localhost"
        )
        writer.transport.abort()
    assert await listener.drain(timedelta(seconds=5)) == 0
    assert listener.sessions == ()


async def test_a_client_that_leaves_under_tls_cancels_nothing(
    start: StartListener,
    connect: Connect,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    door: RecordingDoor,
) -> None:
    client = await connect(await start(tls_context=server_tls, implicit_tls=True), tls=client_tls)
    door.content_may_end.clear()
    await client.start_mail()
    await client.say("DATA")
    client.send(b"A: b\r\n\r\nhi\r\n.\r\n")
    await door.content_began.wait()
    client.writer.transport.abort()
    door.content_may_end.set()
    await door.content_ended.wait()
    assert len(door.taken) == 1


async def test_tls_on_a_plain_port_ends_at_once(
    start: StartListener, connect: Connect, client_tls: ssl.SSLContext
) -> None:
    listener = await start()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", listener.port, ssl=client_tls, server_hostname="localhost")


def test_manners_that_cannot_be(spool: object, server_tls: ssl.SSLContext) -> None:
    with pytest.raises(ValueError, match="certificate"):
        SmtpManners("mx.example.test", spool, implicit_tls=True)  # type: ignore[arg-type]


async def test_a_client_whose_handshake_was_still_to_begin_is_hung_up_on(
    server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    manners = SmtpManners("mx.example.test", tmp_path, tls_context=server_tls, implicit_tls=True)
    server = TlsServer([], manners, _no_session)
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setblocking(False)
        server._admit(ours, IPv4Address("127.0.0.1"))
        server.close()
        async with asyncio.timeout(10):
            assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""
    assert ours.fileno() == -1


@pytest.mark.parametrize("rounds", range(5))
async def test_who_comes_in_the_moment_of_closing_leaves_no_socket(
    server_tls: ssl.SSLContext, tmp_path: Path, rounds: int
) -> None:
    manners = SmtpManners("mx.example.test", tmp_path, tls_context=server_tls, implicit_tls=True)
    (listening,) = await bind("127.0.0.1", 0)
    listening.listen()
    server = TlsServer([listening], manners, _no_session)
    await asyncio.sleep(0)
    with socket.create_connection(listening.getsockname()), warnings.catch_warnings(record=True) as leaks:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(rounds):
            await asyncio.sleep(0)
        server.close()
        for _ in range(10):
            await asyncio.sleep(0)
        gc.collect()
    assert [str(leak.message) for leak in leaks] == []


def _no_session() -> SmtpConnection:
    raise AssertionError("there was no handshake")


async def test_uvloop_serves_starttls_on_an_inherited_socket(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, tmp_path: object
) -> None:
    """In a thread of its own, since this loop is asyncio's."""
    ended = await asyncio.to_thread(_converse_on_uvloop, server_tls, client_tls, tmp_path)
    assert ended == ["250 2.0.0 queued as msg_test", "221 2.0.0 Bye"]


async def test_uvloop_serves_implicit_tls(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, tmp_path: object
) -> None:
    ended = await asyncio.to_thread(_converse_in_tls_on_uvloop, server_tls, client_tls, tmp_path)
    assert ended == ["250 2.0.0 queued as msg_test", "221 2.0.0 Bye"] * 20


def _converse_in_tls_on_uvloop(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, spool: object
) -> list[str]:
    import uvloop

    from relay.smtp_server import listen

    async def converse() -> list[str]:
        replies = []
        manners = SmtpManners("mx.example.test", spool, tls_context=server_tls, implicit_tls=True)  # type: ignore[arg-type]
        listener = await listen(("127.0.0.1", 0), RecordingDoor(), manners)
        for _ in range(20):
            async with await Client.open(listener.port, tls=client_tls) as client:
                await client.start_mail()
                replies.append(await client.data(b"A: b\r\n\r\n" + b"x" * 200_000 + b"\r\n.\r\n"))
                replies.append(await client.say("QUIT"))
        async with await Client.open(listener.port, greeted=False) as waiting:
            assert await listener.drain(timedelta(seconds=5)) == 0
            assert await waiting.is_closed()
        return replies

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(converse())


def _converse_on_uvloop(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, spool: object) -> list[str]:
    import uvloop

    from relay.smtp_server import listen

    async def converse() -> list[str]:
        door = RecordingDoor()
        inherited = socket.socket()
        inherited.bind(("127.0.0.1", 0))
        manners = SmtpManners("mx.example.test", spool, tls_context=server_tls)  # type: ignore[arg-type]
        listener = await listen(inherited, door, manners)
        async with await Client.open(listener.port) as client:
            await client.hello()
            client.send(b"STARTTLS\r\nEHLO evil\r\n")
            assert (await client.hear()).startswith("220")
            await client.start_tls(client_tls)
            assert (await client.say("MAIL FROM:<a@b.test>")).startswith("503")
            await client.start_mail()
            replies = [await client.data(b"A: b\r\n\r\n" + b"x" * 200_000 + b"\r\n.\r\n")]
            replies.append(await client.say("QUIT"))
        assert await listener.drain(timedelta(seconds=5)) == 0
        return replies

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(converse())
