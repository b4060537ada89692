"""Suppressions as a file: CSV with a row for each address, read row by row and written likewise.

The columns are named in the first row, or are `COLUMNS` in their order. What
is wrong with a row is told with its line, and keeps no other row out.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.errors import InvalidInput
from relay.suppressions.reasons import SuppressionReason
from relay.suppressions.records import Suppression, Wanted
from relay.tenants.mailboxes import read_address

COLUMNS = ("address", "reason", "stream", "expires_at")
MOST_ROWS = 100_000
LONGEST_STREAM = 64
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_REASONS = frozenset(SuppressionReason)

# Other words for a column, and columns that an export has and nobody needs.
_CALLED = {"email": "address", "e-mail": "address"}
_PASSED_OVER = ("created_at", "source_message_id")


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with one row; `row` is its line in the file."""

    row: int
    address: str
    message: str


def read(text: str, now: datetime) -> Iterator[Wanted | RowFault]:
    """Each row as it is meant, or what is wrong with it; empty lines are none.

    Raises InvalidInput for a file that cannot be read on, or names columns
    that nobody knows.
    """
    for line, columns, cells in _lines(text):
        yield _read_row(line, columns, cells, now)


def count(text: str) -> int:
    """How many rows there are; raises InvalidInput for a file that is no list."""
    return sum(1 for _ in _lines(text))


def _lines(text: str) -> Iterator[tuple[int, Sequence[str], Sequence[str]]]:
    """Each row that is not empty, with its line and the columns."""
    # Line by line: a StringIO would hold the text once more, four octets to a character.
    reader = csv.reader((line[0] for line in _LINE.finditer(text.removeprefix("\ufeff"))), strict=True)
    columns: Sequence[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                named = _columns(cells)
                columns = named or COLUMNS
                if named is not None:
                    continue
            yield reader.line_num, columns, cells
    except csv.Error as error:
        raise InvalidInput(f"line {reader.line_num + 1} is no CSV: {error}") from error


def write(entries: Iterable[Suppression]) -> str:
    """Rows for these entries, without the names of the columns."""
    return _rows(
        (
            str(entry.address),
            entry.reason.value,
            entry.stream or "",
            _instant(entry.expires_at),
            _instant(entry.created_at),
            entry.source_message_id or "",
        )
        for entry in entries
    )


def heading() -> str:
    """The names of the columns, as `write` has them."""
    return _rows([(*COLUMNS, *_PASSED_OVER)])


def _rows(rows: Iterable[Sequence[str]]) -> str:
    told = io.StringIO(newline="")
    csv.writer(told, lineterminator="\r\n").writerows(rows)
    return told.getvalue()


def _columns(cells: Sequence[str]) -> Sequence[str] | None:
    """The columns that a first row names; None where it names none and is an entry itself."""
    names = [_CALLED.get(name, name) for name in (cell.strip().lower() for cell in cells)]
    if "address" not in names:
        return None
    unknown = [name for name in names if name not in (*COLUMNS, *_PASSED_OVER)]
    if unknown:
        raise InvalidInput(f"column {unknown[0][:80]!r} is not known; known are {', '.join(COLUMNS)}")
    if len(set(names)) != len(names):
        raise InvalidInput("a column is named twice")
    return names


def _read_row(
    line: int,
    columns: Sequence[str],
    cells: Sequence[str],
    now: datetime,
) -> Wanted | RowFault:
    said = {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}
    try:
        if len(cells) > len(columns):
            raise InvalidInput(f"has {len(cells)} cells, and there are {len(columns)} columns")
        return _wanted(said, now)
    except InvalidInput as fault:
        return RowFault(line, said.get("address", "")[:320], str(fault))


def _wanted(said: Mapping[str, str], now: datetime) -> Wanted:
    address = read_address(said.get("address", ""))
    reason, stream = said.get("reason") or SuppressionReason.MANUAL.value, said.get("stream") or None
    if reason not in _REASONS:
        raise InvalidInput(f"reason {reason[:40]!r} is none of {', '.join(SuppressionReason)}")
    if stream is not None and (len(stream) > LONGEST_STREAM or not stream.isprintable()):
        raise InvalidInput(f"stream must be at most {LONGEST_STREAM} printable characters")
    return Wanted(address, SuppressionReason(reason), stream, _until(said.get("expires_at", ""), now))


def _until(text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    try:
        until = datetime.fromisoformat(text)
        if until.tzinfo is None:
            raise InvalidInput("expires_at needs a time zone: add Z for UTC")
        is_over = until <= now
    except (ValueError, OverflowError):
        raise InvalidInput("expires_at is no time such as 2027-01-31T12:00:00Z") from None
    if is_over:
        raise InvalidInput("expires_at is not in the future")
    return until


def _instant(instant: datetime | None) -> str:
    return "" if instant is None else instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
