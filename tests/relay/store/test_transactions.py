"""What a transaction promises: whole or not at all, each for itself, and durable when it returns."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from relay.errors import AlreadyExists, StoreUnavailable
from relay.store.database import Transaction, Work
from relay.store.sqlite import SqliteDatabase, open_sqlite
from relay.store.writer import GROUP_LIMIT
from tests.conftest import NO_RESERVE
from tests.fakes.clock import FakeClock

INSERT = "insert into cursors (name, seq) values ($1, $2)"


def put(name: str, seq: int = 0) -> Work[int]:
    return lambda tx: tx.execute(INSERT, name, seq)


async def names(db: SqliteDatabase) -> list[str]:
    return [row["name"] for row in await db.fetch_all("select name from cursors order by name")]


class Commits:
    """Remembers the size of every group, and can hold the writer up."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.seconds: list[float] = []

    def committed(self, works: int, seconds: float) -> None:
        self.groups.append(works)
        self.seconds.append(seconds)


class Gate:
    """A work that keeps the writer busy until it is let go, so that others queue up behind it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()

    async def work(self, tx: Transaction) -> None:
        self.entered.set()
        assert self.go.wait(10)


async def in_one_group(db: SqliteDatabase, *works: Work[object]) -> list[object]:
    """Run the works so that they share a commit; returns results and exceptions."""
    gate = Gate()
    first = asyncio.ensure_future(db.transact(gate.work, lengthy=True))
    await asyncio.to_thread(gate.entered.wait, 10)
    rest = [asyncio.ensure_future(db.transact(work)) for work in works]
    await asyncio.sleep(0)
    gate.go.set()
    await first
    return list(await asyncio.gather(*rest, return_exceptions=True))


async def test_works_of_one_group_are_independent(db: SqliteDatabase) -> None:
    async def fails(tx: Transaction) -> None:
        await tx.execute(INSERT, "failed", 1)
        raise LookupError("no")

    results = await in_one_group(db, put("before"), fails, put("after"))
    assert isinstance(results[1], LookupError)
    assert await names(db) == ["after", "before"]


async def test_what_is_queued_together_is_committed_together(data_dir: Path, clock: FakeClock) -> None:
    commits = Commits()
    db = open_sqlite(
        data_dir / "posthouse.db", clock, reserve=NO_RESERVE, health_interval=None, observer=commits
    )
    try:
        await in_one_group(db, *(put(f"name {place}") for place in range(300)))
    finally:
        await db.close()
    assert commits.groups == [1, GROUP_LIMIT, GROUP_LIMIT, 300 - 2 * GROUP_LIMIT]
    assert commits.seconds == [0, 0, 0, 0]  # the clock stands still


async def test_a_work_in_no_hurry_shares_the_next_commit(data_dir: Path, clock: FakeClock) -> None:
    commits = Commits()
    db = open_sqlite(
        data_dir / "posthouse.db", clock, reserve=NO_RESERVE, health_interval=None, observer=commits
    )
    try:
        unhurried = [asyncio.ensure_future(db.transact(put(name), unhurried=True)) for name in ("a", "b")]
        await asyncio.sleep(0)
        await db.transact(put("c"))
        await asyncio.gather(*unhurried)
        assert commits.groups == [3]
        await db.transact(put("d"), unhurried=True)  # nobody else comes
        assert await names(db) == ["a", "b", "c", "d"]
        last = asyncio.ensure_future(db.transact(put("e"), unhurried=True))
        await asyncio.sleep(0)
    finally:
        await db.close()
    await last  # what waited for company is written before the store is closed
    assert commits.groups == [3, 1, 1]


async def test_an_observer_that_fails_makes_no_failed_commit(
    data_dir: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def committed(self, works: int, seconds: float) -> None:
            raise LookupError("no such counter")

    db = open_sqlite(
        data_dir / "posthouse.db", clock, reserve=NO_RESERVE, health_interval=None, observer=Broken()
    )
    try:
        assert await db.transact(put("a")) == 1
        assert await in_one_group(db, put("b"), put("c")) == [1, 1]
        assert await names(db) == ["a", "b", "c"]
    finally:
        await db.close()
    assert "no such counter" in caplog.text


async def test_a_group_that_cannot_be_committed_fails_wholly(db: SqliteDatabase) -> None:
    async def leaves_a_dangling_reference(tx: Transaction) -> None:
        await tx.execute("pragma defer_foreign_keys = on")
        await tx.execute("insert into aliases (address, tenant_id, mailbox_id) values ('a', 'b', 'nobody')")

    results = await in_one_group(db, put("a"), leaves_a_dangling_reference, put("b"))
    assert [type(result) for result in results] == [StoreUnavailable] * 3
    assert await names(db) == []
    await db.transact(put("c"))
    assert await names(db) == ["c"]


async def test_works_whose_transaction_the_engine_gave_up_are_not_said_to_be_kept(db: SqliteDatabase) -> None:
    await db.transact(put("taken"))

    async def gives_all_up(tx: Transaction) -> int:
        return await tx.execute("insert or rollback into cursors (name, seq) values ('taken', 1)")

    results = await in_one_group(db, put("before"), gives_all_up, put("after"))
    assert [type(result) for result in results] == [StoreUnavailable, AlreadyExists, int]
    assert await names(db) == ["after", "taken"]


async def test_a_caller_that_is_cancelled_does_not_take_its_write_back(db: SqliteDatabase) -> None:
    gate = Gate()
    first = asyncio.ensure_future(db.transact(gate.work, lengthy=True))
    await asyncio.to_thread(gate.entered.wait, 10)
    second = asyncio.ensure_future(db.transact(put("a")))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.go.set()
    await first
    await db.transact(put("b"))
    assert await names(db) == ["a", "b"]


async def test_several_event_loops_share_one_store(db: SqliteDatabase) -> None:
    def elsewhere(place: int) -> None:
        async def both() -> None:
            await asyncio.gather(db.transact(put(f"{place} a")), db.transact(put(f"{place} b")))
            assert await db.fetch_one("select 1 from cursors where name = $1", f"{place} a")

        asyncio.run(both())

    await asyncio.gather(*(asyncio.to_thread(elsewhere, place) for place in range(4)))
    assert len(await names(db)) == 8


async def test_every_committed_write_is_visible_from_a_second_process(db: SqliteDatabase) -> None:
    read = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('select name from cursors'))"
    await db.transact(put("plain"))

    async def returning(tx: Transaction) -> None:
        assert await tx.fetch_one(f"{INSERT} returning name", "returned", 1)

    await db.transact(returning)
    seen = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", read, str(db.path)], capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == "('plain',) ('returned',)"
