"""The few places where SQLite and PostgreSQL want other words: macros in curly brackets.

`{lock}`                      lets several nodes claim rows side by side (nothing to do on SQLite)
`{each:$1}`                   the elements of a JSON array of texts, as rows of one column `value`
`{each_number:$1}`            the elements of a JSON array of whole numbers, likewise
`{rows:$1, name type, …}`     the objects of a JSON array, as rows `each` of columns by these names
`{json_text:column,key}`      the text under a key of a JSON object, null when there is none
`{settled_events}`            events with no earlier one still to come: what a cursor may pass
`{sqlite:…}` `{postgresql:…}` words for one engine alone, in migrations only
`{bigint} {blob} {json} {serial}`   column types; `{serial}` is a primary key that only grows
`{strict}`                    after a table's columns: values must have their column's type
`{now}`                       in migrations only: the instant at which they run, in microseconds
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_MACRO = re.compile(r"\{([a-z_]+)(?::([^{}]*))?\}")
_PLACE = re.compile(r"\$(\d+)")
# Where PostgreSQL's engine puts in how far the log is complete.
HORIZON: Final = "$horizon"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text as the engine reads it, and how many arguments it takes."""

    text: str
    places: int


Macro = Callable[[str], str]


def _word(text: str) -> Macro:
    return lambda _argument: text


def _sqlite_json_text(argument: str) -> str:
    column, key = (part.strip() for part in argument.split(","))
    return f"cast(json_extract({column}, '$.\"{key}\"') as text)"


def _postgres_json_text(argument: str) -> str:
    column, key = (part.strip() for part in argument.split(","))
    return f"({column}::json ->> '{key}')"


def _sqlite_rows(argument: str) -> str:
    place, *columns = (part.strip() for part in argument.split(","))
    names = [column.split()[0] for column in columns]
    taken = ", ".join(f"json_extract(value, '$.{name}') as {name}" for name in names)
    return f"(select {taken} from json_each({place})) as each"  # noqa: S608 - names are the statement's own


def _postgres_rows(argument: str) -> str:
    place, _, columns = argument.partition(",")
    return f"json_to_recordset({place.strip()}::text::json) as each({columns.strip()})"


def _postgres_each_number(place: str) -> str:
    items = f"json_array_elements_text({place}::text::json) as items(item)"
    return f"(select item::bigint from {items}) as each(value)"  # noqa: S608 - a place is `$1`


SQLITE: Final[Mapping[str, Macro]] = {
    "lock": _word(""),
    "each": lambda place: f"json_each({place})",
    "each_number": lambda place: f"json_each({place})",
    "rows": _sqlite_rows,
    "json_text": _sqlite_json_text,
    "bigint": _word("integer"),
    "blob": _word("blob"),
    "json": _word("text"),
    # autoincrement: a number is never given twice, even when the last rows were purged.
    "serial": _word("integer primary key autoincrement"),
    "strict": _word(" strict"),
    # One writer: what is committed later has a larger number.
    "settled_events": _word("1 = 1"),
    "sqlite": lambda words: words,
    "postgresql": _word(""),
}

POSTGRES: Final[Mapping[str, Macro]] = {
    "lock": _word("for update skip locked"),
    "each": lambda place: f"json_array_elements_text({place}::text::json) as each(value)",
    "each_number": _postgres_each_number,
    "rows": _postgres_rows,
    "json_text": _postgres_json_text,
    "bigint": _word("bigint"),
    "blob": _word("bytea"),
    "json": _word("text"),  # as it was written, and as quick to write as on SQLite
    "serial": _word("bigint generated always as identity primary key"),
    "strict": _word(""),
    # Numbers are given before commit: one that is still under way may have a smaller one. The engine knows.
    "settled_events": _word(f"seq <= {HORIZON}"),
    "sqlite": _word(""),
    "postgresql": lambda words: words,
}


def expand(sql: str, macros: Mapping[str, Macro]) -> Statement:
    """The statement with its macros written out; raises ValueError for one that nobody knows."""

    def write_out(found: re.Match[str]) -> str:
        macro = macros.get(found[1])
        if macro is None:
            raise ValueError(f"no such SQL macro: {found[0]}")
        return macro(found[2] or "")

    text = _MACRO.sub(write_out, sql)
    return Statement(text, max((int(place) for place in _PLACE.findall(text)), default=0))
