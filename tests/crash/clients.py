"""The three doors as a client uses them: SMTP submission, the MX port, and POST with an Idempotency-Key.

Each call returns only after the answer that acknowledges was read; NotNow
means that there was none, and nobody knows.
"""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from tests.crash.ledger import Letter
from tests.fakes.daemon import APPLICATION, OURS

# Nobody's mailbox, so that notices leave the house and are counted.
REPORTS_TO = f"load@{OURS}"
STRANGER = "ann@stranger.test"


class NotNow(Exception):
    """The server is shutting down, or gone."""


class PutOff(NotNow):
    """The server said later (4xx), to a client that takes that for an answer."""


@dataclass(slots=True)
class SmtpClient:
    """One SMTP session, a command at a time; `handing_in` is called before the final dot goes out."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sender: str
    taken: bytes
    takes_4xx: bool = False

    @classmethod
    async def submission(
        cls,
        port: int,
        password: str,
        *,
        login: str = APPLICATION,
        sender: str = REPORTS_TO,
        takes_4xx: bool = False,
    ) -> Self:
        """A session that has logged in."""
        plain = b"AUTH PLAIN " + base64.b64encode(f"\0{login}\0{password}".encode())
        return await cls._open(port, sender, b"250 2.0.0 queued as msg_", plain, takes_4xx=takes_4xx)

    @classmethod
    async def mx(cls, port: int) -> Self:
        """A session of some far server with our MX."""
        return await cls._open(port, STRANGER, b"250 2.0.0 received as msg_")

    @classmethod
    async def _open(
        cls, port: int, sender: str, taken: bytes, login: bytes = b"", *, takes_4xx: bool = False
    ) -> Self:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        client = cls(reader, writer, sender, taken, takes_4xx)
        try:
            await client._hear(b"220")
            await client._say(b"EHLO load.test", b"250")
            if login:
                await client._say(login, b"235")
        except BaseException:
            client.close()
            raise
        return client

    async def send(self, letter: Letter, handing_in: Callable[[Letter], None] = lambda _: None) -> None:
        """Returns after the 250 was read."""
        await self._say(f"MAIL FROM:<{self.sender}>".encode(), b"250")
        for recipient in letter.recipients:
            await self._say(f"RCPT TO:<{recipient}>".encode(), b"250")
        await self._say(b"DATA", b"354")
        lines = letter.content.split(b"\r\n")
        wire = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)
        handing_in(letter)
        self.writer.write(wire + b".\r\n")
        await self.writer.drain()
        await self._hear(self.taken)

    async def quit(self) -> None:
        await self._say(b"QUIT", b"221")

    async def _say(self, line: bytes, expected: bytes) -> None:
        self.writer.write(line + b"\r\n")
        await self._hear(expected)

    async def _hear(self, expected: bytes) -> None:
        while True:
            line = await self.reader.readline()
            if not line or line.startswith(b"421"):
                raise NotNow(line)
            if self.takes_4xx and line.startswith(b"4"):
                raise PutOff(line)
            if not line.startswith(expected[:3]) or (line[3:4] == b" " and not line.startswith(expected)):
                raise AssertionError(f"expected {expected!r}, heard {line!r}")
            if line[3:4] == b" ":
                return

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass(slots=True)
class HttpClient:
    """One kept connection to the API."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    key: str

    @classmethod
    async def open(cls, port: int, key: str) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port), key)

    async def send(self, letter: Letter, handing_in: Callable[[Letter], None]) -> None:
        """Returns after the 201 was read; the letter's id is its Idempotency-Key."""
        document = {"to": list(letter.recipients), "subject": letter.id, "text": letter.content.decode()}
        body = json.dumps(document).encode()
        head = (
            f"POST /v1/inboxes/{APPLICATION}/messages HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {self.key}\r\nIdempotency-Key: {letter.id}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        handing_in(letter)
        self.writer.write(head.encode() + body)
        await self.writer.drain()
        status = await self.reader.readline()
        if not status.startswith(b"HTTP/1.1 "):
            raise NotNow(status)
        length = 0
        while (line := await self.reader.readline()).strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        answer = await self.reader.readexactly(length)
        if status.split()[1] != b"201":
            raise AssertionError(f"{status!r}: {answer!r}")

    async def quit(self) -> None:
        """Nothing needs to be said."""

    def close(self) -> None:
        self.writer.transport.abort()


Client = SmtpClient | HttpClient
