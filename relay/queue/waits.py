"""No wait is longer than the longest that is ever ordered.

What seems to be was written while the clock was ahead, and the clock has been
set back since: without a look at that, mail would wait for as long as the
clock was wrong.
"""

from dataclasses import dataclass

from relay.queue import rests
from relay.store.database import Transaction

_BEYOND = "state in ('queued', 'deferred') and unfinished {how} 0 and due_at > $2"


@dataclass(frozen=True, slots=True)
class Limits:
    """The latest instants that can have been meant: for a next attempt, and for the end of a lease (µs)."""

    due_at: int
    lease_until: int


async def cut_waits(tx: Transaction, limits: Limits, *, now: int, lease_until: int) -> int:
    """What would wait beyond `limits` is due now, or leased until `lease_until`; returns how many waits."""
    await tx.execute(
        "update recipients set lease_until = $1 where state = 'leased' and lease_until > $2",
        lease_until,
        limits.lease_until,
    )
    await rests.cut(tx, limits.due_at)
    waiting, suspects = (_BEYOND.format(how=how) for how in ("=", ">"))
    return await tx.execute(
        "update recipients set due_at = $1 where id in ("
        f"select id from recipients where {waiting} union all select id from recipients where {suspects})",
        now,
        limits.due_at,
    )
