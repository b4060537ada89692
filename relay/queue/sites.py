"""Which node serves a destination: one at a time, so that what it knows of the far side and its limits hold.

A lease is taken with the claim that needs it and goes on while there is
work. Owns the table `site_leases`, which only a store of many nodes has.
"""

import json
from collections.abc import Collection

from relay.store.database import Transaction


async def take(tx: Transaction, destination: str, *, node: str, now: int, until: int) -> bool:
    """Lease the destination to `node`; False, and nothing is changed, while another has it."""
    taken = await tx.execute(
        "insert into site_leases (destination, node, until) values ($1, $2, $3)"
        " on conflict (destination) do update set node = excluded.node, until = excluded.until"
        " where site_leases.node = excluded.node or site_leases.until < $4",
        destination,
        node,
        until,
        now,
    )
    return bool(taken)


async def extend(tx: Transaction, node: str, destinations: Collection[str], until: int) -> set[str]:
    """Keep these for longer; returns those of them that are still the node's."""
    rows = await tx.fetch_all(
        "update site_leases set until = $1 where node = $2"
        " and destination in (select value from {each:$3}) returning destination",
        until,
        node,
        json.dumps(sorted(destinations)),
    )
    return {row["destination"] for row in rows}


async def release(tx: Transaction, node: str, destinations: Collection[str] | None = None) -> None:
    """Give these, or all that the node has, to whoever comes first."""
    await tx.execute(
        "delete from site_leases where node = $1 and ($2 = '' or destination in"
        " (select value from {each:$3}))",
        node,
        "" if destinations is None else "some",
        json.dumps(sorted(destinations or ())),
    )


async def forget(tx: Transaction, before: int) -> None:
    """Remove the leases that ended before then: their nodes are gone or have no mail there."""
    await tx.execute("delete from site_leases where until < $1", before)
