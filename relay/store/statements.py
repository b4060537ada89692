"""Run statements on one SQLite connection, for whoever has it just now."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from relay.store.database import Engine, Row, Value, Work
from relay.store.dialect import SQLITE, Statement, expand
from relay.store.faults import TransactionFailed, from_sqlite

A = TypeVar("A")
T = TypeVar("T")

_PLACE = re.compile(r"\$(\d+)")


@lru_cache(maxsize=2048)
def _prepare(sql: str) -> Statement:
    statement = expand(sql, SQLITE)
    # `?1` is bound by its place, which costs less than by a name.
    return replace(statement, text=_PLACE.sub(r"?\1", statement.text))


def _wrong_count(statement: Statement, args: Sequence[Value]) -> ValueError:
    return ValueError(f"{len(args)} arguments for {statement.places} places: {statement.text}")


def run(connection: sqlite3.Connection, sql: str, args: Sequence[Value]) -> sqlite3.Cursor:
    """Run one statement; the caller closes the cursor. Raises what `faults.from_sqlite` says."""
    statement = _prepare(sql)
    if len(args) != statement.places:
        raise _wrong_count(statement, args)
    try:
        return connection.execute(statement.text, args)
    except sqlite3.Error as error:
        raise from_sqlite(error) from error


def fetch_all(connection: sqlite3.Connection, sql: str, args: Sequence[Value]) -> Sequence[Row]:
    cursor = run(connection, sql, args)
    try:
        return cursor.fetchall()
    except sqlite3.Error as error:
        raise from_sqlite(error) from error
    finally:
        cursor.close()


def fetch_one(connection: sqlite3.Connection, sql: str, args: Sequence[Value]) -> Row | None:
    cursor = run(connection, sql, args)
    try:
        row: Row | None = cursor.fetchone()
        return row
    except sqlite3.Error as error:
        raise from_sqlite(error) from error
    finally:
        # An answer that is not read to its end would hold a snapshot, and the WAL could not be reset.
        cursor.close()


def execute(connection: sqlite3.Connection, sql: str, args: Sequence[Value]) -> int:
    cursor = run(connection, sql, args)
    try:
        if cursor.description is not None:
            cursor.fetchall()  # rows of a `returning` that nobody asked for are counted only when read
        return max(cursor.rowcount, 0)
    except sqlite3.Error as error:
        raise from_sqlite(error) from error
    finally:
        cursor.close()


def execute_many(connection: sqlite3.Connection, sql: str, rows: Iterable[Sequence[Value]]) -> None:
    statement, rows = _prepare(sql), list(rows)
    for row in rows:
        if len(row) != statement.places:
            raise _wrong_count(statement, row)
    try:
        connection.executemany(statement.text, rows).close()
    except sqlite3.Error as error:
        raise from_sqlite(error) from error


class SqliteTransaction:
    """What a work is handed: statements of the open transaction.

    As on PostgreSQL, a statement that fails fails the transaction: every
    later one raises `TransactionFailed`, and nothing of the work is kept.
    What was put waits for the next statement, or the end: rows of one text
    are written by one call then, the texts in the order in which they came.
    """

    __slots__ = ("_connection", "_put", "failure")

    engine: Engine = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._put: dict[str, list[Sequence[Value]]] = {}
        self.failure: BaseException | None = None

    async def execute(self, sql: str, *args: Value) -> int:
        return self._run(execute, sql, args)

    async def put(self, sql: str, *rows: Sequence[Value]) -> None:
        if self.failure is not None:
            raise self._ended()
        self._put.setdefault(sql, []).extend(rows)

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        self._run(execute_many, sql, rows)

    async def fetch_all(self, sql: str, *args: Value) -> Sequence[Row]:
        return self._run(fetch_all, sql, args)

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        return self._run(fetch_one, sql, args)

    async def look_up(self, sql: str, *args: Value) -> Row | None:
        return self._run(fetch_one, sql, args)

    async def attempt(self, part: Work[T]) -> T:
        self._run(execute, "savepoint part", ())
        try:
            done = await part(self)
            self.write_down()
        except Exception:
            self._undo_part()
            raise
        self._run(execute, "release part", ())
        return done

    def _undo_part(self) -> None:
        """Unless SQLite gave the whole transaction up."""
        self._put.clear()
        if self._connection.in_transaction:
            self.failure = None
            self._run(execute, "rollback to part", ())
            self._run(execute, "release part", ())

    def write_down(self) -> None:
        """Run what was put; raises what has failed the transaction, if anything has."""
        if self.failure is not None:
            raise self.failure
        put, self._put = self._put, {}
        try:
            for sql, rows in put.items():
                if len(rows) == 1:
                    run(self._connection, sql, rows[0]).close()
                else:
                    execute_many(self._connection, sql, rows)
        except BaseException as error:
            self.failure = error
            raise

    def _ended(self) -> TransactionFailed:
        return TransactionFailed(f"nothing more can be done in this transaction: {self.failure}")

    def end(self) -> None:
        """Whoever kept this beyond its work finds it closed."""
        self.failure = TransactionFailed("its work has ended")

    def _run(self, action: Callable[[sqlite3.Connection, str, A], T], sql: str, args: A) -> T:
        if self.failure is not None:
            raise self._ended()
        if self._put:
            self.write_down()
        try:
            return action(self._connection, sql, args)
        except BaseException as error:
            self.failure = error
            raise
