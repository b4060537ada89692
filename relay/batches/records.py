"""Batches and the places of their emails. Owns the tables `batches` and `batch_items`.

The places are there before the first email is taken, and each is filled in
the transaction that takes its email: whoever goes on after a crash takes
only what has no result yet.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from relay.clock import Clock, to_us
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction

REFUSED = "refused"
_TAKING = "taking"

_COLUMNS = "id, tenant_id, mailbox_id, is_test, total, created_at, completed_at, reach, has_key"
_SELECT = f"select {_COLUMNS} from batches"  # noqa: S608 - the columns are ours


@dataclass(frozen=True, slots=True)
class Batch:
    """`mailbox_id` is the one inbox that the asking key is bound to, `reach` all that it is bound to.

    `has_key`: the same request can come again, and completes it. Instants are microseconds.
    """

    id: str
    tenant_id: str
    mailbox_id: str | None
    is_test: bool
    total: int
    created_at: int
    completed_at: int | None = None
    reach: str | None = None
    has_key: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """What was said of one email when it was decided: `status` is None until then.

    `problem` is JSON, for one that is `refused`.
    """

    position: int
    status: str | None = None
    message_id: str | None = None
    problem: str | None = None


def new_batch(
    clock: Clock,
    tenant_id: str,
    mailbox_id: str | None,
    total: int,
    *,
    is_test: bool,
    reach: str | None = None,
    has_key: bool = False,
) -> Batch:
    """One that is to be written."""
    return Batch(
        id=new_id("bat", clock),
        tenant_id=tenant_id,
        mailbox_id=mailbox_id,
        is_test=is_test,
        total=total,
        created_at=to_us(clock.now()),
        reach=reach,
        has_key=has_key,
    )


async def insert(tx: Transaction, batch: Batch) -> None:
    """The batch with its places, all of them empty."""
    await tx.execute(
        f"insert into batches ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, null, $7, $8)",  # noqa: S608
        batch.id,
        batch.tenant_id,
        batch.mailbox_id,
        int(batch.is_test),
        batch.total,
        batch.created_at,
        batch.reach,
        int(batch.has_key),
    )
    await tx.execute_many(
        "insert into batch_items (batch_id, position, tenant_id) values ($1, $2, $3)",
        [(batch.id, position, batch.tenant_id) for position in range(batch.total)],
    )


async def find(reader: Reader, tenant_id: str, batch_id: str) -> Batch | None:
    """A tenant's batch."""
    row = await reader.fetch_one(f"{_SELECT} where id = $1 and tenant_id = $2", batch_id, tenant_id)
    return _batch(row) if row else None


async def items(reader: Reader, batch_id: str) -> list[Item]:
    """Every place, in order."""
    rows = await reader.fetch_all(
        "select position, status, message_id, problem from batch_items where batch_id = $1 order by position",
        batch_id,
    )
    return [Item(row["position"], row["status"], row["message_id"], row["problem"]) for row in rows]


async def empty_places(reader: Reader, batch_id: str) -> list[int]:
    """The places that have no result, in order."""
    rows = await reader.fetch_all(
        "select position from batch_items where batch_id = $1 and status is null order by position", batch_id
    )
    return [row["position"] for row in rows]


async def claim(tx: Transaction, batch_id: str, positions: Sequence[int]) -> set[int]:
    """Those of the places that are empty still; nobody else fills them before this transaction ends."""
    rows = await tx.fetch_all(
        "update batch_items set status = $1 where batch_id = $2 and status is null"
        " and position in (select value from {each_number:$3}) returning position",
        _TAKING,
        batch_id,
        json.dumps(list(positions)),
    )
    return {row["position"] for row in rows}


async def fill(tx: Transaction, batch_id: str, results: Iterable[Item]) -> None:
    """Write down the results of places that were claimed."""
    await tx.execute_many(
        "update batch_items set status = $1, message_id = $2, problem = $3"
        " where batch_id = $4 and position = $5",
        [(item.status, item.message_id, item.problem, batch_id, item.position) for item in results],
    )


async def complete(tx: Transaction, clock: Clock, batch_id: str) -> bool:
    """The batch is complete if no place is empty; whether it is so by this."""
    return bool(
        await tx.execute(
            "update batches set completed_at = $1 where id = $2 and completed_at is null"
            " and not exists (select 1 from batch_items i where i.batch_id = $2 and i.status is null)",
            to_us(clock.now()),
            batch_id,
        )
    )


async def begun_before(reader: Reader, without_key: int, with_key: int, limit: int) -> list[Batch]:
    """Those that are not complete, oldest first: begun before one instant without a key, another with one."""
    rows = await reader.fetch_all(
        f"{_SELECT} where completed_at is null and (has_key = 0 and created_at < $1 or created_at < $2)"
        " order by created_at limit $3",
        without_key,
        with_key,
        limit,
    )
    return [_batch(row) for row in rows]


async def refuse_rest(tx: Transaction, batch_id: str, problem: str) -> int:
    """Give every place that is empty still this problem; returns how many there were."""
    return await tx.execute(
        "update batch_items set status = $1, problem = $2 where batch_id = $3 and status is null",
        REFUSED,
        problem,
        batch_id,
    )


async def counts(reader: Reader, batch_id: str) -> Mapping[str | None, int]:
    """How many places have which result; None for those that have none."""
    rows = await reader.fetch_all(
        "select status, count(*) as found from batch_items where batch_id = $1 group by status", batch_id
    )
    return Counter({row["status"]: row["found"] for row in rows})


async def states(reader: Reader, batch_id: str) -> dict[str, set[str]]:
    """The states that the recipients of each message are in now."""
    rows = await reader.fetch_all(
        "select distinct r.message_id, r.state from recipients r where r.message_id in"
        " (select i.message_id from batch_items i where i.batch_id = $1 and i.message_id is not null)",
        batch_id,
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["message_id"], set()).add(row["state"])
    return found


async def purge(tx: Transaction, before: int, limit: int) -> int:
    """Forget up to `limit` batches that were made before `before` (microseconds); returns how many went."""
    rows = await tx.fetch_all(
        "select id from batches where created_at < $1 order by created_at limit $2", before, limit
    )
    ids = json.dumps([row["id"] for row in rows])
    await tx.execute("delete from batch_items where batch_id in (select value from {each:$1})", ids)
    return await tx.execute("delete from batches where id in (select value from {each:$1})", ids)


def _batch(row: Row) -> Batch:
    return Batch(
        id=row["id"],
        tenant_id=row["tenant_id"],
        mailbox_id=row["mailbox_id"],
        is_test=bool(row["is_test"]),
        total=row["total"],
        created_at=row["created_at"],
        completed_at=row["completed_at"],
        reach=row["reach"],
        has_key=bool(row["has_key"]),
    )
