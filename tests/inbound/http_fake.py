"""An HTTP server on loopback that gives one answer and remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class HttpFake:
    """`answer` is what goes over the wire, whole; None says nothing at all."""

    answer: bytes | None
    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def fields(self) -> list[str]:
        """The header of the only request, line by line."""
        (request,) = self.requests
        return request.partition(b"\r\n\r\n")[0].decode().split("\r\n")

    @property
    def body(self) -> bytes:
        (request,) = self.requests
        return request.partition(b"\r\n\r\n")[2]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            self.requests.append(head + await reader.readexactly(int(size.partition(b":")[2])))
            if self.answer is None:
                await self.may_answer.wait()
            else:
                writer.write(self.answer)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def http_fake(answer: bytes | None) -> AsyncIterator[HttpFake]:
    """Serves until the block ends."""
    fake = HttpFake(answer)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        fake.may_answer.set()
        server.close()


def json_answer(text: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
