"""Mail that did not travel: messages and events as the other rooms write them, counted by hand besides."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from relay.address import parse_address
from relay.analytics.counting import COUNTED
from relay.analytics.rollup import Rollup
from relay.clock import to_us
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id, new_number
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.database import Database, Transaction
from tests.fakes.clock import FakeClock

HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was taken on, and its recipients: number and address."""

    message: Message
    recipients: tuple[tuple[int, str], ...]


@dataclass(slots=True)
class Ledger:
    """Writes mail and what becomes of it for one tenant."""

    db: Database
    clock: FakeClock
    tenant_id: str
    written: list[str] = field(default_factory=list)

    async def accept(self, *addresses: str, mailbox: str = "inb_1", **facts: Any) -> Sent:
        """A message to these recipients, which travels from now on."""
        now = to_us(self.clock.now())
        message = Message(
            **{
                "id": new_id("msg", self.clock),
                "tenant_id": self.tenant_id,
                "mailbox_id": mailbox,
                "direction": "out",
                "source": "test",
                "reverse_path": parse_address("app@ours.test"),
                "header_from": "app@ours.test",
                "subject": "s",
                "message_id": "<1@ours.test>",
                "size": 10,
                "body_size": 1,
                "created_at": now,
                "released_at": now,
                "signing_domain": "ours.test",
                **facts,
            }
        )
        await self.db.transact(lambda tx: spool.insert(tx, message, StoredContent(b"", b"", None)))
        sent = Sent(message, tuple((new_number(self.clock), address) for address in addresses))
        await self._write(sent, EventKind.MESSAGE_ACCEPTED, None, {"recipients": len(addresses)})
        return sent

    async def ends(self, sent: Sent, kind: EventKind, *, which: int = 0, attempt: int = 1) -> None:
        """An attempt at a recipient ends so, as `dispatch.settle` writes it."""
        number, address = sent.recipients[which]
        data = {"recipient": address, "attempt": attempt, "dialogue": [], "mx": "mx.test"}
        await self._write(sent, EventKind.MESSAGE_SENT, number, {"recipient": address, "attempt": attempt})
        await self._write(sent, kind, number, data)

    async def happens(self, sent: Sent, kind: EventKind, *, which: int = 0, **data: Any) -> None:
        """Something that is no attempt's end: opened, complained, bounced late."""
        number, address = sent.recipients[which]
        await self._write(sent, kind, number, {"recipient": address, **data})

    async def _write(self, sent: Sent, kind: EventKind, number: int | None, data: dict[str, Any]) -> None:
        async def work(tx: Transaction) -> None:
            await log.append(
                tx,
                self.clock,
                kind,
                tenant_id=self.tenant_id,
                mailbox_id=sent.message.mailbox_id,
                message_id=sent.message.id,
                recipient_id=number,
                data=data,
            )

        await self.db.transact(work)


async def count(rollup: Rollup) -> None:
    """To the end of the log."""
    while await rollup.step():
        pass


Table = dict[tuple[str, str, str, int], dict[str, int]]


async def table(db: Database, tenant_id: str) -> Table:
    """Every row of the tenant's figures: by span, facet, value and its beginning, what is not zero."""
    rows = await db.fetch_all("select * from figures where tenant_id = $1", tenant_id)
    return {
        (row["span"], row["facet"], row["value"], row["starts"]): {
            name: row[name] for name in COUNTED if row[name]
        }
        for row in rows
    }


async def times(db: Database, tenant_id: str) -> Counter[tuple[str, str, str, int, int]]:
    """Every row of the tenant's histograms."""
    rows = await db.fetch_all("select * from figure_times where tenant_id = $1", tenant_id)
    return Counter(
        {
            (row["span"], row["facet"], row["value"], row["starts"], row["bucket"]): row["times"]
            for row in rows
        }
    )


async def total(db: Database, tenant_id: str, facet: str = "all", value: str = "") -> dict[str, int]:
    """What is counted in all days together."""
    found: Counter[str] = Counter()
    for (span, named, of, _), counts in (await table(db, tenant_id)).items():
        if (span, named, of) == ("day", facet, value):
            found.update(counts)
    return dict(found)
