"""Destinations that are left in peace until a time, because nobody could be reached there.

One row, however much waits behind it: the mail keeps its own due time and is
shown and claimed as of the end of the rest. Owns the table `site_rests`.
"""

import json
from collections.abc import Collection

from relay.store.database import Transaction

# The destination of what goes by a smarthost, whatever stands in its address.
SMARTHOST = ""
# Where the mail of test keys goes, whomever it names: no far side in trouble, no smarthost, holds it up.
TRIALS = "trials.invalid"


def resting(column: str) -> str:
    """Which rests keep mail waiting whose destination stands in `column`."""
    return f"(w.destination in ({column}, case when {column} = '{TRIALS}' then {column} else '' end))"


_FOR_ROW = (
    f"(select max(w.until) from site_rests w where {resting('recipients.destination')}"
    " and recipients.is_local = 0 and recipients.unfinished = 0"
    " and recipients.state in ('queued', 'deferred') and w.until > recipients.due_at)"
)
# When a recipient is tried next, in place of the column `due_at`.
DUE_AT = f"coalesce({_FOR_ROW}, due_at)"


async def begin(tx: Transaction, destination: str, *, now: int, until: int) -> None:
    """Leave `destination` in peace until then (µs); rests that are over are forgotten."""
    await tx.execute(
        "delete from site_rests where destination in"
        " (select destination from site_rests where until < $1 and destination <> $2 {lock})",
        now,
        destination,
    )
    await tx.execute(
        "insert into site_rests (destination, until) values ($1, $2)"
        " on conflict (destination) do update set until = excluded.until"
        " where site_rests.until < excluded.until",
        destination,
        until,
    )


async def end(tx: Transaction, destinations: Collection[str] | None = None) -> None:
    """These, or all, are tried again when their mail is due; a smarthost's rest ends with any."""
    await tx.execute(
        "delete from site_rests where destination in (select destination from site_rests"
        " where $1 = '' or destination = '' or destination in (select value from {each:$2}) {lock})",
        "" if destinations is None else "some",
        json.dumps(sorted(destinations or ())),
    )


async def cut(tx: Transaction, latest: int) -> None:
    """End what would last beyond the latest instant that can have been meant: the clock was ahead."""
    await tx.execute(
        "delete from site_rests where destination in"
        " (select destination from site_rests where until > $1 {lock})",
        latest,
    )
