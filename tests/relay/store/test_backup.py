"""A backup of a running store is whole, and what is not whole is not restored."""

import asyncio
import io
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.errors import AlreadyExists
from relay.store.backup import Backup, restore_backup, write_backup
from relay.store.bodies import ROW_LIMIT, BodyShelf
from relay.store.faults import StoreDamaged, StoreOwned
from relay.store.sqlite import SqliteDatabase, open_sqlite
from tests.conftest import NO_RESERVE
from tests.fakes.clock import FakeClock
from tests.relay.store.test_bodies import ID, NAME, in_memory

LARGE = bytes(range(256)) * (ROW_LIMIT // 256 + 1)


@pytest.fixture
async def shelf(db: SqliteDatabase, data_dir: Path, clock: FakeClock) -> BodyShelf:
    shelf = BodyShelf(data_dir, clock)
    await shelf.keep(in_memory(LARGE), ID)
    await db.transact(lambda tx: tx.execute("insert into cursors (name, seq) values ('kept', 7)"))
    return shelf


@pytest.fixture
async def backup(db: SqliteDatabase, shelf: BodyShelf, tmp_path: Path, clock: FakeClock) -> Path:
    target = tmp_path / "posthouse.backup"
    await asyncio.to_thread(write_backup, db.path, shelf, target, clock)
    return target


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere" / "posthouse.db"


async def test_a_restored_store_is_the_one_that_was_backed_up(
    backup: Path, elsewhere: Path, clock: FakeClock
) -> None:
    restored = restore_backup(backup, elsewhere)
    assert (restored.bodies, restored.size) == (1, backup.stat().st_size)
    db = open_sqlite(elsewhere, clock, reserve=NO_RESERVE, health_interval=None)
    row = await db.fetch_one("select seq from cursors where name = 'kept'")
    assert row is not None
    assert row["seq"] == 7
    assert await db.integrity() == []
    await db.close()
    assert BodyShelf(elsewhere.parent, clock).path(NAME).read_bytes() == LARGE


async def test_a_backup_is_for_our_eyes_alone(backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in backup.parent.glob(".*")] == []


async def test_writing_goes_on_during_a_backup(
    db: SqliteDatabase, shelf: BodyShelf, tmp_path: Path, clock: FakeClock
) -> None:
    done = asyncio.Event()
    count = 0

    async def write() -> None:
        nonlocal count
        while not done.is_set():
            await db.transact(lambda tx: tx.execute("update cursors set seq = seq + 1"))
            count += 1

    writing = asyncio.ensure_future(write())
    for round_ in range(3):
        target = tmp_path / f"{round_}.backup"
        made: Backup = await asyncio.to_thread(write_backup, db.path, shelf, target, clock)
        assert made.bodies == 1
        restore_backup(target, tmp_path / str(round_) / "posthouse.db")
    done.set()
    await writing
    assert count
    row = await db.fetch_one("select seq from cursors")
    assert row is not None
    assert row["seq"] == 7 + count


async def test_a_body_that_is_purged_during_the_backup_is_still_in_it(
    db: SqliteDatabase, shelf: BodyShelf, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = shelf.names

    def names_after_a_purge() -> object:
        asyncio.run(shelf.drop(NAME))
        return names()

    monkeypatch.setattr(shelf, "names", names_after_a_purge)
    target = tmp_path / "posthouse.backup"
    made = await asyncio.to_thread(write_backup, db.path, shelf, target, clock)
    assert made.bodies == 1
    assert not shelf.path(NAME).exists()


async def test_a_store_in_use_is_not_replaced(db: SqliteDatabase, backup: Path) -> None:
    with pytest.raises(StoreOwned):
        restore_backup(backup, db.path, replace=True)


async def test_a_store_that_is_there_is_replaced_only_on_demand_and_set_aside(
    db: SqliteDatabase, backup: Path, clock: FakeClock
) -> None:
    await db.transact(lambda tx: tx.execute("update cursors set seq = 8"))
    await db.close()
    with pytest.raises(AlreadyExists):
        restore_backup(backup, db.path)

    log = db.path.with_name("posthouse.db-wal")
    log.write_bytes(b"of the old store")
    restore_backup(backup, db.path, replace=True)
    assert not log.exists()
    assert len(list(db.path.parent.glob("posthouse.db.replaced-*"))) == 1
    again = open_sqlite(db.path, clock, reserve=NO_RESERVE, health_interval=None)
    row = await again.fetch_one("select seq from cursors")
    assert row is not None
    assert row["seq"] == 7
    await again.close()


def cut_off(backup: Path) -> None:
    backup.write_bytes(backup.read_bytes()[: -20 * 512])


def change_an_octet(backup: Path) -> None:
    content = bytearray(backup.read_bytes())
    place = content.index(LARGE[:4096])
    content[place] ^= 1
    backup.write_bytes(content)


def not_a_tar(backup: Path) -> None:
    backup.write_bytes(b"no" * 5000)


def slip_in_a_path(backup: Path) -> None:
    with tarfile.open(backup, "w") as tar:
        info = tarfile.TarInfo("../escaped")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))


def leave_the_manifest_out(backup: Path) -> None:
    with tarfile.open(backup) as tar:
        place = tar.getmember("manifest.json").offset
    backup.write_bytes(backup.read_bytes()[:place] + bytes(1024))


@pytest.mark.parametrize(
    "harm", [cut_off, leave_the_manifest_out, change_an_octet, not_a_tar, slip_in_a_path]
)
async def test_a_backup_that_is_not_whole_restores_nothing(
    backup: Path, elsewhere: Path, harm: Callable[[Path], None]
) -> None:
    harm(backup)
    with pytest.raises(StoreDamaged):
        restore_backup(backup, elsewhere)
    assert [each.name for each in elsewhere.parent.iterdir()] == ["posthouse.db.lock"]


async def test_a_lost_store_can_be_restored(db: SqliteDatabase, backup: Path, clock: FakeClock) -> None:
    await db.close()
    db.path.unlink()
    restore_backup(backup, db.path)
    again = open_sqlite(db.path, clock, reserve=NO_RESERVE, health_interval=None)
    assert await again.integrity() == []
    await again.close()


async def test_integrity_names_a_dangling_reference(db: SqliteDatabase) -> None:
    other = sqlite3.connect(db.path)
    other.execute("insert into aliases (address, tenant_id, mailbox_id) values ('a@b.test', 't', 'nobody')")
    other.commit()
    other.close()
    assert await db.integrity() == ["row 1 of aliases refers to a missing row of mailboxes"]
