"""An earlier version's store is brought up to date whole, however often that is killed halfway."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from relay.store import migrations
from relay.store.connections import check_integrity
from relay.store.sqlite import open_sqlite
from tests.conftest import NO_RESERVE
from tests.fakes.clock import FakeClock
from tests.fakes.daemon import run_program
from tests.faults.old_store import make_old_store

LATEST = migrations.steps()[-1][0]
FIRST, *LATER = (name for name, _ in migrations.steps())

# For n = 1, 5, … opens a copy of the store and dies when the n-th statement of that begins.
DIE_IN_MIGRATION = """
import itertools, os, pathlib, shutil, sys
from relay.clock import SystemClock
from relay.store import sqlite

connect = sqlite.connect_writer

def open_until(path, left):
    def note(statement):
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(9)

    def connect_writer(*arguments):
        connection = connect(*arguments)
        connection.set_trace_callback(note)
        return connection

    sqlite.connect_writer = connect_writer
    sqlite.open_sqlite(path, SystemClock())
    os._exit(0)

for statement in itertools.count(1, 4):
    path = pathlib.Path(sys.argv[2], str(statement), "posthouse.db")
    path.parent.mkdir()
    shutil.copy(sys.argv[1], path)
    child = os.fork()
    if not child:
        open_until(path, statement)
    if not os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        break
"""


def steps_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        return [name for (name,) in store.execute("select name from _sqlite_migrations order by name")]


@pytest.mark.parametrize("last", [FIRST, *LATER[:-1]])
async def test_an_older_store_is_brought_up_to_date_with_what_is_in_it(data_dir: Path, last: str) -> None:
    path = make_old_store(data_dir / "posthouse.db", last)
    assert steps_of(path)[-1] == last
    db = open_sqlite(path, FakeClock(), reserve=NO_RESERVE, health_interval=None)
    try:
        row = await db.fetch_one("select state, body from recipients join contents using (message_id)")
        assert row is not None
        assert (row["state"], row["body"]) == ("queued", b"Hello.\r\n")
        assert await db.integrity() == []
    finally:
        await db.close()
    assert steps_of(path)[-1] == LATEST


async def test_a_migration_that_is_killed_at_any_statement_is_done_at_the_next_opening(
    tmp_path: Path,
) -> None:
    old, copies = make_old_store(tmp_path / "old" / "posthouse.db", FIRST), tmp_path / "copies"
    copies.mkdir()
    await run_program(sys.executable, "-c", DIE_IN_MIGRATION, old, copies)
    left_at = set()
    for path in sorted(copies.glob("*/posthouse.db")):
        assert check_integrity(path) == []
        left_at.add(len(steps_of(path)))
        db = open_sqlite(path, FakeClock(), reserve=NO_RESERVE, health_interval=None)
        assert await db.fetch_one("select 1 from recipients where state = 'queued'")
        await db.close()
        assert steps_of(path) == [FIRST, *LATER]
    assert len(left_at) >= len(LATER)
