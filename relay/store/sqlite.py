"""The store inside: SQLite, one writer, a few readers. The one home of sqlite-utils.

sqlite-utils owns the writer's connection and runs the migrations; on the hot
path statements go straight to that connection, because every convenience of
the library costs more than the statement itself.
"""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import sqlite_utils
from sqlite_utils import Migrations

from relay.clock import Clock, to_us
from relay.failpoints import ARMED, reach
from relay.store import migrations, owner, statements
from relay.store.connections import (
    check_integrity,
    close_as_found,
    connect_reader,
    connect_writer,
    write_something,
)
from relay.store.database import Engine, Row, Value, Work
from relay.store.dialect import SQLITE, expand
from relay.store.faults import Fault, StoreDamaged, StoreFault, from_os, from_sqlite, refuse_newer
from relay.store.group import CommitObserver, refuse_nested
from relay.store.health import Ballast, Health, Reserve
from relay.store.marks import refuse_marked
from relay.store.readers import Readers
from relay.store.writer import Writer

T = TypeVar("T")

READERS = 3
HEALTH_INTERVAL = timedelta(seconds=2)
BUSY_TIMEOUT = timedelta(seconds=1)
READ_PATIENCE = timedelta(seconds=5)
DAMAGE_PATIENCE = 30

logger = logging.getLogger(__name__)


class SqliteDatabase:
    """A `Database` on one SQLite file that this process owns. Made by `open_sqlite`."""

    engine: Engine = "sqlite"

    def __init__(
        self,
        path: Path,
        lock: owner.OwnerLock,
        writer: Writer,
        readers: Readers,
        health: Health,
        health_interval: timedelta | None,
    ) -> None:
        self.path = path
        self._lock = lock
        self._writer = writer
        self._readers = readers
        self._health = health
        self._stopping = threading.Event()
        self._watch: threading.Thread | None = None
        if health_interval is not None:
            self._watch = threading.Thread(
                target=self._watch_health,
                args=(health_interval.total_seconds(),),
                name="store-health",
                daemon=True,
            )
            self._watch.start()

    async def transact(
        self,
        work: Work[T],
        *,
        intake: bool = False,
        lengthy: bool = False,
        unhurried: bool = False,
        side_by_side: bool = False,
        together: str | None = None,
    ) -> T:
        if intake:
            self._health.check_intake()
        result: T = await self._writer.transact(work, lengthy=lengthy, unhurried=unhurried)
        return result

    async def fetch_all(self, sql: str, *args: Value) -> Sequence[Row]:
        rows: Sequence[Row] = await self._readers.fetch(statements.fetch_all, sql, args)
        return rows

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        row: Row | None = await self._readers.fetch(statements.fetch_one, sql, args)
        return row

    async def look_up(self, sql: str, *args: Value) -> Row | None:
        refuse_nested()
        return await self._readers.look_up(sql, args)

    @property
    def accepting(self) -> bool:
        return self._health.trouble is None

    @property
    def trouble(self) -> str | None:
        return self._health.trouble

    def check_intake(self) -> None:
        self._health.check_intake()

    async def probe(self) -> bool:
        """Look at the disk and, after a fault, try to write; returns whether new mail may come."""
        await asyncio.to_thread(self._look)
        return self.accepting

    def note_trouble(self, error: OSError) -> StoreFault:
        """A file beside the store could not be written: closes the intake; returns what to raise."""
        fault = from_os(error)
        self._health.notice(fault)
        return fault

    async def integrity(self) -> list[str]:
        """Everything that is wrong with the file, as SQLite sees it; an empty list is a whole store."""
        return await asyncio.to_thread(check_integrity, self.path)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._stopping.set()
        if self._watch is not None:
            self._watch.join()
        # The writer goes last, so that it is the one that checkpoints.
        self._readers.close()
        owner.expect_no_log(self.path)
        self._writer.close()
        self._lock.release()

    def _watch_health(self, seconds: float) -> None:
        # A damaged file is read through before each try.
        while not self._stopping.wait(seconds * (DAMAGE_PATIENCE if self._health.is_damaged else 1)):
            try:
                self._look()
            except Exception:
                logger.exception("the store's health could not be looked at")

    def _look(self) -> None:
        self._health.look(self._prove)

    def _prove(self) -> None:
        if self._health.is_damaged:
            complaints = check_integrity(self.path, "quick_check")
            if complaints:
                raise StoreFault(Fault.DAMAGED, complaints[0])
        proof: Future[None] = self._writer.errand(write_something)
        proof.result()


def open_sqlite(
    path: Path,
    clock: Clock,
    *,
    reserve: Reserve = Reserve(),  # noqa: B008 - it is frozen
    observer: CommitObserver | None = None,
    health_interval: timedelta | None = HEALTH_INTERVAL,
    busy_timeout: timedelta = BUSY_TIMEOUT,
    readers: int = READERS,
) -> SqliteDatabase:
    """Open the store at `path`, made and brought to today's tables as needed. Blocks.

    Raises StoreOwned while another process has it, StoreDamaged when its files
    are not whole (they are left alone), SchemaTooNew, or StoreFault when the
    disk does not let us. `health_interval=None`: nobody looks unless `probe`
    is called.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = owner.OwnerLock(path)
        try:
            database = _open_writer(path, clock, busy_timeout)
            # One more, for what is looked up on the event loop: it waits for nobody.
            *reading, at_once = _open_readers(path, database, [READ_PATIENCE] * readers + [timedelta()])
            owner.expect_log(path)
        except BaseException:
            lock.release()
            raise
    except OSError as error:
        raise from_os(error) from error
    health = Health(path.parent, reserve, Ballast(owner.beside(path, "ballast"), reserve.ballast_bytes))
    writer = Writer(database.conn, clock, noticed=health.notice, observer=observer, patience=busy_timeout)
    asking = Readers(reading, at_once, health.notice)
    store = SqliteDatabase(path, lock, writer, asking, health, health_interval)
    store._look()
    return store


def _open_readers(
    path: Path, database: sqlite_utils.Database, patience: Sequence[timedelta]
) -> list[sqlite3.Connection]:
    try:
        return [connect_reader(path, each) for each in patience]
    except sqlite3.Error as error:
        close_as_found(path, database.conn)
        raise _at_opening(path, error) from error


def _open_writer(path: Path, clock: Clock, busy_timeout: timedelta) -> sqlite_utils.Database:
    try:
        if not owner.find_store(path):
            _make_store(path, clock)
        owner.remember(path)
        database = _own(connect_writer(path, busy_timeout))
    except sqlite3.Error as error:
        raise _at_opening(path, error) from error
    try:
        database.execute("select count(*) from sqlite_master").fetchone()
        migrate(database, clock)
        # From here on it is the writer that waits for a lock: never the event loop.
        database.execute("PRAGMA busy_timeout = 0")
    except sqlite3.Error as error:
        close_as_found(path, database.conn)
        raise _at_opening(path, error) from error
    except BaseException:
        close_as_found(path, database.conn)
        raise
    return database


def _own(connection: sqlite3.Connection) -> sqlite_utils.Database:
    # Plug-ins of the library that happen to be installed have no business in a mail store.
    return sqlite_utils.Database(connection, execute_plugins=False)


def _at_opening(path: Path, error: sqlite3.Error) -> Exception:
    meaning = from_sqlite(error)
    if isinstance(meaning, StoreFault) and meaning.fault is Fault.DAMAGED:
        return StoreDamaged(f"{path}: {error}; restore a backup")
    return meaning


def _make_store(path: Path, clock: Clock) -> None:
    """Make a whole store under another name, then give it its own: dying halfway leaves none."""
    unfinished = owner.beside(path, "new")
    for leftover in (unfinished, owner.beside(path, "new-wal"), owner.beside(path, "new-shm")):
        leftover.unlink(missing_ok=True)
    unfinished.touch(0o600)  # the log and the shared memory take their mode from it
    with contextlib.closing(_own(connect_writer(unfinished, BUSY_TIMEOUT))) as database:
        database.execute(f"PRAGMA application_id = {owner.APPLICATION_ID}")
        migrate(database, clock)
    unfinished.rename(path)
    owner.sync_directory(path.parent)


def migrate(database: sqlite_utils.Database, clock: Clock) -> None:
    """Run the steps that are missing, each in a transaction; raises SchemaTooNew and StoreMoved."""
    known = migrations.steps()
    chain = Migrations("posthouse")
    applied = [step.name for step in chain.applied(database)]
    refuse_marked(applied)
    refuse_newer(applied, [name for name, _ in known])
    macros = {**SQLITE, "now": lambda _: str(to_us(clock.now()))}
    for name, text in known:
        chain(name=name)(_step([expand(each, macros).text.strip() for each in migrations.statements(text)]))
    chain.apply(database)


def _step(texts: Sequence[str]) -> Callable[[sqlite_utils.Database], None]:
    def run(database: sqlite_utils.Database) -> None:
        # Not executescript: it commits what is open before it begins.
        for text in texts:
            if text:
                database.execute(text)
                if ARMED:
                    reach("store.migration")

    return run
