"""Questions that people ask about the log: the latest of a kind, how many since when. Reads `events` only."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from relay.events.kinds import EventKind
from relay.events.log import SELECT, Event, from_row
from relay.store.database import Reader


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are meant; what is empty does not narrow it."""

    kinds: tuple[EventKind, ...] = ()
    mailbox_id: str | None = None
    message_id: str | None = None


_WANTED = (
    "($1 = '[]' or kind in (select value from {each:$1})) and ($2 = '' or mailbox_id = $2)"
    " and ($3 = '' or message_id = $3)"
)


async def latest(reader: Reader, wanted: Filter, limit: int) -> list[Event]:
    """The last `limit` events that are meant, oldest first."""
    rows = await reader.fetch_all(
        f"{SELECT} where {_WANTED} order by seq desc limit $4", *_arguments(wanted), limit
    )
    return [from_row(row) for row in reversed(rows)]


async def after(reader: Reader, wanted: Filter, seq: int, limit: int) -> list[Event]:
    """Up to `limit` events behind `seq` that are meant, oldest first."""
    rows = await reader.fetch_all(
        f"{SELECT} where {_WANTED} and seq > $4 order by seq limit $5", *_arguments(wanted), seq, limit
    )
    return [from_row(row) for row in rows]


async def counts(reader: Reader, since: int) -> dict[str, int]:
    """How many of each kind there have been from `since` (microseconds) on."""
    rows = await reader.fetch_all(
        "select kind, count(*) as events from events where at >= $1 group by kind", since
    )
    return {row["kind"]: row["events"] for row in rows}


def kinds_named(text: str) -> Sequence[EventKind]:
    """The kind of that name, or all of a noun (`message`); empty when there is none."""
    return [kind for kind in EventKind if text in (kind.value, kind.value.partition(".")[0])]


def _arguments(wanted: Filter) -> tuple[str, str, str]:
    names = json.dumps([kind.value for kind in wanted.kinds])
    return names, wanted.mailbox_id or "", wanted.message_id or ""
