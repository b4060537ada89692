"""What a look at the store found, told in short."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from relay.control.context import Context
from relay.store.database import Reader, Value

SHOWN = 20


@dataclass(slots=True)
class Report:
    """`notes` are left-overs that do no harm."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, found: list[str]) -> None:
        """All of them, or the first and how many more."""
        self.problems += found[:SHOWN]
        if len(found) > SHOWN:
            self.problems.append(f"… and {len(found) - SHOWN} more of the kind")


Check: TypeAlias = Callable[[Context, Report], Awaitable[None]]


async def told(reader: Reader, sql: str, tell: Callable[[Any], str], *args: Value) -> list[str]:
    """What each row of the answer says."""
    return [tell(row) for row in await reader.fetch_all(sql, *args)]


async def broken(
    reader: Reader, rules: Mapping[str, str], name: Callable[[Any], str], report: Report
) -> None:
    """Each rule is a query for the rows that break it, and what is wrong with them, said after their name."""
    for sql, wrong in rules.items():
        report.add([f"{name(row)} {wrong}" for row in await reader.fetch_all(f"{sql} limit 100")])


def message_of(row: Any) -> str:
    """How a message is named."""
    return f"message {row['id']}"
