"""What sqlite-utils and sqlite3 do that is not what one would think; the store is built around it."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlite_utils


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trap.db"


@pytest.fixture
def database(path: Path) -> Iterator[sqlite_utils.Database]:
    database = sqlite_utils.Database(path)
    database.execute("pragma journal_mode = wal")
    database.execute("create table counters (name text primary key, n integer)")
    yield database
    database.close()


def count(path: Path) -> int:
    other = sqlite3.connect(path)
    try:
        (number,) = other.execute("select count(*) from counters").fetchone()
    finally:
        other.close()
    assert isinstance(number, int)
    return number


def test_atomic_takes_no_lock_until_it_writes(database: sqlite_utils.Database, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)

    def read_then_write() -> None:
        with database.atomic():
            assert database.execute("select count(*) from counters").fetchone() == (0,)
            other.execute("insert into counters values ('other', 1)")
            # Its snapshot is old now, so the write fails at once, whatever the busy timeout.
            database.execute("insert into counters values ('ours', 1)")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        read_then_write()
    other.close()


def test_returning_through_execute_is_not_committed(database: sqlite_utils.Database, path: Path) -> None:
    rows = database.execute("insert into counters values ('a', 1) returning name").fetchall()
    assert [tuple(row) for row in rows] == [("a",)]
    assert count(path) == 0
    database.commit()
    assert count(path) == 1


def test_execute_commits_by_itself(database: sqlite_utils.Database, path: Path) -> None:
    database.execute("insert into counters values ('a', 1)")
    assert count(path) == 1


def test_a_database_as_a_context_is_no_transaction(path: Path) -> None:
    with sqlite_utils.Database(path) as database:
        database.execute("create table counters (name text)")
        database.begin()
        database.execute("insert into counters values ('a')")
    assert count(path) == 0


def test_foreign_keys_are_off_unless_asked_for(database: sqlite_utils.Database) -> None:
    assert database.execute("pragma foreign_keys").fetchone() == (0,)


def test_a_database_on_a_path_belongs_to_its_thread(database: sqlite_utils.Database) -> None:
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            database.execute("select 1")
        except sqlite3.ProgrammingError as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "same thread" in str(caught[0])


def test_executescript_commits_what_is_open(database: sqlite_utils.Database, path: Path) -> None:
    database.begin()
    database.execute("insert into counters values ('a', 1)")
    database.conn.executescript("select 1;")
    assert not database.conn.in_transaction
    assert count(path) == 1


def test_query_refuses_a_statement_without_rows_and_takes_it_back(
    database: sqlite_utils.Database, path: Path
) -> None:
    with pytest.raises(ValueError, match="returns rows"):
        database.query("insert into counters values ('a', 1)")
    assert count(path) == 0


def test_sqlite_deletes_the_log_of_an_empty_file(path: Path) -> None:
    path.touch()
    log = path.with_name("trap.db-wal")
    log.write_bytes(b"frames")
    other = sqlite3.connect(path)
    other.execute("select * from sqlite_master").fetchall()
    other.close()
    assert not log.exists()


def test_rows_of_returning_are_counted_only_when_read(database: sqlite_utils.Database) -> None:
    cursor = database.conn.execute("insert into counters values ('a', 1), ('b', 2) returning name")
    cursor.fetchall()
    assert cursor.rowcount == 2
