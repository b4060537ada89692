"""Whose turn it is to do what only one node should: read received mail, say.

A turn is a lease that its holder keeps up while it goes on. Two may hold one
for a moment, when the first stood still past the end of its lease: what is
done under a turn must be right then too, it only saves the second the work.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from relay.clock import Clock, span_us, to_us
from relay.store.database import Database, Transaction

LEASE: Final = timedelta(seconds=60)
PREFIX: Final = "turn:"


@dataclass(slots=True)
class Turn:
    """One kind of work, as this node sees it. One process owns a SQLite store: there it has every turn."""

    db: Database
    clock: Clock
    what: str
    # What we wrote when we last took or kept it: the instant at which it ends, and the proof that it is ours.
    _until: int = field(default=0)

    async def is_ours(self) -> bool:
        """Take it if nobody has it, keep it if we do."""
        if self.db.engine == "sqlite":
            return True
        now = to_us(self.clock.now())
        if now < self._until - span_us(LEASE) // 2:
            return True
        until = now + span_us(LEASE)

        async def work(tx: Transaction) -> int:
            return await tx.execute(
                "insert into cursors (name, seq) values ($1, $2) on conflict (name) do update"
                " set seq = excluded.seq where cursors.seq < $3 or cursors.seq = $4",
                PREFIX + self.what,
                until,
                now,
                self._until,
            )

        self._until = until if await self.db.transact(work, side_by_side=True) else 0
        return bool(self._until)

    async def give_up(self) -> None:
        """Let another node have it at once."""
        if not self._until:
            return
        held, self._until = self._until, 0

        async def work(tx: Transaction) -> None:
            await tx.execute(
                "update cursors set seq = 0 where name = $1 and seq = $2", PREFIX + self.what, held
            )

        await self.db.transact(work, side_by_side=True)
