"""Bodies in rows against bodies in files: which is cheaper at which size?

Each cell stores messages through the real store and shelf, `group` of them
under way at a time, for a fixed time. Prints messages a second and CPU
milliseconds a message (user and system, all threads).

    python -m bench.bodies [--seconds 1.2] [--dir /var/tmp]
"""

import argparse
import asyncio
import os
import resource
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from relay.clock import SystemClock
from relay.ids import new_id
from relay.message.content import Body
from relay.store import bodies
from relay.store.bodies import BodyShelf
from relay.store.database import Transaction
from relay.store.health import Reserve
from relay.store.sqlite import SqliteDatabase, open_sqlite

SIZES = [4 << 10, 16 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20, 10 << 20]
GROUPS = [1, 8, 32]
CLOCK = SystemClock()


async def store_one(db: SqliteDatabase, shelf: BodyShelf, payload: bytes) -> None:
    name = new_id("msg", CLOCK)
    data, file = await shelf.keep(Body(payload, None, len(payload)), name)

    async def work(tx: Transaction) -> None:
        await tx.execute("insert into bench (id, body, body_file) values ($1, $2, $3)", name, data, file)

    await db.transact(work)


async def measure(base: Path, size: int, group: int, seconds: float, row_limit: int) -> tuple[float, float]:
    """Messages a second and CPU milliseconds a message."""
    directory = Path(tempfile.mkdtemp(prefix="bodies-", dir=base))
    db = open_sqlite(directory / "posthouse.db", CLOCK, reserve=Reserve(0, 0), health_interval=None)
    shelf = BodyShelf(directory, CLOCK)
    bodies.ROW_LIMIT = row_limit
    try:
        await db.transact(
            lambda tx: tx.execute("create table bench (id text primary key, body {blob}, body_file text)")
        )
        payload = os.urandom(size)
        return await load(lambda: store_one(db, shelf, payload), group, seconds)
    finally:
        await db.close()
        shelf.close()
        shutil.rmtree(directory)


async def load(one: Callable[[], Awaitable[None]], group: int, seconds: float) -> tuple[float, float]:
    done = 0
    began, cpu = CLOCK.monotonic(), used()
    end = began + seconds

    async def client() -> None:
        nonlocal done
        while CLOCK.monotonic() < end:
            await one()
            done += 1

    await asyncio.gather(*(client() for _ in range(group)))
    return done / (CLOCK.monotonic() - began), (used() - cpu) * 1000 / done


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def label(size: int) -> str:
    return f"{size >> 20} MB" if size >= 1 << 20 else f"{size >> 10} KB"


async def run(base: Path, seconds: float) -> None:
    print(f"{'size':>7} {'group':>5} | {'rows/s':>8} {'CPU ms':>7} | {'files/s':>8} {'CPU ms':>7} | ratio")
    for size in SIZES:
        for group in GROUPS:
            rows, row_cpu = await measure(base, size, group, seconds, 1 << 40)
            files, file_cpu = await measure(base, size, group, seconds, -1)
            print(
                f"{label(size):>7} {group:>5} | {rows:8.0f} {row_cpu:7.2f} | {files:8.0f} {file_cpu:7.2f}"
                f" | {rows / files:5.2f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=1.2)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    arguments = parser.parse_args()
    asyncio.run(run(arguments.dir, arguments.seconds))


if __name__ == "__main__":
    main()
