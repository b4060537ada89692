"""Whoever waits for the log to go on is woken, and nobody looks at it for nothing."""

import asyncio
from datetime import timedelta
from typing import Any

from relay.errors import StoreUnavailable
from relay.events import log
from relay.events.kinds import EventKind
from relay.events.watch import EventWatch
from relay.store.database import Engine, Row, Transaction, Value
from relay.store.sqlite import SqliteDatabase
from tests.fakes.clock import FakeClock

NEVER = 3600.0


class CountedReader:
    """Counts looks at the store, and fails as often as it is told to."""

    def __init__(self, db: SqliteDatabase) -> None:
        self._db = db
        self.looks = 0
        self.failures = 0

    @property
    def engine(self) -> Engine:
        return self._db.engine

    async def fetch_all(self, sql: str, *args: Value) -> Any:
        return await self._db.fetch_all(sql, *args)

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        self.looks += 1
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("not now")
        return await self._db.fetch_one(sql, *args)

    async def look_up(self, sql: str, *args: Value) -> Row | None:
        return await self.fetch_one(sql, *args)


async def happens(db: SqliteDatabase, clock: FakeClock) -> None:
    async def work(tx: Transaction) -> None:
        await log.append(tx, clock, EventKind.KEY_CREATED, tenant_id="ten_default")

    await db.transact(work)


async def test_everybody_who_waits_is_woken_by_one_look(db: SqliteDatabase, clock: FakeClock) -> None:
    reader = CountedReader(db)
    watch = EventWatch(reader, timedelta(hours=1))
    waiting = [asyncio.create_task(watch.wait_beyond(0, NEVER)) for _ in range(50)]
    while not reader.looks:  # noqa: ASYNC110 - it is the watch itself that is waited for
        await asyncio.sleep(0)
    await happens(db, clock)
    watch.nudge()
    assert await asyncio.gather(*waiting) == [1] * 50
    assert reader.looks == 2


async def test_what_is_known_already_needs_no_look(db: SqliteDatabase, clock: FakeClock) -> None:
    await happens(db, clock)
    reader = CountedReader(db)
    watch = EventWatch(reader, timedelta(hours=1))
    assert await watch.wait_beyond(0, NEVER) == 1
    assert await watch.wait_beyond(0, NEVER) == 1
    assert reader.looks == 1


async def test_another_process_is_heard_without_a_nudge(db: SqliteDatabase, clock: FakeClock) -> None:
    watch = EventWatch(db, timedelta(milliseconds=1))
    waiting = asyncio.create_task(watch.wait_beyond(0, NEVER))
    await asyncio.sleep(0)
    await happens(db, clock)
    assert await waiting == 1


async def test_waiting_ends_with_its_time(db: SqliteDatabase) -> None:
    watch = EventWatch(db, timedelta(hours=1))
    assert await watch.wait_beyond(0, 0.01) == 0


async def test_a_store_that_cannot_be_read_is_looked_at_again(db: SqliteDatabase, clock: FakeClock) -> None:
    await happens(db, clock)
    reader = CountedReader(db)
    reader.failures = 3
    watch = EventWatch(reader, timedelta(milliseconds=1))
    assert await watch.wait_beyond(0, NEVER) == 1
    assert reader.looks == 4


async def test_closing_lets_everybody_go(db: SqliteDatabase) -> None:
    watch = EventWatch(db, timedelta(hours=1))
    waiting = asyncio.create_task(watch.wait_beyond(0, NEVER))
    await asyncio.sleep(0)
    watch.close()
    assert await waiting == 0
    assert watch.is_closed
    assert await watch.wait_beyond(5, NEVER) == 0
