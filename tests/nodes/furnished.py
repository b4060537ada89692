"""An SQLite deployment with mail in every state, as a move finds it: no daemon runs."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.clock import to_us
from relay.config import Config
from relay.queue import claims
from relay.queue.state import State
from relay.store.database import Transaction
from relay.tenants.tenants import DEFAULT_TENANT
from relay.webhooks import deliveries, endpoint_changes
from relay.webhooks.endpoint_changes import NewEndpoint
from relay.webhooks.outbox import Outbox
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.flows.house import FAR, OURS, House, Sent, configuration, letter, open_house
from tests.flows.letters import received, written

ME = f"app@{OURS}"
SLOW = "slow.example"
LARGE = b"0123456789abcde\r\n" * 20_000
HOOK = "https://hooks.example/mail"


@dataclass(slots=True)
class Deployment:
    """One data directory, and what was put into its store: messages by the state that they are in."""

    data_dir: Path
    clock: FakeClock
    dns: FakeDns
    mx: FarMx
    sent: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)

    def config(self, **settings: Any) -> Config:
        return configuration(self.data_dir, self.dns, self.mx, settings)

    @asynccontextmanager
    async def opened(self, **settings: Any) -> AsyncIterator[House]:
        """The house on its store, or with `store.url` on another."""
        async with AsyncExitStack() as stack:
            house = await open_house(stack, self.config(**settings), self.clock, self.dns, self.mx)
            house.passwords.update(self.passwords)
            yield house

    async def furnish(self) -> None:
        """Mail that is delivered, scheduled, deferred, held, queued and leased; letters; a webhook."""
        for far in (FAR, SLOW):
            self.dns.mx(far, (10, f"mx.{FAR}"))
        self.dns.address(f"mx.{FAR}", "127.0.0.1")
        async with self.opened() as house:
            await house.domain(OURS)
            await house.mailbox(ME)
            await house.station.db.transact(self._add_hook)
            await self._receive(house)
            await self._send(house)
            while await Outbox(house.station.db, self.clock).step():
                pass
            await house.station.db.transact(self._lease_posts)
            self.passwords.update(house.passwords)
        self.mx.behaves()
        self.mx.received.clear()

    async def _receive(self, house: House) -> None:
        await received(house, written(subject="Umbrella", body="Käse aus Zürich\r\n"))
        await received(house, written(subject="Hat", body="Something else\r\n"))

    async def _send(self, house: House) -> None:
        self._keep("delivered", await house.submit(message=_message("delivered")))
        await house.run_until_idle()
        self.mx.answers("RCPT", "450 4.2.0 not now")
        self._keep("deferred", await house.submit(message=_message("deferred") + LARGE))
        await house.run_until_idle()
        later = b"X-Posthouse-Send-At: 2026-03-02T12:30:00Z\r\n" + _message("scheduled")
        self._keep("scheduled", await house.submit(message=later))
        self._keep("held", await house.submit(message=_message("held")))
        await _set(house, self.sent["held"], "state = 'held', reason = 'operator', due_at = null")
        self._keep("leased", await house.submit(message=_message("leased"), to=f"bob@{SLOW}"))
        await house.station.db.transact(lambda tx: self._lease(tx, house.station.node))
        self._keep("queued", await house.submit(message=_message("queued") + LARGE))

    def _keep(self, name: str, sent: Sent) -> None:
        self.sent[name] = sent.id

    async def _lease(self, tx: Transaction, node: str) -> None:
        now = to_us(self.clock.now())
        for site in (await claims.survey(tx)).sites:
            if site.destination == SLOW:
                await claims.claim_due(tx, site, limit=10, owner=node, now=now, until=now + 10**9)

    async def _add_hook(self, tx: Transaction) -> None:
        wanted = NewEndpoint(url=HOOK, events=("message.*",))
        await endpoint_changes.create(tx, self.clock, DEFAULT_TENANT, wanted)

    async def _lease_posts(self, tx: Transaction) -> None:
        """As a daemon leaves one that died while it posted."""
        now = to_us(self.clock.now())
        (row,) = await tx.fetch_all("select id from webhook_endpoints")
        await deliveries.claim(tx, row["id"], limit=1, now=now, until=now + 10**9)


def _message(name: str) -> bytes:
    return letter(ME, f"ann@{FAR}", subject=name, body="")


async def _set(house: House, message_id: str, values: str) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(f"update recipients set {values} where message_id = $1", message_id)  # noqa: S608

    await house.station.db.transact(work)


async def states(house: House) -> dict[str, State]:
    """Of every recipient, by the subject of its message."""
    rows = await house.station.db.fetch_all(
        "select m.subject, r.state from recipients r join messages m on m.id = r.message_id"
    )
    return {row["subject"]: State(row["state"]) for row in rows}


async def wait_for_reader(fifo: Path) -> int:
    """Return when somebody reads that FIFO; the end to write to, which is the caller's to close."""
    return await asyncio.to_thread(os.open, fifo, os.O_WRONLY)
