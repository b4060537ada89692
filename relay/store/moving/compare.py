"""Prove two tables alike: row by row, in the order of their keys, with a digest of each side."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from relay.store.moving.source import StoredRow, Table

SHOWN: Final = 10
_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class Side:
    """How many rows one side has, and what they are."""

    rows: int = 0
    _sum: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, row: StoredRow) -> None:
        self.rows += 1
        self._sum.update(_encode(row))

    @property
    def digest(self) -> str:
        return self._sum.hexdigest()


@dataclass(slots=True)
class Comparison:
    """What was found: equal sides have no differences."""

    table: str
    left: Side = field(default_factory=Side)
    right: Side = field(default_factory=Side)
    differing: int = 0
    # The first of them, in words.
    differences: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        return not self.differing and self.left.digest == self.right.digest

    def differs(self, key: StoredRow, how: str) -> None:
        self.differing += 1
        if len(self.differences) < SHOWN:
            self.differences.append(f"{self.table} {', '.join(map(str, key))}: {how}")


async def compare(
    table: Table,
    left: Iterator[StoredRow],
    right: AsyncIterator[StoredRow],
    seen: Callable[[], None] = lambda: None,
) -> Comparison:
    """Walk both sides, which must be in the order of the key; `seen` is called for each row on the left."""
    found = Comparison(table.name)
    ours, theirs = next(left, None), await anext(right, None)
    while ours is not None or theirs is not None:
        place = _order(table, ours, theirs)
        if place <= 0 and ours is not None:
            found.left.add(ours)
            seen()
        if place >= 0 and theirs is not None:
            found.right.add(theirs)
        if place == 0 and ours != theirs:
            found.differs(table.key_of(ours or ()), f"other {', '.join(_columns(table, ours, theirs))}")
        elif place < 0 and ours is not None:
            found.differs(table.key_of(ours), "did not arrive")
        elif place > 0 and theirs is not None:
            found.differs(table.key_of(theirs), "was not there before")
        if place <= 0:
            ours = next(left, None)
        if place >= 0:
            theirs = await anext(right, None)
    return found


def _order(table: Table, ours: StoredRow | None, theirs: StoredRow | None) -> int:
    """Which comes first: -1 ours, 1 theirs, 0 they belong together."""
    if ours is None or theirs is None:
        return 1 if ours is None else -1
    # Keys have one type in each place, and texts are compared by their octets on both sides.
    mine, yours = table.key_of(ours), table.key_of(theirs)
    return 0 if mine == yours else -1 if mine < yours else 1


def _columns(table: Table, ours: StoredRow | None, theirs: StoredRow | None) -> list[str]:
    pairs = zip(table.columns, ours or (), theirs or (), strict=True)
    return [column for column, mine, yours in pairs if mine != yours]
