"""What is made once, at a first start or an upgrade, is whole or not there, wherever its making ends."""

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from relay.failpoints import VARIABLE
from relay.store.connections import check_integrity
from relay.store.migrations import statements, steps
from relay.store.node import NodeName
from relay.store.sqlite import open_sqlite
from tests.conftest import NO_RESERVE
from tests.crash.cuts import left_by
from tests.crash.syscalls import NEEDED, may_trace
from tests.fakes.clock import FakeClock
from tests.fakes.daemon import ROOT

OPEN = """
import sys
from pathlib import Path
from relay.clock import SystemClock
from relay.store.health import Reserve
from relay.store.sqlite import open_sqlite
open_sqlite(Path(sys.argv[1]), SystemClock(), reserve=Reserve(0, 0), health_interval=None)
"""
STATEMENTS = sum(len(list(statements(text))) for _, text in steps())


def dies_at(statement: int, path: Path) -> None:
    """Open the store, and end after so many statements of its making."""
    environ = {**os.environ, VARIABLE: f"store.migration:{statement}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", OPEN, str(path)], env=environ, check=False)
    assert done.returncode == -signal.SIGKILL


async def opens(path: Path) -> None:
    """It is made or brought up to date now, and whole."""
    store = open_sqlite(path, FakeClock(), reserve=NO_RESERVE, health_interval=None)
    await store.close()
    assert check_integrity(path) == []
    with closing(sqlite3.connect(path)) as connection:
        applied = [
            name for (name,) in connection.execute("select name from _sqlite_migrations order by name")
        ]
    assert applied == [name for name, _ in steps()]


@pytest.mark.parametrize("statement", [1, 10, STATEMENTS // 2])
async def test_a_store_whose_making_was_killed_is_made_anew(statement: int, data_dir: Path) -> None:
    path = data_dir / "posthouse.db"
    await asyncio.to_thread(dies_at, statement, path)
    assert not path.exists()
    await opens(path)


@pytest.mark.parametrize("statement", [1, 2])
async def test_an_upgrade_that_was_killed_is_made_at_the_next_start(statement: int, data_dir: Path) -> None:
    path = data_dir / "posthouse.db"
    await opens(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("insert into cursors (name, seq) values ('kept', 7)")
        connection.execute("drop table drafts")
        connection.execute("delete from _sqlite_migrations where name = 'm0005_drafts'")
    await asyncio.to_thread(dies_at, statement, path)
    await opens(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select seq from cursors where name = 'kept'").fetchall() == [(7,)]


@pytest.mark.skipif(not may_trace(), reason=NEEDED)
def test_a_node_knows_its_name_after_the_power_went(tmp_path: Path) -> None:
    """Else the leases of its earlier life would have to run out."""
    data = tmp_path / "data"
    data.mkdir()
    left = left_by(
        "from pathlib import Path\nfrom relay.store.node import NodeName\n"
        f"NodeName(Path({str(data)!r}), 'here')",
        data,
        tmp_path,
    )
    assert re.fullmatch(rb"[0-9a-f]{12}\n", left["node.id"])
    made = NodeName(data, "here")
    assert made.name.encode() == b"here/" + left["node.id"].strip()
    made.release()
