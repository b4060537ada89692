"""Passages of the log that somebody asks for again: events named by id, or of a span of time."""

import json
from collections.abc import Sequence

from relay.events.log import SELECT, Event, from_row
from relay.store.database import Reader


async def with_ids(reader: Reader, tenant_id: str, event_ids: Sequence[str]) -> list[Event]:
    """The tenant's events of these ids, oldest first; what is nobody's or another's is left out."""
    rows = await reader.fetch_all(
        f"{SELECT} where tenant_id = $1 and id in (select value from {{each:$2}}) order by seq",  # noqa: S608
        tenant_id,
        json.dumps(list(event_ids)),
    )
    return [from_row(row) for row in rows]


async def between(
    reader: Reader, tenant_id: str, since: int, until: int, *, after_seq: int, limit: int
) -> list[Event]:
    """The tenant's events from `since` to before `until` (microseconds) behind `after_seq`, oldest first."""
    rows = await reader.fetch_all(
        f"{SELECT} where tenant_id = $1 and at >= $2 and at < $3 and seq > $4 order by seq limit $5",
        tenant_id,
        since,
        until,
        after_seq,
        limit,
    )
    return [from_row(row) for row in rows]
