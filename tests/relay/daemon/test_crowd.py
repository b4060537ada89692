"""Nobody takes all HTTP connections: an address has so many, and where all are taken waiting ones go."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from relay.daemon.crowd import Crowd
from relay.daemon.http import HttpServer, bind
from tests.fakes.daemon import MakeDaemon

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[..., Awaitable[Streams]]
Serve = Callable[[Crowd], Awaitable[Connect]]

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Slow:
    """An application that says hello when it may."""

    def __init__(self) -> None:
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.set()
        await self.may_answer.wait()
        headers = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
async def serve(slow: Slow) -> AsyncIterator[Serve]:
    """Serve with that crowd; connects from any address of loopback, and closes it all."""
    servers, writers = [], []

    async def start(crowd: Crowd) -> Connect:
        sock = bind("127.0.0.1", 0)
        server = HttpServer(slow, [sock], crowd)
        servers.append(server)
        await server.start()
        port = sock.getsockname()[1]

        async def connect(source: str = "127.0.0.1", first: bytes = b"") -> Streams:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            writers.append(writer)
            writer.write(first)
            return reader, writer

        return connect

    yield start
    slow.may_answer.set()
    for writer in writers:
        writer.close()
    for server in servers:
        await server.stop(timedelta(seconds=5))


async def greeted(streams: Streams) -> bool:
    reader, writer = streams
    writer.write(REQUEST)
    async with asyncio.timeout(30):
        return (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")


async def problem(streams: Streams) -> tuple[int, dict[str, Any]]:
    """Status and document of an answer after which the server hangs up."""
    async with asyncio.timeout(30):
        head, _, body = (await streams[0].read()).partition(b"\r\n\r\n")
    assert b"\r\nConnection: close" in head
    return int(head.split()[1]), json.loads(body)


async def test_an_address_has_so_many_and_others_have_theirs(serve: Serve, slow: Slow) -> None:
    slow.may_answer.set()
    connect = await serve(Crowd(2))
    one, _two = await connect(), await connect()
    status, told = await problem(await connect())
    assert (status, told["code"]) == (429, "rate_limited")
    assert told["request_id"].startswith("req_")
    assert await greeted(await connect("127.0.0.2"))
    # The first ones go on, and one that is closed makes room.
    assert await greeted(one)
    one[1].close()
    assert await greeted(await connect("127.0.0.3"))
    assert await greeted(await connect())


async def test_a_proxy_speaks_for_many(serve: Serve, slow: Slow) -> None:
    slow.may_answer.set()
    connect = await serve(Crowd(1, uncounted=(ip_network("127.0.0.0/8"),)))
    for streams in [await connect() for _ in range(5)]:
        assert await greeted(streams)


async def test_where_all_are_taken_who_has_waited_longest_makes_room(serve: Serve, slow: Slow) -> None:
    slow.may_answer.set()
    connect = await serve(Crowd(10, in_all=3))
    first, second, third = [await connect(first=b"GET / HT") for _ in range(3)]
    second[1].write(b"TP/1.1\r\nHost: localhost\r\n\r\n")
    await second[0].readuntil(b"hello")
    assert await greeted(await connect())
    assert await first[0].read() == b""
    # Who was answered waits anew; a piece more of a head is no answer.
    third[1].write(b"T")
    assert await greeted(await connect())
    assert await third[0].read() == b""
    assert await greeted(second)


async def test_work_is_never_broken_off_for_others(serve: Serve, slow: Slow) -> None:
    connect = await serve(Crowd(10, in_all=1))
    busy = await connect(first=REQUEST)
    await slow.asked.wait()
    status, told = await problem(await connect())
    assert (status, told["code"]) == (503, "not_accepting")
    slow.may_answer.set()
    async with asyncio.timeout(30):
        assert (await busy[0].readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")


async def test_the_daemon_has_the_configured_limit(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon({"limits.http_connections_per_ip": 1})
    await daemon.start()
    port = daemon.ports["http"]
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    status, told = await problem(streams[1])
    assert (status, told["code"]) == (429, "rate_limited")
    for _, writer in streams:
        writer.close()
