"""The SQLite side of a move: tables, parents before children, and their rows in the order of their keys."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

from relay.clock import Clock, to_us
from relay.store import owner
from relay.store.bodies import IN_OBJECTS
from relay.store.connections import connect_reader
from relay.store.database import Transaction, Value
from relay.store.marks import MOVED

StoredRow = tuple[Value, ...]

_STEPS: Final = "_sqlite_migrations"
_SET: Final = "posthouse"


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns, and the names of those that make its key."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def in_order(self) -> str:
        """The statement that reads it, the same on both sides."""
        return f"select {', '.join(self.columns)} from {self.name} order by {', '.join(self.key)}"  # noqa: S608

    def key_of(self, row: StoredRow) -> StoredRow:
        return tuple(row[self.columns.index(name)] for name in self.key)


class Source:
    """Reads a store that this process owns and nobody writes to. `close` it."""

    def __init__(self, store: Path) -> None:
        self._connection = connect_reader(store)
        self._connection.row_factory = None
        # Texts that held a NUL, which PostgreSQL does not keep; counted when they are read.
        self.mended = 0
        self.tables = tuple(self._tables())

    def count(self, table: str) -> int:
        (found,) = self._connection.execute(f"select count(*) from {table}").fetchone()  # noqa: S608
        return int(found)

    def rows(self, table: Table) -> Iterator[StoredRow]:
        """Every row as the server is to hold it, in the order of the key."""
        for row in self._connection.execute(table.in_order):
            yield self._storable(row)

    def bodies(self) -> Iterator[str]:
        """The names of the files that rows name; what is in object storage stays there."""
        found = self._connection.execute(
            "select body_file from contents where body_file is not null"  # noqa: S608
            f" and body_file not like '{IN_OBJECTS}%' order by body_file"
        )
        return (name for (name,) in found)

    def numbers(self, table: str) -> Iterator[int]:
        """The row numbers of an index of words."""
        found = self._connection.execute(f"select rowid from {table} order by rowid")  # noqa: S608
        return (number for (number,) in found)

    def last_event(self) -> int:
        """The largest number that was ever given in the log, also when its event has been purged."""
        (largest,) = self._connection.execute(
            "select max(coalesce((select seq from sqlite_sequence where name = 'events'), 0),"
            " coalesce((select max(seq) from events), 0))"
        ).fetchone()
        return int(largest)

    def close(self) -> None:
        self._connection.close()

    def _storable(self, row: StoredRow) -> StoredRow:
        if not any(isinstance(value, str) and "\0" in value for value in row):
            return row
        self.mended += 1
        return tuple(value.replace("\0", "?") if isinstance(value, str) else value for value in row)

    def _tables(self) -> Iterator[Table]:
        """All but what the engine keeps for itself and what is made anew: indexes of words."""
        listed = self._connection.execute(
            "select name from pragma_table_list where schema = 'main' and type = 'table'"
            " and name not like 'sqlite\\_%' escape '\\' and name <> ? order by name",
            (_STEPS,),
        )
        parents: dict[str, set[str]] = {}
        for (name,) in listed.fetchall():
            references = self._connection.execute('select "table" from pragma_foreign_key_list(?)', (name,))
            parents[name] = {parent for (parent,) in references if parent != name}
        for name in TopologicalSorter(parents).static_order():
            columns = self._connection.execute(
                "select name, pk from pragma_table_info(?)", (name,)
            ).fetchall()
            key = sorted((place, column) for column, place in columns if place)
            yield Table(name, tuple(column for column, _ in columns), tuple(column for _, column in key))


def identity(store: Path) -> str:
    """What this store is known by, however it is called."""
    return owner.beside(store, "id").read_text().strip()


def has_moved(store: Path) -> bool:
    """Whether the mark is on it. Nobody may be using the store."""
    with contextlib.closing(connect_reader(store)) as connection:
        try:
            found = connection.execute(
                f"select 1 from {_STEPS} where migration_set = ? and name = ?",  # noqa: S608
                (_SET, MOVED),
            )
            return found.fetchone() is not None
        except sqlite3.OperationalError:  # a store without steps is none of ours yet
            return False


def unmark(store: Path) -> None:
    """Open a store again that was marked by a move which then did not come to its end. Raises StoreOwned."""
    lock = owner.OwnerLock(store)
    try:
        with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = full")
            connection.execute(
                f"delete from {_STEPS} where migration_set = ? and name = ?",  # noqa: S608
                (_SET, MOVED),
            )
    finally:
        lock.release()


async def mark_moved(tx: Transaction, clock: Clock) -> None:
    """From the commit on no version opens this store."""
    await tx.execute(
        f"insert into {_STEPS} (migration_set, name, applied_at) values ($1, $2, $3)",  # noqa: S608
        _SET,
        MOVED,
        str(to_us(clock.now())),
    )
