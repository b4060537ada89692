"""What the simulator took, as it came over the wire. Owns the table `caught`.

The body is kept once, with the message that it is of; retention may forget it
before the thirty days are over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from relay.clock import Clock, from_us, to_us
from relay.ids import new_id
from relay.store.database import Database, Reader, Row, Transaction
from relay.store.text import among

KEPT: Final = timedelta(days=30)
BATCH: Final = 1000

_COLUMNS = "id, tenant_id, mailbox_id, message_id, at, reverse_path, recipients, subject, size, header"
_SELECT = f"select {_COLUMNS} from caught"  # noqa: S608 - the columns are ours
_OF_MAILBOX = "tenant_id = $1 and ($2 = '[0]' or mailbox_id in (select value from {each:$2}))"


@dataclass(frozen=True, slots=True)
class Caught:
    """One transaction that ended with 250. `recipients` are those of this transaction alone."""

    id: str
    tenant_id: str
    mailbox_id: str | None
    message_id: str
    at: datetime
    reverse_path: str
    recipients: tuple[str, ...]
    subject: str
    size: int
    header: bytes


def new_catch_id(clock: Clock) -> str:
    return new_id("cat", clock)


async def insert(tx: Transaction, caught: Caught) -> None:
    """Keep it."""
    await tx.execute(
        f"insert into caught ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",  # noqa: S608
        caught.id,
        caught.tenant_id,
        caught.mailbox_id,
        caught.message_id,
        to_us(caught.at),
        caught.reverse_path,
        msgspec.json.encode(caught.recipients).decode(),
        caught.subject,
        caught.size,
        caught.header,
    )


async def find(
    reader: Reader, tenant_id: str, caught_id: str, mailbox_ids: Sequence[str] | None = None
) -> Caught | None:
    """The tenant's, or only that mailbox's, of that id."""
    row = await reader.fetch_one(
        f"{_SELECT} where {_OF_MAILBOX} and id = $3",
        tenant_id,
        among(mailbox_ids),
        caught_id,
    )
    return _from_row(row) if row else None


async def page(
    reader: Reader,
    tenant_id: str,
    *,
    limit: int = 50,
    before_id: str | None = None,
    mailbox_ids: Sequence[str] | None = None,
    message_id: str | None = None,
) -> Sequence[Caught]:
    """What was caught, newest first; `before_id` is the last one of the page before."""
    rows = await reader.fetch_all(
        f"{_SELECT} where {_OF_MAILBOX} and ($3 = '' or message_id = $3) and ($4 = '' or id < $4)"
        " order by id desc limit $5",
        tenant_id,
        among(mailbox_ids),
        message_id or "",
        before_id or "",
        limit,
    )
    return [_from_row(row) for row in rows]


async def clear(
    tx: Transaction, tenant_id: str, mailbox_ids: Sequence[str] | None = None, caught_id: str | None = None
) -> int:
    """Forget all of the tenant's, or only that mailbox's, or one; returns how many went."""
    return await tx.execute(
        f"delete from caught where {_OF_MAILBOX} and ($3 = '' or id = $3)",  # noqa: S608 - the words are ours
        tenant_id,
        among(mailbox_ids),
        caught_id or "",
    )


async def clear_old(db: Database, clock: Clock) -> None:
    """Forget what was caught more than thirty days ago, in parts, so that nobody's write waits long."""
    before = to_us(clock.now() - KEPT)

    async def work(tx: Transaction) -> int:
        return await tx.execute(
            "delete from caught where id in (select id from caught where at < $1 order by at limit $2)",
            before,
            BATCH,
        )

    while await db.transact(work, lengthy=True) == BATCH:
        pass


def _from_row(row: Row) -> Caught:
    return Caught(
        id=row["id"],
        tenant_id=row["tenant_id"],
        mailbox_id=row["mailbox_id"],
        message_id=row["message_id"],
        at=from_us(row["at"]),
        reverse_path=row["reverse_path"],
        recipients=msgspec.json.decode(row["recipients"], type=tuple[str, ...]),
        subject=row["subject"],
        size=row["size"],
        header=bytes(row["header"]),
    )
