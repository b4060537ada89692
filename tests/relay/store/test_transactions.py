"""What a transaction promises: whole or not at all, and each for itself."""

import asyncio

from relay.store.database import Transaction
from relay.store.sqlite import SqliteDatabase


async def test_two_hundred_concurrent_increments_end_at_two_hundred(db: SqliteDatabase) -> None:
    async def increment(tx: Transaction) -> None:
        row = await tx.fetch_one("select seq from cursors where name = $1", "count")
        assert row is not None
        await tx.execute("update cursors set seq = $1 where name = $2", row["seq"] + 1, "count")

    await db.transact(lambda tx: tx.execute("insert into cursors (name, seq) values ($1, $2)", "count", 0))
    await asyncio.gather(*(db.transact(increment) for _ in range(200)))

    row = await db.fetch_one("select seq from cursors where name = $1", "count")
    assert row is not None
    assert row["seq"] == row[0] == 200
