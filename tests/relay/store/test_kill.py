"""A process that is killed loses no write that it was told is durable."""

import asyncio
import itertools
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from relay.store.connections import check_integrity
from relay.store.sqlite import open_sqlite
from tests.conftest import NO_RESERVE
from tests.fakes.clock import FakeClock

# Ten writers side by side; each says the number of a write when `transact` has returned.
WRITE_ON = """
import asyncio, itertools, os, sys
from pathlib import Path
from relay.clock import SystemClock
from relay.store.sqlite import open_sqlite

numbers = itertools.count(int(sys.argv[2]))

async def main():
    db = open_sqlite(Path(sys.argv[1]), SystemClock())

    async def write_on():
        while True:
            number = next(numbers)

            async def work(tx):
                await tx.execute("insert into cursors (name, seq) values ($1, $2)", f"a{number}", number)
                await tx.execute("insert into cursors (name, seq) values ($1, $2)", f"b{number}", number)

            await db.transact(work)
            os.write(1, b"%d\\n" % number)

    await asyncio.gather(*(write_on() for _ in range(10)))

asyncio.run(main())
"""


@pytest.fixture
def path(data_dir: Path) -> Path:
    return data_dir / "posthouse.db"


def acknowledged_before_the_kill(path: Path, first: int, enough: int) -> list[int]:
    """Start a writer, kill it after `enough` acknowledgements; returns every number it had said."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_ON, str(path), str(first)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(enough)]
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.readlines()
    return [int(line) for line in said if line.endswith(b"\n")]


async def test_kill_9_loses_no_acknowledged_write(path: Path, clock: FakeClock) -> None:
    acknowledged: set[int] = set()
    for round_ in range(5):
        acknowledged.update(acknowledged_before_the_kill(path, round_ * 1_000_000, 50 + 333 * round_))
        assert check_integrity(path) == []  # beside a log that nobody has replayed yet

    db = open_sqlite(path, clock, reserve=NO_RESERVE, health_interval=None)
    rows = await db.fetch_all("select name from cursors")
    kept = {row["name"] for row in rows}
    assert {f"a{number}" for number in acknowledged} <= kept
    # Whole or not at all, also for those that were not acknowledged.
    assert {name[1:] for name in kept if name[0] == "a"} == {name[1:] for name in kept if name[0] == "b"}
    assert await db.integrity() == []
    await db.close()


# Dies at the n-th file operation that makes a store, for n = 1, 2, …
DIE_WHILE_MAKING = """
import os, pathlib, sys
from relay.clock import SystemClock
from relay.store import owner, sqlite

left = int(sys.argv[2])

def mortal(function):
    def wrapper(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os._exit(9)
        return function(*args, **kwargs)
    return wrapper

sqlite.migrate = mortal(sqlite.migrate)
sqlite.sqlite_utils.Database.close = mortal(sqlite.sqlite_utils.Database.close)
pathlib.Path.rename = mortal(pathlib.Path.rename)
owner.sync_directory = mortal(owner.sync_directory)
owner.remember = mortal(owner.remember)
sqlite.open_sqlite(pathlib.Path(sys.argv[1]), SystemClock())
os._exit(0)
"""


async def test_dying_at_any_step_of_the_making_leaves_a_store_that_opens(
    tmp_path: Path, clock: FakeClock
) -> None:
    for step in itertools.count(1):
        path = tmp_path / str(step) / "posthouse.db"
        ended = await asyncio.to_thread(
            subprocess.call, [sys.executable, "-c", DIE_WHILE_MAKING, path, str(step)]
        )
        db = open_sqlite(path, clock, reserve=NO_RESERVE, health_interval=None)
        assert await db.fetch_one("select 1 from tenants")
        await db.close()
        if ended == 0:
            break
    assert step > 5
