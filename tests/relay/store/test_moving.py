"""Two tables are proved alike row by row; marks keep a store closed for every version."""

import hashlib
from collections.abc import AsyncIterator, Sequence

import pytest

from relay.store import migrations
from relay.store.faults import SchemaTooNew, refuse_newer
from relay.store.marks import MOVED, MoveUnfinished, StoreMoved, refuse_marked, source_of, unfinished
from relay.store.moving.compare import SHOWN, Comparison, compare
from relay.store.moving.source import StoredRow, Table

TABLE = Table("allowances", ("used", "mailbox", "day"), ("mailbox", "day"))
ROWS: list[StoredRow] = [(1, "a", "2026-03-01"), (2, "a", "2026-03-02"), (3, "b", "2026-03-01")]


async def compared(left: Sequence[StoredRow], right: Sequence[StoredRow]) -> Comparison:
    async def theirs() -> AsyncIterator[StoredRow]:
        for row in right:
            yield row

    return await compare(TABLE, iter(left), theirs())


@pytest.mark.parametrize("rows", [[], ROWS])
async def test_equal_tables_have_one_digest(rows: list[StoredRow]) -> None:
    found = await compared(rows, rows)
    assert found.is_equal
    assert (found.left.rows, found.right.rows) == (len(rows), len(rows))
    assert found.left.digest == found.right.digest
    assert (found.left.digest == hashlib.sha256().hexdigest()) == (not rows)


@pytest.mark.parametrize(
    ("left", "right", "difference"),
    [
        (ROWS, ROWS[1:], "allowances a, 2026-03-01: did not arrive"),
        (ROWS, [ROWS[0], ROWS[2]], "allowances a, 2026-03-02: did not arrive"),
        (ROWS, ROWS[:2], "allowances b, 2026-03-01: did not arrive"),
        (ROWS[:2], ROWS, "allowances b, 2026-03-01: was not there before"),
        (ROWS[1:], ROWS, "allowances a, 2026-03-01: was not there before"),
        (ROWS, [*ROWS[:2], (4, "b", "2026-03-01")], "allowances b, 2026-03-01: other used"),
    ],
)
async def test_a_difference_is_named_by_its_key(
    left: list[StoredRow], right: list[StoredRow], difference: str
) -> None:
    found = await compared(left, right)
    assert found.differences == [difference]
    assert not found.is_equal
    assert found.left.digest != found.right.digest


async def test_many_differences_are_counted_and_some_are_named() -> None:
    rows: list[StoredRow] = [(1, "a", f"2026-{number:04d}") for number in range(50)]
    found = await compared(rows, [])
    assert found.differing == 50
    assert len(found.differences) == SHOWN


def test_a_mark_closes_a_store_for_versions_that_know_it_and_for_those_that_do_not() -> None:
    known = [name for name, _ in migrations.steps()]
    refuse_marked(known)
    for mark, error in ((MOVED, StoreMoved), (unfinished("ab12"), MoveUnfinished)):
        with pytest.raises(error):
            refuse_marked([*known, mark])
        with pytest.raises(SchemaTooNew):
            refuse_newer([*known, mark], known)
    assert source_of([*known, unfinished("ab12")]) == "ab12"
    assert source_of(known) is None
