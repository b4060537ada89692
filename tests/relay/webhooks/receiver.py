"""An endpoint on loopback: keeps every request, answers as it is told.

receiver = await Receiver.start()
receiver.answers(500, 500, then=204)
receiver.url                          # http://127.0.0.1:<port>/hook
"""

import asyncio
import json
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Request:
    """What came over the wire; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event


class Receiver:
    """One HTTP server. While `hold` is cleared, requests are read and not answered."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.port = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self._came = asyncio.Event()
        self._then = _answer(204)
        self._next: deque[bytes] = deque()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, tls: ssl.SSLContext | None = None) -> Self:
        self = cls()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.requests]

    async def has(self, count: int) -> None:
        """Return when so many requests have come."""
        while len(self.requests) < count:
            self._came.clear()
            await self._came.wait()

    def answers(self, *statuses: int, then: int | None = None, **headers: str) -> None:
        """These in turn, then `then`, or the last of them for ever."""
        wires = [_answer(status, **headers) for status in statuses]
        self._then = _answer(then) if then is not None else wires[-1]
        self._next = deque(wires)

    def says(self, wire: bytes) -> None:
        """These octets, for ever."""
        self._next, self._then = deque(), wire

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            self.requests.append(await _read(reader))
            self._came.set()
            await self.hold.wait()
            writer.write(self._next.popleft() if self._next else self._then)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side, or the test, is done
        finally:
            self._tasks.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *fields = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Request(line, headers, await reader.readexactly(int(headers["content-length"])))


def _answer(status: int, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", "Content-Length: 0"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()
