"""A sink that notes when each message's last octet has come in, by its Message-ID."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from relay.clock import SystemClock

CLOCK = SystemClock()
_EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN\r\n"
_NAMED = re.compile(rb"^message-id:\s*<(\d+)@load\.test>", re.IGNORECASE | re.MULTILINE)


@dataclass(slots=True)
class Arrivals:
    """Monotonic seconds by the number in the Message-ID."""

    port: int
    seen: dict[int, float] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, content: bytes, at: float) -> None:
        if found := _NAMED.search(content):
            self.seen.setdefault(int(found[1]), at)
            self._news.set()

    async def reach(self, count: int, limit: float = 60) -> None:
        """Wait until so many different ones are in; TimeoutError after `limit` seconds."""
        async with asyncio.timeout(limit):
            while len(self.seen) < count:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def arrivals() -> AsyncIterator[Arrivals]:
    """One that listens on 127.0.0.1 until the block ends."""
    noted = Arrivals(0)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Session(noted), "127.0.0.1", 0, backlog=1024)
    noted.port = server.sockets[0].getsockname()[1]
    try:
        yield noted
    finally:
        server.close()


class _Session(asyncio.Protocol):
    """Says yes to everything, also to commands that came together (RFC 2920)."""

    def __init__(self, noted: Arrivals) -> None:
        self._noted = noted
        self._held = b""
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        at = CLOCK.monotonic()
        self._held += data
        while True:
            end = b"\r\n.\r\n" if self._in_data else b"\r\n"
            taken, found, rest = self._held.partition(end)
            if not found:
                return
            self._held = rest
            if self._in_data:
                self._noted.note(taken, at)
                self._in_data = False
                self._transport.write(b"250 2.0.0 Ok\r\n")
            else:
                self._answer(taken[:4].upper())

    def _answer(self, verb: bytes) -> None:
        if verb == b"DATA":
            self._in_data = True
            self._transport.write(b"354 End with a dot\r\n")
        elif verb == b"QUIT":
            self._transport.write(b"221 2.0.0 Bye\r\n")
            self._transport.close()
        else:
            self._transport.write(_EHLO if verb == b"EHLO" else b"250 2.0.0 Ok\r\n")
