"""A client that keeps honest books: several connections, many messages each, until told to stop."""

import asyncio
import base64
import random
from dataclasses import dataclass, field

from tests.fakes.daemon import APPLICATION, OURS, Daemon
from tests.nodes.ledger import Ledger, Letter

MESSAGES_PER_CONNECTION = 20
GIVES_UP = 0.3  # of the messages whose 250 did not come are not offered again

# Nobody's mailbox, so that notices leave the house and are counted.
REPORTS_TO = f"load@{OURS}"


class NotNow(Exception):
    """The server is shutting down, or gone."""


class PutOff(NotNow):
    """The server said later (4xx)."""


@dataclass(slots=True)
class Generator:
    """Offers letters to the daemon; each with its own recipients and body.

    `name` begins their ids, where several generators share a ledger. With
    `rest` seconds before it comes back, a 4xx counts as a daemon that is gone.
    """

    daemon: Daemon
    ledger: Ledger
    random: random.Random
    sites: dict[str, int]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = ""
    rest: float | None = None
    _count: int = 0

    async def run(self, connections: int) -> None:
        """Until `stopping`; what is under way then is finished."""
        await asyncio.gather(*(self._client() for _ in range(connections)))

    async def _client(self) -> None:
        letter: Letter | None = None
        while letter is not None or not self.stopping.is_set():
            try:
                session = await Session.open(self.daemon, takes_4xx=self.rest is not None)
            except (OSError, EOFError, NotNow):
                await self._come_back()
                continue
            try:
                for _ in range(MESSAGES_PER_CONNECTION):
                    if letter is None and self.stopping.is_set():
                        break
                    letter = letter or self._letter()
                    await session.send(letter)
                    self.ledger.acknowledge(letter)
                    letter = None
                await session.quit()
            except (OSError, EOFError, NotNow):
                if self.random.random() < GIVES_UP:
                    letter = None
                await self._come_back()
            finally:
                session.close()

    async def _come_back(self) -> None:
        if self.rest is not None:
            await asyncio.sleep(self.rest)

    def _letter(self) -> Letter:
        self._count += 1
        number = f"{self.name}{self._count:06}"
        (site,) = self.random.choices(list(self.sites), list(self.sites.values()))
        recipients = [f"r{number}@{site}"]
        if self.random.random() < 0.2:
            recipients += [f"second{number}@{site}", f"third{number}@{self.random.choice(list(self.sites))}"]
        size = 200_000 if self.random.random() < 0.02 else self.random.randrange(100, 8_000)
        text = base64.b64encode(self.random.randbytes(size * 3 // 4))
        lines = [text[start : start + 76] for start in range(0, len(text), 76)] + [b".", b"..two", b""]
        header = (
            f"From: Load <{APPLICATION}>\r\nTo: {', '.join(recipients)}\r\nSubject: {number}\r\n"
            f"Date: Mon, 02 Mar 2026 09:00:00 +0000\r\nMessage-ID: <{number}@load.test>\r\n\r\n"
        )
        letter = Letter(number, tuple(recipients), header.encode() + b"\r\n".join(lines) + b"\r\n")
        self.ledger.offer(letter)
        return letter


@dataclass(slots=True)
class Session:
    """One submission session, a command at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    takes_4xx: bool = False

    @classmethod
    async def open(
        cls,
        daemon: Daemon,
        *,
        login: str = APPLICATION,
        password: str | None = None,
        takes_4xx: bool = False,
    ) -> "Session":
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.ports["submission"])
        session = cls(reader, writer, takes_4xx)
        try:
            await session.hear(b"220")
            await session.say(b"EHLO load.test", b"250")
            plain = base64.b64encode(f"\0{login}\0{password or daemon.password}".encode())
            await session.say(b"AUTH PLAIN " + plain, b"235")
        except BaseException:
            session.close()
            raise
        return session

    async def send(self, letter: Letter, reverse_path: str = REPORTS_TO) -> None:
        """Returns after the 250 was read."""
        await self.say(f"MAIL FROM:<{reverse_path}>".encode(), b"250")
        for recipient in letter.recipients:
            await self.say(f"RCPT TO:<{recipient}>".encode(), b"250")
        await self.say(b"DATA", b"354")
        lines = letter.content.split(b"\r\n")
        wire = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)
        self.writer.write(wire + b".\r\n")
        await self.writer.drain()
        await self.hear(b"250 2.0.0 queued as msg_")

    async def quit(self) -> None:
        await self.say(b"QUIT", b"221")

    async def say(self, line: bytes, expected: bytes) -> None:
        self.writer.write(line + b"\r\n")
        await self.hear(expected)

    async def hear(self, expected: bytes) -> None:
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
