"""Connections to the file, set up so that nothing is lost and only one of them writes.

SQLite before 3.51.3 can damage a WAL file when two connections write or
checkpoint at once (and memory mapping makes it worse): the writer's connection
does both alone, every other one can do neither.
"""

import contextlib
import sqlite3
from datetime import timedelta
from pathlib import Path

from relay.failpoints import ARMED, reach_within
from relay.store.faults import from_sqlite

CACHE_SIZE = 16 << 20  # octets; the indices of a long queue stay in memory
LOG_SIZE_KEPT = 64 << 20  # octets; a longer log is cut back when it has been checkpointed
# A commit that makes the log longer than this writes it back to the file itself, while everybody waits.
LOG_PAGES = 8000


def connect_writer(path: Path, busy_timeout: timedelta) -> sqlite3.Connection:
    """The one connection that writes and checkpoints; every commit waits for the disk."""
    connection = sqlite3.connect(
        path,
        timeout=busy_timeout.total_seconds(),
        isolation_level=None,  # we say BEGIN ourselves
        check_same_thread=False,  # the loop and the writer's thread use it in turn, never at once
        cached_statements=512,
    )
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA synchronous = full")
        connection.execute("PRAGMA foreign_keys = on")
        connection.execute("PRAGMA mmap_size = 0")
        # What a savepoint would undo is kept in memory: in a file it cost more writes than the log does.
        connection.execute("PRAGMA temp_store = memory")
        connection.execute(f"PRAGMA cache_size = -{CACHE_SIZE >> 10}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_SIZE_KEPT}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    except BaseException:
        close_as_found(path, connection)
        raise
    return connection


def connect_reader(path: Path, busy_timeout: timedelta = timedelta(seconds=5)) -> sqlite3.Connection:
    """A connection that can neither write nor checkpoint."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=busy_timeout.total_seconds(),
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA query_only = on")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA mmap_size = 0")
    except BaseException:
        connection.close()
        raise
    return connection


def close_as_found(path: Path, connection: sqlite3.Connection) -> None:
    """Close the writer's connection, but leave the log: the last one to close would write it back."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(sqlite3.Error):  # what cannot even be begun has not begun to use the log
            reader = stack.enter_context(contextlib.closing(connect_reader(path)))
            reader.execute("select count(*) from sqlite_master").fetchone()
        connection.close()


def check_integrity(path: Path, check: str = "integrity_check") -> list[str]:
    """What the engine complains about, the file's structure first, then dangling references."""
    try:
        with contextlib.closing(connect_reader(path)) as connection:
            found = [row[0] for row in connection.execute(f"PRAGMA {check}(20)")]
            if found == ["ok"]:
                found = [
                    f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}"
                    for row in connection.execute("PRAGMA foreign_key_check")
                ]
    except sqlite3.Error as error:
        found = [str(error)]
    return found


def snapshot(path: Path, target: Path) -> None:
    """A compact copy of the store as it is now, while it is in use; `target` must not exist.

    Through a connection that cannot write to the store and never checkpoints,
    so the writer goes on meanwhile; only the log grows.
    """
    try:
        with contextlib.closing(connect_reader(path)) as connection:
            # Writing the copy counts as writing; the store itself is open read-only.
            connection.execute("PRAGMA query_only = off")
            connection.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        raise from_sqlite(error) from error


def write_something(connection: sqlite3.Connection) -> None:
    """One durable page: `user_version` serves nothing else."""
    (count,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {(count + 1) % 1_000_000}")


def write_log_back(connection: sqlite3.Connection) -> None:
    """Copy what is committed from the log to the file; nobody who reads is held up."""
    if ARMED:
        reach_within("store.checkpoint")
    with contextlib.suppress(
        sqlite3.Error
    ):  # the log stays as it is; the health of the store is told elsewhere
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
