"""Questions that people ask about the log: the latest of a kind, how many since when. Reads `events` only."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay.clock import from_us
from relay.events.kinds import EventKind
from relay.events.log import SELECT, Event, from_row
from relay.store.database import Reader
from relay.store.text import among


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are meant; what is empty does not narrow it."""

    kinds: tuple[EventKind, ...] = ()
    mailbox_id: str | None = None
    message_id: str | None = None
    tenant_id: str | None = None
    is_test: bool | None = None
    mailbox_ids: tuple[str, ...] | None = None  # None: of all, and of none


_WANTED = (
    "($1 = '[]' or kind in (select value from {each:$1})) and ($2 = '' or mailbox_id = $2)"
    " and ($3 = '' or message_id = $3) and ($4 = '' or tenant_id = $4) and ($5 < 0 or is_test = $5)"
    " and ($6 = '[0]' or mailbox_id in (select value from {each:$6}))"
)
# What the log keeps as microseconds.
_INSTANTS = frozenset({"release_at", "next_attempt_at", "missing_since"})


async def latest(reader: Reader, wanted: Filter, limit: int) -> list[Event]:
    """The last `limit` events that are meant, oldest first."""
    rows = await reader.fetch_all(
        f"{SELECT} where {_WANTED} and {{settled_events}} order by seq desc limit $7",
        *_arguments(wanted),
        limit,
    )
    return [from_row(row) for row in reversed(rows)]


async def after(reader: Reader, wanted: Filter, seq: int, limit: int) -> list[Event]:
    """Up to `limit` events behind `seq` that are meant, oldest first."""
    rows = await reader.fetch_all(
        f"{SELECT} where {_WANTED} and seq > $7 and {{settled_events}} order by seq limit $8",
        *_arguments(wanted),
        seq,
        limit,
    )
    return [from_row(row) for row in rows]


async def page(
    reader: Reader, wanted: Filter, limit: int, *, before: int | None = None, beyond: int = 0
) -> list[Event]:
    """Up to `limit` events that are meant, newest first: those before one seq and beyond another."""
    rows = await reader.fetch_all(
        f"{SELECT} where {_WANTED} and ($7 = 0 or seq < $7) and seq > $8 order by seq desc limit $9",
        *_arguments(wanted),
        before or 0,
        beyond,
        limit,
    )
    return [from_row(row) for row in rows]


async def seq_of(reader: Reader, tenant_id: str, event_id: str) -> int | None:
    """Where an event of the tenant stands in the log; None when it is not there (any more)."""
    row = await reader.fetch_one(
        "select seq from events where id = $1 and tenant_id = $2", event_id, tenant_id
    )
    return row["seq"] if row else None


def readable(data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data with its instants as aware datetimes."""
    return {
        key: from_us(value) if key in _INSTANTS and isinstance(value, int) else value
        for key, value in data.items()
    }


async def counts(reader: Reader, since: int) -> dict[str, int]:
    """How many of each kind there have been from `since` (microseconds) on, without trials."""
    rows = await reader.fetch_all(
        "select kind, count(*) as events from events where at >= $1 and is_test = 0 group by kind", since
    )
    return {row["kind"]: row["events"] for row in rows}


def kinds_named(text: str) -> Sequence[EventKind]:
    """The kind of that name, or all of a noun (`message`); empty when there is none."""
    return [kind for kind in EventKind if text in (kind.value, kind.value.partition(".")[0])]


def _arguments(wanted: Filter) -> tuple[str, str, str, str, int, str]:
    names = json.dumps([kind.value for kind in wanted.kinds])
    is_test = -1 if wanted.is_test is None else int(wanted.is_test)
    reached = among(wanted.mailbox_ids)
    return names, wanted.mailbox_id or "", wanted.message_id or "", wanted.tenant_id or "", is_test, reached
