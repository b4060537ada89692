"""Counters for people: what happened today and in the last hour, what waits, how the store is."""

import asyncio
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from relay.clock import from_us, to_us
from relay.control.context import Context
from relay.control.registry import Nothing, operation
from relay.events import listing
from relay.policy import days
from relay.queue import records as queue
from relay.queue.state import State

COUNTED = ("accepted", "delivered", "deferred", "bounced", "expired", "suppressed", "received")


@operation("stats", Nothing)
async def stats(context: Context, _: Nothing) -> dict[str, Any]:
    """`accepted` and `received` count messages, the others recipients; a day begins in `cap_timezone`."""
    now, zone = context.clock.now(), context.station.config.policy.cap_timezone
    return {
        "at": now,
        "today": await _counts(context, days.start_of(days.day_of(now, zone), zone)),
        "last_hour": await _counts(context, now - timedelta(hours=1)),
        "queue": await _queue(context),
        "store": await store_facts(context),
        "daemon": context.has_daemon,
    }


async def _counts(context: Context, since: datetime) -> dict[str, Any]:
    found = await listing.counts(context.db, to_us(since))
    return {"since": since, **{name: found.get(f"message.{name}", 0) for name in COUNTED}}


async def _queue(context: Context) -> dict[str, Any]:
    depth = await queue.depth(context.db)
    by_state = dict.fromkeys((state.value for state in State if state in _WAITING), 0)
    for _, state, recipients, _ in depth:
        by_state[state] += recipients
    return {
        "recipients": sum(by_state.values()),
        "by_state": by_state,
        "destinations": [
            {
                "destination": destination,
                "status": state,
                "recipients": recipients,
                "oldest_at": from_us(oldest),
            }
            for destination, state, recipients, oldest in depth
        ],
    }


async def store_facts(context: Context) -> dict[str, Any]:
    """Where the store is, how large, and whether it takes mail."""
    config = context.station.config
    file, data_dir = config.store_file, config.server.data_dir
    if file is not None:
        size, bodies = await asyncio.to_thread(_sizes, context, file)
    else:
        size, bodies = await _sizes_at_server(context)
    return {
        "path": str(file or "PostgreSQL"),
        "size": size,
        "bodies": bodies,
        # Where mail stands while it comes in, if the store is elsewhere.
        "free": shutil.disk_usage(file.parent if file is not None else data_dir).free,
        "accepting": context.db.accepting,
        "trouble": context.db.trouble,
    }


def _sizes(context: Context, file: Path) -> tuple[int, int]:
    """Octets of the store with its log, and of the body files beside it."""
    bodies = context.station.config.server.data_dir / "bodies"
    size = sum(_size(file.with_name(file.name + end)) for end in ("", "-wal"))
    return size, sum(_size(bodies / name) for name in context.station.shelf.names())


async def _sizes_at_server(context: Context) -> tuple[int, int]:
    """Octets of everything in the database, and of the large bodies among it."""
    row = await context.db.fetch_one(
        "select pg_database_size(current_database()) as size, pg_total_relation_size('body_chunks') as bodies"
    )
    return (row["size"], row["bodies"]) if row else (0, 0)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # gone meanwhile
        return 0


_WAITING = (State.SCHEDULED, State.QUEUED, State.LEASED, State.DEFERRED, State.HELD)
