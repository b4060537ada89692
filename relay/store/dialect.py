"""The few places where SQLite and PostgreSQL want other words: macros in curly brackets.

`{lock}`                      lets several nodes claim rows side by side (nothing to do on SQLite)
`{each:$1}`                   the elements of a JSON array of texts, as rows of one column `value`
`{json_text:column,key}`      the text under a key of a JSON object, null when there is none
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
    return f"({column} ->> '{key}')"


SQLITE: Final[Mapping[str, Macro]] = {
    "lock": _word(""),
    "each": lambda place: f"json_each({place})",
    "json_text": _sqlite_json_text,
    "bigint": _word("integer"),
    "blob": _word("blob"),
    "json": _word("text"),
    # autoincrement: a number is never given twice, even when the last rows were purged.
    "serial": _word("integer primary key autoincrement"),
    "strict": _word(" strict"),
}

POSTGRES: Final[Mapping[str, Macro]] = {
    "lock": _word("for update skip locked"),
    "each": lambda place: f"jsonb_array_elements_text({place}::jsonb) as each(value)",
    "json_text": _postgres_json_text,
    "bigint": _word("bigint"),
    "blob": _word("bytea"),
    "json": _word("jsonb"),
    "serial": _word("bigint generated always as identity primary key"),
    "strict": _word(""),
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
