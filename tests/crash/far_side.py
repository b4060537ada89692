"""What the daemon sends to: exchangers that are slow, refuse, put off or hang up, and a webhook endpoint."""

import asyncio
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from tests.crash.ledger import Ledger
from tests.fakes.daemon import OURS
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import Answer, Deed, FarMx

OK = "250 2.0.0 ok"
_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
REFUSING = "refusing.test"
# How often each is written to.
SITES: Mapping[str, int] = {"fast.test": 10, "slow.test": 1, "grey.test": 2, REFUSING: 2, "closing.test": 2}


@dataclass(slots=True)
class FarSide:
    """Everybody out there; what they take is written into the ledger."""

    exchangers: list[FarMx] = field(default_factory=list)
    port: int = 0
    webhooks: "WebhookSink | None" = None

    @classmethod
    async def open(cls, dns: FakeDns, ledger: Ledger, rng: random.Random) -> Self:
        """One exchanger for each site, on loopback addresses of their own, and what reports come back to."""
        self = cls()
        for number, site in enumerate(SITES, start=1):
            mx = await FarMx.start(f"127.0.0.{number}", self.port)
            mx.on_message = ledger.arrive
            self.port = mx.port
            self.exchangers.append(mx)
            dns.mx(site, (10, f"mx.{site}"))
            dns.address(f"mx.{site}", mx.host)
            _teach(mx, site, rng)
        dns.mx(OURS, (10, "mx.fast.test"))
        self.webhooks = await WebhookSink.start(ledger)
        return self

    @property
    def url(self) -> str:
        """Where webhooks are to be posted."""
        assert self.webhooks is not None
        return f"http://127.0.0.1:{self.webhooks.port}/"

    async def falls_silent(self) -> None:
        """Wait until what a dead daemon sent has been read, so that all of it is in the books."""
        async with asyncio.timeout(30):
            for mx in self.exchangers:
                await mx.everybody_leaves()

    async def close(self) -> None:
        for mx in self.exchangers:
            await mx.stop()
        if self.webhooks is not None:
            self.webhooks.close()


def _teach(mx: FarMx, site: str, rng: random.Random) -> None:
    if site == "slow.test":
        mx.reads_slowly(every=0.05)
    elif site == REFUSING:
        mx.answers("RCPT", "550 5.1.1 nobody of that name")
    elif site == "grey.test":
        later = _sometimes("451 4.7.1 greylisted", rng)
        mx.answers("RCPT", later[0], then=later[1:])
    elif site == "closing.test":
        hangs_up = _sometimes(Deed.CLOSE, rng)
        mx.answers(".", hangs_up[0], then=hangs_up[1:])


def _sometimes(answer: Answer, rng: random.Random) -> list[Answer]:
    """One in three of the next two thousand; then all is well."""
    return [*(answer if rng.random() < 1 / 3 else OK for _ in range(2000)), OK]


@dataclass(slots=True)
class WebhookSink:
    """Takes every post, and writes its event's id down before it answers."""

    ledger: Ledger
    port: int = 0
    _server: asyncio.Server | None = None

    @classmethod
    async def start(cls, ledger: Ledger) -> Self:
        self = cls(ledger)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _LENGTH.search(head)
            assert found is not None
            self.ledger.is_told(json.loads(await reader.readexactly(int(found[1])))["id"])
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()
