"""The HTTP listener hangs up on who is slow with what nobody waits for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import h11
import pytest

from relay.daemon.crowd import Crowd
from relay.daemon.http import HttpServer, _WholeAnswers, bind

Serve = Callable[[float], Awaitable[int]]

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def says_hello(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()  # the request is whole; then the client has gone
        assert (await receive())["type"] == "http.disconnect"
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve with that many seconds for a head; the port."""
    servers = []

    async def start(head_seconds: float) -> int:
        sock = bind("127.0.0.1", 0)
        server = HttpServer(says_hello, [sock], Crowd(100), head_seconds=head_seconds)
        servers.append(server)
        await server.start()
        port: int = sock.getsockname()[1]
        return port

    yield start
    for server in servers:
        await server.stop(timedelta(seconds=5))


async def talk(port: int, first: bytes, *rest: bytes) -> bytes:
    """Send a piece, and each of the rest after an answer; all that comes until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = b""
    try:
        writer.write(first)
        async with asyncio.timeout(30):
            for piece in rest:
                answers += await reader.readuntil(b"hello")
                writer.write(piece)
            return answers + await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("head", [b"", b"G", HEAD], ids=["silence", "a letter", "a part"])
async def test_a_head_that_does_not_come_is_not_waited_for(serve: Serve, head: bytes) -> None:
    assert await talk(await serve(0.05), head) == b""


async def test_the_second_head_has_its_time_too(serve: Serve) -> None:
    answer = await talk(await serve(0.05), HEAD + b"\r\n", HEAD)
    assert answer.count(b"hello") == 1


async def test_a_body_that_nobody_reads_is_not_waited_for(serve: Serve) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nnobo"
    answer = await talk(await serve(0.05), chunked, b"dy")
    assert answer.count(b"hello") == 1


async def test_who_is_quick_is_served_again_and_again(serve: Serve) -> None:
    last = HEAD + b"Connection: close\r\n\r\n"
    answer = await talk(await serve(3600.0), HEAD + b"\r\n", HEAD + b"\r\n", last)
    assert answer.count(b"hello") == 3


def test_an_answer_is_given_out_whole() -> None:
    written = list[bytes]()
    connection = _WholeAnswers(h11.SERVER)
    connection.receive_data(HEAD + b"\r\n")
    assert isinstance(connection.next_event(), h11.Request)
    head = h11.Response(status_code=200, headers=[("Content-Length", "5")])
    for event in (head, h11.Data(data=b"hello"), h11.EndOfMessage()):
        written += [octets for octets in [connection.send(event)] if octets]
    (answer,) = written
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nhello")


async def test_an_answer_that_is_all_head_is_given_out(serve: Serve) -> None:
    answer = await talk(
        await serve(3600.0), b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")


async def test_the_head_of_a_stream_does_not_wait_for_its_first_piece(serve: Serve) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", await serve(3600.0))
    writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(30):
        assert b"chunked" in await reader.readuntil(b"\r\n\r\n")
    writer.close()
