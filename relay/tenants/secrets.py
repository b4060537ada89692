"""Secrets that the house makes for itself and nobody types in. Owns the table `secrets`."""

import secrets

from relay.clock import Clock, to_us
from relay.store.database import Database, Transaction


async def get_or_create_secret(db: Database, clock: Clock, name: str, size: int) -> bytes:
    """The secret called `name`; made of `size` octets of chance the first time, the same ever after."""

    async def work(tx: Transaction) -> bytes:
        await tx.execute(
            "insert into secrets (name, value, created_at) values ($1, $2, $3) on conflict (name) do nothing",
            name,
            secrets.token_bytes(size),
            to_us(clock.now()),
        )
        row = await tx.fetch_one("select value from secrets where name = $1", name)
        assert row is not None
        return bytes(row["value"])

    row = await db.fetch_one("select value from secrets where name = $1", name)
    return bytes(row["value"]) if row else await db.transact(work)
