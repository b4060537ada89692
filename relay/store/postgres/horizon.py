"""How far the log is complete: up to there no event is still to come, whoever writes.

A number is drawn before its commit, so a transaction may commit 8 while 7 is
still to come, from one that began before it or after it. A look notes the
last number that was drawn, and then who is writing: whoever drew a number up to
there has ended or is among them. When all of those have ended, the log
is complete that far.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

_DRAWN = "select case when is_called then last_value else 0 end from events_in_order"
# Every transaction that writes holds a lock on its own number, from before its first write until it ends.
_WRITING = (
    "select l.virtualtransaction from pg_locks l join pg_stat_activity a on a.pid = l.pid"
    " where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted"
    " and a.datname = current_database()"
)


@dataclass(slots=True)
class Horizon:
    """What one process knows of it; it only grows."""

    _seq: int = 0
    _drawn: int = 0
    _awaited: frozenset[str] = frozenset()
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self, connection: Any) -> int:
        """Outside of a transaction: a question that is asked afterwards sees every event up to there."""
        async with self._looking:
            if self._awaited:
                self._awaited &= await self._writing(connection)
            if not self._awaited:
                self._seq = self._drawn
                self._drawn = await connection.fetchval(_DRAWN)
                self._awaited = await self._writing(connection)
                if not self._awaited:
                    self._seq = self._drawn
            return self._seq

    async def _writing(self, connection: Any) -> frozenset[str]:
        return frozenset(row[0] for row in await connection.fetch(_WRITING))
