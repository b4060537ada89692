"""A store in trouble takes no new mail, settles what it can, and recovers alone."""

import asyncio
import errno
import logging
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from relay.errors import StoreUnavailable
from relay.store.bodies import BodyShelf
from relay.store.database import Transaction, Work
from relay.store.faults import Fault, StoreFault
from relay.store.health import Reserve
from relay.store.sqlite import SqliteDatabase, open_sqlite
from tests.conftest import NO_RESERVE
from tests.fakes.clock import FakeClock
from tests.fakes.disk import tmp_path
from tests.relay.store.test_bodies import in_memory

__all__ = ["tmp_path"]

MIB = 1 << 20
DISK = 16 * MIB

Open = Callable[..., SqliteDatabase]


def put(name: str) -> Work[int]:
    return lambda tx: tx.execute("insert into cursors (name, seq) values ($1, 0)", name)


def put_blob(name: str, size: int) -> Work[int]:
    return lambda tx: tx.execute(
        "insert into secrets (name, value, created_at) values ($1, $2, 0)", name, bytes(size)
    )


def run(*command: str | Path) -> int:
    """The exit code of a command of the system."""
    return subprocess.run(command, capture_output=True, check=False).returncode


def remount(disk: Path, options: str) -> None:
    assert run("mount", "-o", f"remount,{options}", disk) == 0


def fill(disk: Path, leave: int = 0) -> Path:
    """Take all the room of the small disk but `leave`, in whole pages."""
    ballast = disk / "other people's files"
    free = shutil.disk_usage(disk).free - leave
    assert run("fallocate", "-l", str(free // 4096 * 4096), ballast) == 0
    return ballast


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB of our own."""
    place = tmp_path / "disk"
    place.mkdir()
    if run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", place):
        pytest.skip("a small disk: mounting is not permitted here")
    try:
        yield place
    finally:
        assert run("umount", "--lazy", place) == 0


@pytest.fixture
async def open_on(clock: FakeClock) -> AsyncIterator[Open]:
    opened: list[SqliteDatabase] = []

    def open_on(directory: Path, reserve: Reserve = NO_RESERVE) -> SqliteDatabase:
        opened.append(
            open_sqlite(
                directory / "posthouse.db",
                clock,
                reserve=reserve,
                health_interval=None,
                busy_timeout=timedelta(milliseconds=20),
            )
        )
        return opened[-1]

    yield open_on
    for db in opened:
        await db.close()


async def refusal(db: SqliteDatabase, work: Work[int], *, intake: bool = True) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        await db.transact(work, intake=intake)
    return caught.value


async def test_a_store_that_is_well_accepts(db: SqliteDatabase) -> None:
    assert db.accepting
    assert db.trouble is None
    assert await db.transact(put("a"), intake=True) == 1


async def test_a_full_disk_closes_the_intake_until_there_is_room(disk: Path, open_on: Open) -> None:
    db = open_on(disk)
    others = fill(disk)

    first = await refusal(db, put_blob("too much", 2 * MIB))
    assert isinstance(first, StoreFault)
    assert first.fault is Fault.FULL
    at_once = await refusal(db, put("b"))
    for error in (first, at_once):
        assert (error.reply.code, error.reply.enhanced) == (452, "4.3.1")
    assert not db.accepting
    assert "full" in str(db.trouble)
    assert await db.fetch_one("select 1 from tenants")

    others.unlink()
    assert await db.probe()
    await db.transact(put_blob("fits", 2 * MIB), intake=True)
    assert await db.fetch_one("select 1 from secrets where name = 'too much'") is None
    assert await db.integrity() == []


async def test_a_file_at_its_limit_is_full_and_recovers(db: SqliteDatabase) -> None:
    async def limit(tx: Transaction, pages: str) -> None:
        await tx.execute(f"pragma max_page_count = {pages}")

    await db.transact(lambda tx: limit(tx, "100"))
    assert (await refusal(db, put_blob("too much", MIB))).reply.code == 452
    assert (await refusal(db, put("mail"))).reply.code == 452
    assert await db.transact(put("outcome")) == 1
    await db.transact(lambda tx: limit(tx, "1000000"))
    assert await db.probe()
    assert await db.transact(put_blob("fits", MIB), intake=True) == 1


async def test_the_ballast_makes_room_for_outcomes_and_comes_back(disk: Path, open_on: Open) -> None:
    db = open_on(disk, Reserve(min_free_bytes=0, ballast_bytes=4 * MIB))
    ballast = disk / "posthouse.db.ballast"
    assert ballast.stat().st_blocks * 512 == 4 * MIB
    others = fill(disk)

    await refusal(db, put_blob("mail", 2 * MIB))
    assert not ballast.exists()
    assert await db.transact(put_blob("outcome", MIB)) == 1

    assert not await db.probe()
    assert (await refusal(db, put("mail"))).reply.code == 452
    others.unlink()
    assert await db.probe()
    assert ballast.stat().st_size == 4 * MIB


async def test_mail_may_not_take_the_last_of_the_disk(disk: Path, open_on: Open) -> None:
    db = open_on(disk, Reserve(min_free_bytes=4 * MIB, ballast_bytes=0))
    assert await db.probe()
    others = fill(disk, leave=3 * MIB)

    assert not await db.probe()
    assert "nearly full" in str(db.trouble)
    assert (await refusal(db, put("mail"))).reply.code == 452
    assert await db.transact(put("outcome")) == 1

    others.unlink()
    fill(disk, leave=4 * MIB + MIB // 4)  # enough, but not by an eighth
    assert not await db.probe()
    others.unlink()
    assert await db.probe()


async def test_a_disk_without_inodes_closes_the_intake(tmp_path: Path, disk: Path, open_on: Open) -> None:
    remount(disk, "nr_inodes=200")
    db = open_on(disk)
    assert "inodes" in str(db.trouble)
    remount(disk, "nr_inodes=1000")
    assert await db.probe()


async def test_by_default_a_tenth_of_a_small_disk_is_kept(disk: Path, open_on: Open) -> None:
    db = open_on(disk, Reserve(ballast_bytes=0))
    assert db.accepting
    fill(disk, leave=DISK // 10 - 64 * 1024)
    assert not await db.probe()


async def test_a_body_that_finds_no_room_closes_the_intake(
    disk: Path, open_on: Open, clock: FakeClock
) -> None:
    db = open_on(disk)
    shelf = BodyShelf(disk, clock, trouble=db.note_trouble)
    fill(disk, leave=512 * 1024)
    with pytest.raises(StoreUnavailable) as caught:
        await shelf.keep(in_memory(bytes(MIB)), "msg_0000000001")
    assert caught.value.reply.code == 452
    assert not db.accepting
    assert list(shelf.names()) == []
    assert list(shelf.incoming.iterdir()) == []
    shelf.close()


async def test_another_program_that_keeps_the_lock_closes_the_intake(db_locked_soon: SqliteDatabase) -> None:
    db = db_locked_soon
    other = sqlite3.connect(db.path, isolation_level=None)
    other.execute("begin exclusive")

    first = await refusal(db, put("a"))
    assert (first.reply.code, first.reply.enhanced) == (451, "4.3.0")
    assert "locked by another process" in str(db.trouble)
    assert not await db.probe()
    assert (await refusal(db, put("outcome"), intake=False)).reply.code == 451
    assert await db.fetch_one("select 1 from tenants")

    other.execute("rollback")
    assert await db.transact(put("outcome")) == 1
    assert not db.accepting  # until it was looked at
    assert await db.probe()
    other.close()


@pytest.fixture
async def db_locked_soon(open_on: Open, data_dir: Path) -> SqliteDatabase:
    return open_on(data_dir)


async def test_works_that_wait_together_for_a_lock_all_learn_of_it(db_locked_soon: SqliteDatabase) -> None:
    db = db_locked_soon
    other = sqlite3.connect(db.path, isolation_level=None)
    other.execute("begin exclusive")
    errors = await asyncio.gather(*(db.transact(put(str(n))) for n in range(5)), return_exceptions=True)
    other.close()
    assert [type(error) for error in errors] == [StoreFault] * 5
    assert len({id(error) for error in errors}) == 5


async def test_a_log_that_may_not_be_written_closes_the_intake(db_locked_soon: SqliteDatabase) -> None:
    db = db_locked_soon
    await db.transact(put("a"))
    log = db.path.with_name("posthouse.db-wal")
    if run("chattr", "+i", log):
        pytest.skip("an immutable file: chattr is not permitted here")
    try:
        first = await refusal(db, put("b"))
        assert first.reply.code == 451
        assert not await db.probe()
    finally:
        assert run("chattr", "-i", log) == 0
    assert await db.probe()
    assert await db.transact(put("c"), intake=True) == 1
    rows = await db.fetch_all("select name from cursors order by name")
    assert [row["name"] for row in rows] == ["a", "c"]


async def test_a_read_only_disk_is_named_at_opening(disk: Path, open_on: Open) -> None:
    await open_on(disk).close()
    remount(disk, "ro")
    with pytest.raises(StoreFault, match="read-only"):
        open_on(disk)


@pytest.fixture
async def damaged(open_on: Open, data_dir: Path) -> tuple[SqliteDatabase, bytes]:
    """A store whose pages beyond the first were overwritten under it, and what the file was before."""
    db = open_on(data_dir)
    await db.transact(put_blob("a", 3 * MIB))
    await db.close()
    content = db.path.read_bytes()
    db = open_on(data_dir)
    with db.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (len(content) - 4096))
    return db, content


@pytest.mark.parametrize("who", ["reader", "writer"])
async def test_a_damaged_page_closes_the_intake_until_the_file_is_whole(
    damaged: tuple[SqliteDatabase, bytes], who: str
) -> None:
    db, content = damaged
    query = "select name, length(value) from secrets"
    with pytest.raises(StoreFault) as caught:
        await (db.fetch_all(query) if who == "reader" else db.transact(lambda tx: tx.fetch_all(query)))
    assert caught.value.fault is Fault.DAMAGED
    assert not db.accepting
    assert (await refusal(db, put("a"))).reply.code == 451
    assert not await db.probe()
    assert await db.integrity() != []

    db.path.write_bytes(content)
    assert await db.probe()


async def test_other_trouble_does_not_hide_damage(damaged: tuple[SqliteDatabase, bytes]) -> None:
    db, _ = damaged
    with pytest.raises(StoreFault):
        await db.fetch_all("select name from secrets")
    db.note_trouble(OSError(errno.ENOSPC, "No space left on device"))
    assert not await db.probe()
    assert "damaged" in str(db.trouble)


class Recovery(logging.Handler):
    """Hears the log say that mail is accepted again."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "accepting mail again":
            self.heard.set()


async def test_health_is_looked_at_by_itself(data_dir: Path, clock: FakeClock) -> None:
    recovery = Recovery()
    logger = logging.getLogger("relay.store.health")
    logger.addHandler(recovery)
    interval = timedelta(milliseconds=1)
    db = open_sqlite(data_dir / "posthouse.db", clock, reserve=NO_RESERVE, health_interval=interval)
    try:
        db.note_trouble(OSError(errno.ENOSPC, "No space left on device"))
        assert await asyncio.to_thread(recovery.heard.wait, 10)
        assert db.accepting
    finally:
        await db.close()
        logger.removeHandler(recovery)
