"""Clients that keep honest books: several at each door, many messages each, until told to stop."""

import asyncio
import base64
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.crash.clients import STRANGER, Client, HttpClient, NotNow, SmtpClient
from tests.crash.ledger import Door, Ledger, Letter
from tests.fakes.daemon import APPLICATION, Daemon

MESSAGES_PER_CONNECTION = 20
GIVES_UP = 0.3  # of the messages whose answer did not come are not offered again
CLIENTS: Mapping[Door, int] = {"smtp": 5, "api": 2, "mx": 2}
INBOX = "desk@inside.test"
_TROUBLE = (OSError, EOFError, NotNow)


@dataclass(slots=True)
class Generator:
    """Offers letters to the daemon; each with its own recipients and body.

    `sites` says how often each is written to, `large` which share of letters
    is too long for a row of the store. What refuses recipients is written to by
    SMTP alone, because its notices come back to an address that we watch.
    `name` begins the letters' ids where several share a ledger. With `rest`
    seconds before a client comes back, a 4xx counts as a daemon that is gone.
    Who is `unbounded` needs nobody's grant.
    """

    daemon: Daemon
    ledger: Ledger
    random: random.Random
    sites: Mapping[str, int]
    refusing: str = ""
    key: str = ""
    large: float = 0.02
    clients: Mapping[Door, int] = field(default_factory=lambda: CLIENTS)
    name: str = ""
    rest: float | None = None
    unbounded: bool = False
    stopping: bool = False
    _count: int = 0
    _granted: int = 0
    _may_go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def grant(self, letters: int) -> None:
        """From now on so many new letters may be begun."""
        self._granted = letters
        self._may_go_on.set()

    def stop(self) -> None:
        """Begin no more."""
        self.stopping = True
        self._may_go_on.set()

    async def run(self) -> None:
        """Until `stop`; what is under way then is finished."""
        doors: list[Door] = [door for door, count in self.clients.items() for _ in range(count)]
        await asyncio.gather(*(self._client(door) for door in doors))

    async def _client(self, door: Door) -> None:
        letter: Letter | None = None
        while letter is not None or not self.stopping:
            await self._turn(letter)
            try:
                client = await self._open(door)
            except _TROUBLE:
                await self._come_back()
                continue
            try:
                for _ in range(MESSAGES_PER_CONNECTION):
                    await self._turn(letter)
                    if letter is None and self.stopping:
                        break
                    letter = letter or self._letter(door)
                    await client.send(letter, self.ledger.hand_in)
                    self.ledger.acknowledge(letter)
                    letter = None
                await client.quit()
            except _TROUBLE:
                if self.random.random() < GIVES_UP:
                    letter = None
                await self._come_back()
            finally:
                client.close()

    async def _come_back(self) -> None:
        if self.rest is not None:
            await asyncio.sleep(self.rest)

    async def _open(self, door: Door) -> Client:
        ports = self.daemon.ports
        if door == "api":
            return await HttpClient.open(ports["http"], self.key)
        if door == "mx":
            return await SmtpClient.mx(ports["inbound"])
        return await SmtpClient.submission(
            ports["submission"], self.daemon.password, takes_4xx=self.rest is not None
        )

    async def _turn(self, letter: Letter | None) -> None:
        """Wait until a new letter may be begun; one that is under way waits for nobody."""
        while letter is None and not (self._granted or self.unbounded or self.stopping):
            self._may_go_on.clear()
            await self._may_go_on.wait()

    def _letter(self, door: Door) -> Letter:
        self._count += 1
        self._granted -= 1
        number = f"{self.name}{door[0]}{self._count:06}"
        recipients = (INBOX,) if door == "mx" else self._recipients(door, number)
        size = 150_000 if self.random.random() < self.large else self.random.randrange(100, 8_000)
        text = base64.b64encode(self.random.randbytes(size * 3 // 4))
        lines = [text[start : start + 76] for start in range(0, len(text), 76)]
        if door == "api":
            content = b"\n".join(lines) + b"\n"
        else:
            content = self._header(door, number, recipients) + b"\r\n".join([*lines, b".", b"..two", b""])
            content += b"\r\n"
        letter = Letter(number, recipients, content, door)
        self.ledger.offer(letter)
        return letter

    def _recipients(self, door: Door, number: str) -> tuple[str, ...]:
        sites = {site: often for site, often in self.sites.items() if door == "smtp" or site != self.refusing}
        (site,) = self.random.choices(list(sites), list(sites.values()))
        if self.random.random() < 0.8:
            return (f"r{number}@{site}",)
        other = self.random.choice(list(sites))
        return (f"r{number}@{site}", f"second{number}@{site}", f"third{number}@{other}")

    def _header(self, door: Door, number: str, recipients: tuple[str, ...]) -> bytes:
        author = STRANGER if door == "mx" else APPLICATION
        return (
            f"From: Load <{author}>\r\nTo: {', '.join(recipients)}\r\nSubject: {number}\r\n"
            f"Date: Mon, 02 Mar 2026 09:00:00 +0000\r\nMessage-ID: <{number}@load.test>\r\n\r\n"
        ).encode()
