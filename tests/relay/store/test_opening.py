"""A store is opened whole, by one process, or not at all; and never silently empty."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlite_utils

from relay.clock import to_us
from relay.store import migrations
from relay.store.connections import check_integrity, snapshot
from relay.store.database import Transaction
from relay.store.faults import SchemaTooNew, StoreDamaged, StoreFault
from relay.store.owner import APPLICATION_ID
from relay.store.sqlite import SqliteDatabase, open_sqlite
from relay.store.writer import WORKS_UNTIL_WRITTEN_BACK
from tests.conftest import NO_RESERVE
from tests.fakes.clock import FakeClock


@pytest.fixture
def path(data_dir: Path) -> Path:
    return data_dir / "posthouse.db"


@pytest.fixture
def reopen(path: Path, clock: FakeClock) -> Callable[[], SqliteDatabase]:
    return lambda: open_sqlite(path, clock, reserve=NO_RESERVE, health_interval=None)


@pytest.fixture
async def closed(reopen: Callable[[], SqliteDatabase]) -> None:
    """A store was made, and closed in order."""
    await reopen().close()


async def pragma(db: SqliteDatabase, name: str) -> object:
    async def work(tx: Transaction) -> object:
        row = await tx.fetch_one(f"pragma {name}")
        return row[0] if row is not None else None

    return await db.transact(work)


async def test_the_writer_is_set_up_to_lose_nothing(db: SqliteDatabase) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "mmap_size": 0}
    assert {name: await pragma(db, name) for name in wanted} == wanted
    assert await pragma(db, "application_id") == APPLICATION_ID


async def test_readers_neither_write_nor_checkpoint(db: SqliteDatabase) -> None:
    wanted = {"query_only": 1, "wal_autocheckpoint": 0, "mmap_size": 0}
    rows = {name: await db.fetch_one(f"pragma {name}") for name in wanted}
    assert {name: row[0] for name, row in rows.items() if row is not None} == wanted


async def test_a_new_store_has_the_default_tenant(db: SqliteDatabase, clock: FakeClock) -> None:
    row = await db.fetch_one("select id, name, created_at from tenants")
    assert row is not None
    assert (row["id"], row["name"], row["created_at"]) == ("ten_default", "default", to_us(clock.now()))


async def test_only_we_may_read_the_store(db: SqliteDatabase) -> None:
    modes = {file.name: file.stat().st_mode & 0o777 for file in db.path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes


OPEN_IT_TOO = """
import sys
from pathlib import Path
from relay.clock import SystemClock
from relay.store.sqlite import SqliteDatabase, open_sqlite
from relay.store.writer import WORKS_UNTIL_WRITTEN_BACK
try:
    open_sqlite(Path(sys.argv[1]), SystemClock())
except Exception as error:
    print(type(error).__name__, error)
"""


async def test_a_second_opener_is_told_who_has_it(db: SqliteDatabase) -> None:
    said = await asyncio.to_thread(
        subprocess.check_output, [sys.executable, "-c", OPEN_IT_TOO, str(db.path)], text=True
    )
    assert said.startswith("StoreOwned ")
    assert f"process {os.getpid()} (" in said


async def test_closing_lets_go(closed: None, reopen: Callable[[], SqliteDatabase]) -> None:
    await reopen().close()


async def test_an_opening_that_fails_lets_go(
    closed: None, path: Path, reopen: Callable[[], SqliteDatabase]
) -> None:
    kept = path.read_bytes()
    path.write_bytes(b"not a store at all" * 300)
    with pytest.raises(StoreDamaged):
        reopen()
    path.write_bytes(kept)
    await reopen().close()


async def test_a_store_of_a_later_version_is_refused(
    closed: None, path: Path, reopen: Callable[[], SqliteDatabase]
) -> None:
    later = sqlite_utils.Database(path)
    later["_sqlite_migrations"].insert(  # type: ignore[union-attr]
        {"migration_set": "posthouse", "name": "m9999_future", "applied_at": ""}
    )
    later.close()
    latest = migrations.steps()[-1][0]
    with pytest.raises(SchemaTooNew, match=f"m9999_future.*up to {latest}"):
        reopen()


async def test_a_step_that_fails_leaves_no_trace(
    closed: None, path: Path, reopen: Callable[[], SqliteDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [
        *migrations.steps(),
        ("m9998_broken", "create table half (a {bigint}); insert into nowhere values (1);"),
    ]
    monkeypatch.setattr(migrations, "steps", lambda: broken)
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        reopen()
    monkeypatch.undo()
    db = reopen()
    assert await db.fetch_one("select 1 from sqlite_master where name = 'half'") is None
    await db.close()


@pytest.mark.parametrize("loss", ["missing", "empty"])
async def test_a_lost_store_is_not_begun_anew(
    closed: None, path: Path, reopen: Callable[[], SqliteDatabase], loss: str
) -> None:
    path.unlink()
    if loss == "empty":
        path.touch()
    with pytest.raises(StoreDamaged, match=rf"is {loss}, but a store was here before.*posthouse\.db\.id"):
        reopen()
    assert path.exists() == (loss == "empty")


@pytest.mark.parametrize("loss", ["missing", "empty"])
async def test_a_log_without_its_store_is_kept(
    path: Path, reopen: Callable[[], SqliteDatabase], loss: str
) -> None:
    log = path.with_name("posthouse.db-wal")
    log.write_bytes(b"frames")
    if loss == "empty":
        path.touch()
    with pytest.raises(StoreDamaged, match=f"is {loss}, but its log"):
        reopen()
    assert log.read_bytes() == b"frames"


async def test_a_store_that_was_left_open_is_not_opened_without_its_log(
    closed: None, path: Path, reopen: Callable[[], SqliteDatabase], tmp_path: Path
) -> None:
    db = reopen()
    log = path.with_name("posthouse.db-wal")
    await db.transact(lambda tx: tx.execute("insert into cursors (name, seq) values ('last', 1)"))
    left_open = shutil.copytree(path.parent, tmp_path / "left open")
    await db.close()
    assert not log.exists()
    left = left_open / path.name
    kept_log, content = (left_open / log.name).read_bytes(), left.read_bytes()
    (left_open / log.name).unlink()

    with pytest.raises(StoreDamaged, match=r"its log posthouse\.db-wal is missing.*posthouse\.db\.open"):
        open_sqlite(left, FakeClock(), reserve=NO_RESERVE, health_interval=None)
    assert left.read_bytes() == content

    (left_open / log.name).write_bytes(kept_log)
    again = open_sqlite(left, FakeClock(), reserve=NO_RESERVE, health_interval=None)
    assert await again.fetch_one("select 1 from cursors where name = 'last'")
    await again.close()
    # Closed in order, it needs none.
    await open_sqlite(left, FakeClock(), reserve=NO_RESERVE, health_interval=None).close()


async def test_an_opening_that_fails_leaves_the_log_as_it_was(
    reopen: Callable[[], SqliteDatabase], path: Path, tmp_path: Path
) -> None:
    db = reopen()
    await db.transact(
        lambda tx: tx.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at)"
            " values ('posthouse', 'm9999_future', '')"
        )
    )
    left = shutil.copytree(path.parent, tmp_path / "left open") / path.name
    await db.close()
    log = left.with_name("posthouse.db-wal")
    before = left.read_bytes(), log.read_bytes()
    with pytest.raises(SchemaTooNew):
        open_sqlite(left, FakeClock(), reserve=NO_RESERVE, health_interval=None)
    assert (left.read_bytes(), log.read_bytes()) == before


def flip_header(content: bytes) -> bytes:
    return bytes(octet ^ 0xFF for octet in content[:16]) + content[16:]


def flip_first_page(content: bytes) -> bytes:
    return content[:100] + bytes(octet ^ 0xFF for octet in content[100:4096]) + content[4096:]


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def cut_to_a_stump(content: bytes) -> bytes:
    return content[:50]


@pytest.mark.parametrize("damage", [flip_header, flip_first_page, truncate, cut_to_a_stump])
async def test_a_damaged_store_is_named_and_left_alone(
    closed: None, path: Path, reopen: Callable[[], SqliteDatabase], damage: Callable[[bytes], bytes]
) -> None:
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(StoreDamaged, match=r"posthouse\.db.*restore a backup"):
        reopen()
    assert path.read_bytes() == damaged


async def test_dying_while_a_store_is_made_leaves_no_half_of_it(
    path: Path, reopen: Callable[[], SqliteDatabase], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "steps", lambda: [("m0001", "create table half (a {bigint}); oops;")])
    with pytest.raises(sqlite3.OperationalError):
        reopen()
    monkeypatch.undo()
    assert not path.exists()
    db = reopen()
    assert await db.integrity() == []
    await db.close()


async def test_a_store_that_another_program_keeps_locked_is_said_to_be_locked(
    closed: None, path: Path, clock: FakeClock
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("pragma locking_mode = exclusive")
    other.execute("begin exclusive")
    try:
        with pytest.raises(StoreFault, match="locked"):
            open_sqlite(path, clock, reserve=NO_RESERVE, health_interval=None)
    finally:
        other.close()


async def test_the_database_of_another_program_is_refused_and_left_alone(
    path: Path, reopen: Callable[[], SqliteDatabase]
) -> None:
    other = sqlite3.connect(path)
    other.execute("create table theirs (a)")
    other.close()
    content = path.read_bytes()
    with pytest.raises(StoreDamaged, match="not a store of ours"):
        reopen()
    assert path.read_bytes() == content


async def test_a_closed_store_can_be_checked_and_copied(closed: None, path: Path, tmp_path: Path) -> None:
    assert check_integrity(path) == []
    snapshot(path, tmp_path / "copy.db")
    assert check_integrity(tmp_path / "copy.db") == []


async def test_the_log_is_written_back_while_nobody_waits(db: SqliteDatabase, tmp_path: Path) -> None:
    insert = "insert into cursors (name, seq) values ($1, 0)"
    for number in range(10 * WORKS_UNTIL_WRITTEN_BACK):
        await db.transact(lambda tx, name=f"{number}": tx.execute(insert, name))  # type: ignore[misc]
        # Not where the next work came before the writer looked whether anybody waits: then a later one.
        if number >= WORKS_UNTIL_WRITTEN_BACK and _in_the_file(db.path, tmp_path) >= WORKS_UNTIL_WRITTEN_BACK:
            return
    pytest.fail("everything is in the log alone")


def _in_the_file(path: Path, directory: Path) -> int:
    """How many names are found without the log."""
    without_log = directory / "copy.db"
    without_log.write_bytes(path.read_bytes())
    with contextlib.closing(sqlite3.connect(without_log)) as copy:
        try:
            (found,) = copy.execute("select count(*) from cursors").fetchone()
        except sqlite3.DatabaseError:  # copied while it was being written
            return 0
    return int(found)
