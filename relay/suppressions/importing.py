"""Take a list of suppressed addresses, in parts: no transaction of it holds up mail.

A part that was taken stays when a later one fails; to import the same list
again changes nothing where it was taken, so that is what mends it.
"""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from relay.clock import Clock
from relay.errors import InvalidInput
from relay.events import log
from relay.events.kinds import EventKind
from relay.store.database import Database, Transaction
from relay.suppressions import lists, records
from relay.suppressions.lists import MOST_ROWS, RowFault
from relay.suppressions.records import Wanted

AT_ONCE = 500
FAULTS_TOLD = 100


@dataclass(slots=True)
class Report:
    """What became of the rows: `added` are suppressed from now on, or for longer; `faults` are the first."""

    rows: int = 0
    added: int = 0
    failed: int = 0
    faults: list[RowFault] = field(default_factory=list)

    @property
    def unchanged(self) -> int:
        return self.rows - self.added - self.failed


class TooManyRows(InvalidInput):
    """More than one import takes."""


class _OnlyTried(Exception):
    def __init__(self, added: int) -> None:
        self.added = added


async def import_list(
    db: Database,
    clock: Clock,
    tenant_id: str,
    text: str,
    *,
    dry_run: bool = False,
) -> Report:
    """Suppress what the list says; with `dry_run` everything is tried, and nothing kept.

    Raises InvalidInput for a file that is no list, before anything of it is taken; TooManyRows.
    """
    await asyncio.to_thread(_check, text)
    report = Report()
    rows = lists.read(text, clock.now())
    # Reading a part takes milliseconds, for which nobody else is kept waiting.
    while part := await asyncio.to_thread(_part_of, rows):
        wanted = [each for each in part if isinstance(each, Wanted)]
        faults = [each for each in part if isinstance(each, RowFault)]
        report.rows += len(part)
        report.failed += len(faults)
        report.faults += faults[: FAULTS_TOLD - len(report.faults)]
        if wanted:
            report.added += await _take(db, clock, tenant_id, wanted, dry_run=dry_run)
    return report


async def tell(tx: Transaction, clock: Clock, tenant_id: str, report: Report) -> None:
    """Write that a list was taken: one event, not one for each address."""
    data = {
        "rows": report.rows,
        "added": report.added,
        "unchanged": report.unchanged,
        "failed": report.failed,
    }
    await log.append(tx, clock, EventKind.SUPPRESSION_IMPORTED, tenant_id=tenant_id, data=data)


async def _take(db: Database, clock: Clock, tenant_id: str, wanted: list[Wanted], *, dry_run: bool) -> int:
    async def work(tx: Transaction) -> int:
        added = await records.add_many(tx, clock, tenant_id, wanted)
        if dry_run:
            raise _OnlyTried(added)
        return added

    try:
        return await db.transact(work, lengthy=True)
    except _OnlyTried as tried:
        return tried.added


def _part_of(rows: Iterator[Wanted | RowFault]) -> list[Wanted | RowFault]:
    return list(itertools.islice(rows, AT_ONCE))


def _check(text: str) -> None:
    """Raise InvalidInput for a file that is no list, TooManyRows."""
    if text.count("\n") > 2 * MOST_ROWS or lists.count(text) > MOST_ROWS:
        raise TooManyRows(f"a list has at most {MOST_ROWS} rows")
