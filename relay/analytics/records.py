"""The rows of figures. Owns the tables `figures`, `figure_times` and `figure_marks`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from relay.analytics.counting import COUNTED, Facet, Mark, Span, Tally
from relay.store.database import Reader, Row, Transaction, Value
from relay.store.text import storable_json

_PLACE = "tenant_id, span, facet, value, starts"
_COLUMNS = f"{_PLACE}, {', '.join(COUNTED)}"
_PLACES = ", ".join(f"${number}" for number in range(1, 6 + len(COUNTED)))
_ADD = (
    f"insert into figures ({_COLUMNS}) values ({_PLACES}) on conflict ({_PLACE}) do update set "  # noqa: S608
    + ", ".join(f"{name} = figures.{name} + excluded.{name}" for name in COUNTED)
)
_ADD_TIMES = (
    f"insert into figure_times ({_PLACE}, bucket, times) values ($1, $2, $3, $4, $5, $6, $7)"  # noqa: S608
    f" on conflict ({_PLACE}, bucket) do update set times = figure_times.times + excluded.times"
)
_SUMS: Final = ", ".join(f"coalesce(sum({name}), 0) as {name}" for name in COUNTED)
_WHERE = "tenant_id = $1 and span = $2 and facet = $3 and starts >= $4 and starts < $5"
_ROWS_OF: Final = {"figures": "starts", "figure_times": "starts", "figure_marks": "at"}

Counts = Mapping[str, int]


async def add(tx: Transaction, tally: Tally) -> None:
    """Add what was counted; always in one order, so that two who add never wait in a ring."""
    rows: list[Sequence[Value]] = [
        (*place, *(counts[name] for name in COUNTED)) for place, counts in sorted(tally.rows().items())
    ]
    await tx.execute_many(_ADD, rows)
    await tx.execute_many(
        _ADD_TIMES, [(*place, bucket, times) for (place, bucket), times in sorted(tally.times().items())]
    )


async def mark(tx: Transaction, tenant_ids: Mapping[Mark, tuple[str, int]]) -> set[Mark]:
    """Remember that these have been counted, each with its tenant and instant; returns those that had not."""
    rows = await tx.fetch_all(
        "insert into figure_marks (tenant_id, who, what, at) select tenant_id, who, what, at"
        " from {rows:$1, tenant_id text, who text, what text, at bigint} where true"
        " on conflict do nothing returning who, what",
        storable_json(
            [
                {"tenant_id": tenant_id, "who": one.who, "what": one.what, "at": at}
                for one, (tenant_id, at) in sorted(tenant_ids.items())
            ]
        ),
    )
    return {Mark(row["who"], row["what"]) for row in rows}


async def values_of_day(reader: Reader, tenant_id: str, facet: Facet, day: int) -> set[str]:
    """Under which values of a facet something is counted on a day."""
    rows = await reader.fetch_all(
        "select value from figures where tenant_id = $1 and span = 'day' and facet = $2 and starts = $3",
        tenant_id,
        facet,
        day,
    )
    return {row["value"] for row in rows}


async def sums(
    reader: Reader, tenant_id: str, span: Span, facet: Facet, since: int, until: int, values: Iterable[str]
) -> dict[str, Counts]:
    """What is counted from `since` to before `until`, by value; of all values, if none is named."""
    rows = await reader.fetch_all(
        f"select value, {_SUMS} from figures where {_WHERE}"  # noqa: S608
        " and ($6 = '[]' or value in (select value from {each:$6})) group by value",
        *(tenant_id, span, facet, since, until, _json(values)),
    )
    return {row["value"]: _counts(row) for row in rows}


async def points(
    reader: Reader, tenant_id: str, span: Span, facet: Facet, since: int, until: int, values: Iterable[str]
) -> dict[tuple[str, int], Counts]:
    """The rows of these values, by value and when each begins."""
    rows = await reader.fetch_all(
        f"select value, starts, {', '.join(COUNTED)} from figures where {_WHERE}"  # noqa: S608
        " and value in (select value from {each:$6})",
        *(tenant_id, span, facet, since, until, _json(values)),
    )
    return {(row["value"], row["starts"]): _counts(row) for row in rows}


async def times(
    reader: Reader, tenant_id: str, span: Span, facet: Facet, since: int, until: int, values: Iterable[str]
) -> Sequence[Row]:
    """The histograms' rows of these values: value, starts, bucket, times."""
    return await reader.fetch_all(
        f"select value, starts, bucket, times from figure_times where {_WHERE}"  # noqa: S608
        " and value in (select value from {each:$6})",
        *(tenant_id, span, facet, since, until, _json(values)),
    )


async def has_older(reader: Reader, day: int) -> bool:
    """Whether anything is counted of days before that one."""
    row = await reader.fetch_one("select 1 from figures where span = 'day' and starts < $1 limit 1", day)
    return row is not None


async def forget(tx: Transaction, span: Span, before: int, limit: int) -> int:
    """Forget up to `limit` rows of each table that begin before `before`; 0: there are none left."""
    gone = 0
    for table in ("figures", "figure_times"):
        gone += await tx.execute(
            f"delete from {table} where ({_PLACE}) in (select {_PLACE} from {table}"  # noqa: S608
            " where span = $1 and starts < $2 limit $3)",
            *(span, before, limit),
        )
    return gone


async def forget_marks(tx: Transaction, before: int, limit: int) -> int:
    """Forget up to `limit` marks from before `before`; what is as old as that happens no more."""
    return await tx.execute(
        "delete from figure_marks where (who, what) in"
        " (select who, what from figure_marks where at < $1 limit $2)",
        before,
        limit,
    )


async def clear(tx: Transaction, since: int, limit: int) -> int:
    """Forget up to `limit` rows of each table from `since` on; 0: there are none left."""
    gone = 0
    for table, column in _ROWS_OF.items():
        key = "who, what" if table == "figure_marks" else _PLACE
        gone += await tx.execute(
            f"delete from {table} where ({key}) in"  # noqa: S608
            f" (select {key} from {table} where {column} >= $1 limit $2)",
            since,
            limit,
        )
    return gone


def _counts(row: Row) -> Counts:
    return {name: int(row[name]) for name in COUNTED}


def _json(values: Iterable[str]) -> str:
    return json.dumps(sorted(values))
