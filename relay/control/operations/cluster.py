"""The nodes of one store: who is there, who holds what, what lags behind, and taking one out of service.

The SQL stands here because it looks across rooms; it only reads.
"""

import asyncio
from datetime import datetime
from typing import Any, Final

from relay.clock import from_us, to_us
from relay.control.context import Context
from relay.control.operations.stats import store_facts
from relay.control.registry import Arguments, Nothing, operation
from relay.errors import InvalidInput
from relay.events import audit, log
from relay.events.turns import PREFIX
from relay.ids import new_id
from relay.nodes import records
from relay.nodes.records import Node
from relay.queue.rests import DUE_AT
from relay.store.database import Transaction
from relay.version import __version__

# A row that proves the store writable, not a reader of the log.
_NO_READER: Final = "watchdog"
_LEASES: Final = (
    "select lease_owner as node, count(*) as recipients, min(lease_until) as first_ends_at"
    " from recipients where state = 'leased' group by lease_owner order by lease_owner"
)
_OLDEST_DUE: Final = (
    "select min(due_at) as at from recipients where state in ('queued', 'deferred') and due_at <= $1"  # noqa: S608
    f" and {DUE_AT} <= $1"
)
_ARRIVALS: Final = (
    "select count(*) as waiting, min(m.created_at) as at"
    " from arrivals a join messages m on m.id = a.message_id"
)
_POSTS: Final = (
    "select sum(case when state = 'leased' then 1 else 0 end) as leased,"
    " min(case when state = 'due' and due_at <= $1 then due_at end) as at"
    " from webhook_deliveries where state in ('due', 'leased')"
)
_READERS: Final = "select name, seq from cursors where name not like $1 and name <> $2 order by name"
# By the server's own clock, which began them.
_TRANSACTION: Final = (
    "select pid, application_name, coalesce(state, '') as state,"
    " cast(extract(epoch from clock_timestamp() - xact_start) * 1000 as bigint) as ms"
    " from pg_stat_activity where datname = current_database() and xact_start is not null"
    " and pid <> pg_backend_pid() order by xact_start limit 1"
)
ALONE: Final = "one node has an SQLite store: stop the service instead (PostgreSQL lets several share one)"


class NamedNode(Arguments, frozen=True):
    """`node` is a name, or how only one of them begins."""

    node: str


@operation("cluster.status", Nothing)
async def status(context: Context, _: Nothing) -> dict[str, Any]:
    """Everything at one glance; `oldest_transaction` is None where there is no server or nothing is open."""
    now = to_us(context.clock.now())
    leases = {row["node"]: row for row in await context.db.fetch_all(_LEASES)}
    nodes = await _nodes(context)
    return {
        "at": context.clock.now(),
        "engine": context.db.engine,
        "this_node": context.station.node,
        "nodes": [_node_dict(node, now, leases.pop(node.name, None)) for node in nodes],
        # Of nodes that nobody remembers; they run out.
        "other_leases": [_lease_dict(row) for row in leases.values()],
        "lag": await _lag(context, now),
        "oldest_transaction": await _oldest_transaction(context),
        "store": await store_facts(context),
    }


@operation("cluster.drain", NamedNode)
async def drain(context: Context, wanted: NamedNode) -> dict[str, Any]:
    """The node takes no more work from within seconds on, until it is resumed."""
    return await _set_drain(context, wanted.node, wanted=True)


@operation("cluster.resume", NamedNode)
async def resume(context: Context, wanted: NamedNode) -> dict[str, Any]:
    """The node takes work again."""
    return await _set_drain(context, wanted.node, wanted=False)


async def _set_drain(context: Context, name: str, *, wanted: bool) -> dict[str, Any]:
    if context.db.engine == "sqlite":
        raise InvalidInput(ALONE)
    node = await records.find(context.db, name)

    async def work(tx: Transaction) -> None:
        before = await records.find(tx, node.name)
        await records.set_drain(tx, context.clock, node.name, wanted=wanted)
        if wanted is not (before.drain_at is not None):
            await _tell(tx, context, node.name, wanted=wanted)

    await context.db.transact(work, side_by_side=True)
    return _node_dict(await records.find(context.db, node.name), to_us(context.clock.now()), None)


async def _tell(tx: Transaction, context: Context, name: str, *, wanted: bool) -> None:
    """A node is no tenant's: the audit log has it with the house's own."""
    await audit.note(
        tx,
        context.clock,
        new_id("aud", context.clock),
        "node.drained" if wanted else "node.resumed",
        tenant_id=context.tenant_id,
        target=name,
        data={"node": name},
        before={"is_to_drain": not wanted},
        after={"is_to_drain": wanted},
    )


async def _nodes(context: Context) -> list[Node]:
    if context.db.engine == "postgresql":
        return await records.list_all(context.db)
    now = to_us(context.clock.now())
    stopped_at = None if context.has_daemon else now
    return [Node(context.station.node, __version__, (), 0, now, now, stopped_at=stopped_at)]


async def _lag(context: Context, now: int) -> dict[str, Any]:
    """How long the longest overdue waits, and how far readers of the log are behind its end."""
    rows = await asyncio.gather(
        context.db.fetch_one(_OLDEST_DUE, now),
        context.db.fetch_one(_ARRIVALS),
        context.db.fetch_one(_POSTS, now),
    )
    due, arrivals, posts = rows
    assert due is not None
    assert arrivals is not None
    assert posts is not None
    last = await log.last_seq(context.db)
    readers = await context.db.fetch_all(_READERS, f"{PREFIX}%", _NO_READER)
    return {
        "oldest_due_at": _instant(due["at"]),
        "unread": arrivals["waiting"],
        "oldest_unread_at": _instant(arrivals["at"]),
        "oldest_post_due_at": _instant(posts["at"]),
        "posts_leased": int(posts["leased"] or 0),
        "events_behind": {row["name"]: max(0, last - row["seq"]) for row in readers},
    }


async def _oldest_transaction(context: Context) -> dict[str, Any] | None:
    if context.db.engine == "sqlite":
        return None
    row = await context.db.fetch_one(_TRANSACTION)
    if row is None:
        return None
    return {
        "process": row["pid"],
        "session": row["application_name"],
        "state": row["state"],
        "age_seconds": row["ms"] / 1000,
    }


def _node_dict(node: Node, now: int, lease: Any) -> dict[str, Any]:
    return {
        "name": node.name,
        "status": node.status(now).value,
        "version": node.version,
        "roles": list(node.roles),
        "process": node.process or None,
        "started_at": _instant(node.started_at) if node.process else None,
        "seen_at": _instant(node.seen_at),
        "drain_at": _instant(node.drain_at),
        "drained_at": _instant(node.drained_at),
        "leases": lease["recipients"] if lease else 0,
        "first_lease_ends_at": _instant(lease["first_ends_at"]) if lease else None,
    }


def _lease_dict(row: Any) -> dict[str, Any]:
    return {
        "name": row["node"],
        "leases": row["recipients"],
        "first_lease_ends_at": _instant(row["first_ends_at"]),
    }


def _instant(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)
