"""Crowds that are slow on purpose: who means it is served beside them (`bench.slow` measures how fast)."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.attacks.wire import say
from tests.fakes.daemon import APPLICATION, Daemon, MakeDaemon
from tests.relay.smtp_server.client import Client

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
CROWD = 150
MESSAGE = b"From: ann@far.example\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
# What a slow client has said so far; it says no more.
SMTP_BEGINNINGS = [
    b"",
    b"E",
    b"EHLO slow.example",
    b"EHLO slow.example\r\n",
    b"EHLO x\r\nMAIL FROM:<a@far.example>\r\n",
]
HTTP_BEGINNINGS = [
    b"",
    b"G",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
    b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
]


@asynccontextmanager
async def crowd(port: int, count: int, beginnings: list[bytes], net: int) -> AsyncIterator[None]:
    """So many connections from addresses of their own, ten from each, that began and do not go on."""
    opened = []
    try:
        for number in range(count):
            source = (f"127.{net}.0.{number // 10 + 1}", 0)
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source)
            opened.append(writer)
            writer.write(beginnings[number % len(beginnings)])
        yield
    finally:
        for writer in opened:
            writer.close()


async def send_one(daemon: Daemon) -> None:
    """One message through the MX, from an address of one's own."""
    async with asyncio.timeout(60), await Client.open(daemon.ports["inbound"], source="127.99.0.1") as client:
        await client.start_mail(APPLICATION)
        assert (await client.data(MESSAGE)).startswith("250 ")


async def test_who_means_it_is_served_beside_a_crowd(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon({}, receives=True)
    await daemon.start()
    port = daemon.ports["http"]
    async with (
        crowd(port, CROWD, HTTP_BEGINNINGS, net=11),
        crowd(daemon.ports["inbound"], CROWD, SMTP_BEGINNINGS, net=12),
        crowd(daemon.ports["submission"], CROWD, SMTP_BEGINNINGS, net=13),
        crowd(daemon.ports["submissions"], CROWD, [b"", b"\x16\x03\x01"], net=14),
    ):
        for _ in range(3):
            assert [answer.status for answer in await say(port, HEALTH)] == [200]
            await send_one(daemon)
    assert await daemon.stop() == 0


async def test_with_few_descriptors_nothing_falls(make_daemon: MakeDaemon) -> None:
    """A flood beyond `ulimit -n`: no exit, and service as soon as the flood is over."""
    daemon = await make_daemon(
        {
            "limits.connections": 10_000,
            "limits.connections_per_ip": 10_000,
            "inbound.greeting_delay": "500ms",  # as usual: who cannot wait is sent away
        },
        receives=True,
    )
    daemon.faults_expected = True  # it says that it cannot accept
    await daemon.start()
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (256, 256))
    async with (
        crowd(daemon.ports["inbound"], 400, SMTP_BEGINNINGS, net=13),
        crowd(daemon.ports["submissions"], 50, [b""], net=14),
    ):
        assert daemon.process is not None
        assert daemon.process.poll() is None
    await send_one(daemon)
    assert [answer.status for answer in await say(daemon.ports["http"], HEALTH)] == [200]
    assert await daemon.stop() == 0
