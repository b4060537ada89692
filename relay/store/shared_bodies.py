"""Keep bodies that are too large for a row where every node can read them: in parts, in the store itself.

The parts are committed before the row that names them, so dying in between
leaves parts that no row names, and `sweep` takes them away once they are old.
Who reads a body gets a file: a copy beside the node, made again when needed.
"""

import itertools
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from relay.clock import Clock, from_us, span_us, to_us
from relay.store.bodies import BodyBytes, chunks_of, name_of, remove_unfinished
from relay.store.copies import CopyingShelf
from relay.store.database import Database, Transaction

# Parts that share a commit; a part is what `chunks_of` says.
_AT_ONCE: Final = 4


class SharedShelf(CopyingShelf):
    """The rows of `body_chunks`, and copies of them below `<data_dir>/body-copies`."""

    directory = "body-copies"

    def __init__(self, data_dir: Path, clock: Clock, db: Database) -> None:
        super().__init__(data_dir, clock, trouble=db.note_trouble)
        self._db = db

    async def drop(self, name: str) -> None:
        async def work(tx: Transaction) -> None:
            await tx.execute("delete from body_chunks where name = $1", name)

        await self._db.transact(work, side_by_side=True)
        await self._remove(name)

    async def sweep(self, known: Callable[[], Awaitable[set[str]]], older_than: timedelta) -> list[str]:
        """Remove parts older than that which no row names, and copies that nobody used for as long."""
        border = to_us(self._clock.now()) - span_us(older_than)
        rows = await self._db.fetch_all(
            "select name from body_chunks where place = 0 and created_at < $1", border
        )
        orphans = sorted({row["name"] for row in rows} - await known())
        for name in orphans:
            await self.drop(name)
        unused = from_us(border).timestamp()
        await self._remove_unused(unused)
        await self._off_loop(lambda: remove_unfinished(self.incoming, unused))
        return orphans

    async def _keep_large(self, body: BodyBytes, message_id: str) -> str:
        name, now = name_of(message_id), to_us(self._clock.now())
        parts = enumerate(chunks_of(body))
        while batch := await self._off_loop(lambda: list(itertools.islice(parts, _AT_ONCE))):

            async def work(tx: Transaction, batch: list[tuple[int, bytes]] = batch) -> None:
                await tx.execute_many(
                    "insert into body_chunks (name, place, octets, created_at) values ($1, $2, $3, $4)"
                    " on conflict (name, place) do update set octets = excluded.octets",
                    [(name, place, octets, now) for place, octets in batch],
                )

            await self._db.transact(work, side_by_side=True)
        return name

    async def _write_copy(self, name: str, unfinished: Path) -> bool:
        for place in itertools.count():
            row = await self._db.fetch_one(
                "select octets from body_chunks where name = $1 and place = $2", name, place
            )
            if row is None:
                return place > 0
            octets: bytes = row["octets"]
            await self._off_loop(partial(_append, unfinished, octets))
        raise AssertionError("unreachable")


def _append(unfinished: Path, octets: bytes) -> None:
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
        file.write(octets)
