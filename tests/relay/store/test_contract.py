"""What a transaction promises on either engine: whole or not at all, each for itself, and durable."""

import asyncio
import contextvars
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from relay.errors import AlreadyExists, StoreUnavailable
from relay.store.database import Database, Engine, Row, Transaction, Work
from relay.store.faults import ConstraintBroken, TransactionFailed, WorkSuspended
from tests.conftest import open_store_at
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.both_engines
INSERT = "insert into cursors (name, seq) values ($1, $2)"


def put(name: str, seq: int = 0) -> Work[int]:
    return lambda tx: tx.execute(INSERT, name, seq)


async def names(db: Database) -> list[str]:
    return [row["name"] for row in await db.fetch_all("select name from cursors order by name")]


async def test_what_a_work_returns_is_returned(db: Database) -> None:
    async def work(tx: Transaction) -> Sequence[Row]:
        await tx.execute_many(INSERT, [("a", 1), ("b", 2)])
        return await tx.fetch_all("select name, seq from cursors order by seq")

    rows = await db.transact(work)
    assert [(row["name"], row[1]) for row in rows] == [("a", 1), ("b", 2)]


async def test_execute_counts_the_rows_it_touched(db: Database) -> None:
    await db.transact(put("a"))
    await db.transact(put("b"))
    ignored = await db.transact(lambda tx: tx.execute(f"{INSERT} on conflict do nothing", "a", 1))
    both = await db.transact(lambda tx: tx.execute("update cursors set seq = seq + 1"))
    returned = await db.transact(lambda tx: tx.execute("delete from cursors returning name"))
    assert (ignored, both, returned) == (0, 2, 2)


async def test_what_is_put_is_there_for_the_next_question(db: Database) -> None:
    async def work(tx: Transaction) -> Sequence[Row]:
        await tx.put(INSERT, ("a", 1))
        await tx.put(INSERT, ("b", 2), ("c", 3))
        await tx.put(INSERT)
        seen = await tx.fetch_all("select name from cursors order by name")
        await tx.put(INSERT, ("d", 4))
        return seen

    assert [row["name"] for row in await db.transact(work, together="anybody")] == ["a", "b", "c"]
    assert await names(db) == ["a", "b", "c", "d"]


async def test_what_cannot_be_put_keeps_nothing(db: Database) -> None:
    await db.transact(put("a"))

    async def work(tx: Transaction) -> None:
        await tx.put(INSERT, ("b", 1))
        await tx.put(INSERT, ("a", 2))

    with pytest.raises(AlreadyExists):
        await db.transact(work)
    assert await names(db) == ["a"]


async def test_objects_are_rows(db: Database) -> None:
    rows = await db.fetch_all(
        "select number, word from {rows:$1, number bigint, word text} order by number",
        '[{"number": 2, "word": null}, {"number": 1, "word": "q\\"ü"}, {"number": 3}]',
    )
    assert [(row["number"], row["word"]) for row in rows] == [(1, 'q"ü'), (2, None), (3, None)]


async def test_a_transaction_that_raises_keeps_nothing(db: Database) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(INSERT, "a", 1)
        raise LookupError("no")

    with pytest.raises(LookupError):
        await db.transact(work)
    assert await names(db) == []


async def test_a_work_that_awaits_something_else_is_told_so_and_keeps_nothing(db: Database) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(INSERT, "a", 1)
        await asyncio.sleep(0)

    with pytest.raises(WorkSuspended, match="other than its transaction"):
        await db.transact(work)
    assert await names(db) == []


async def test_a_work_that_goes_on_after_a_failed_statement_keeps_nothing(db: Database) -> None:
    await db.transact(put("taken"))

    async def stubborn(tx: Transaction) -> None:
        await tx.execute(INSERT, "a", 1)
        with pytest.raises(AlreadyExists):
            await tx.execute(INSERT, "taken", 1)
        with pytest.raises(TransactionFailed):
            await tx.execute(INSERT, "b", 1)

    async def unaware(tx: Transaction) -> None:
        await tx.execute(INSERT, "c", 1)
        with pytest.raises(AlreadyExists):
            await tx.execute(INSERT, "taken", 1)

    for work in (stubborn, unaware):
        with pytest.raises(AlreadyExists):
            await db.transact(work)
    assert await names(db) == ["taken"]


async def test_a_transaction_kept_beyond_its_work_is_closed(db: Database) -> None:
    async def leak(tx: Transaction) -> Transaction:
        return tx

    with pytest.raises(TransactionFailed, match="has ended"):
        await (await db.transact(leak)).execute(INSERT, "late", 1)
    assert await names(db) == []


async def test_a_transaction_within_a_transaction_is_refused(db: Database) -> None:
    async def outer(tx: Transaction) -> None:
        await tx.execute(INSERT, "outer", 1)
        await db.transact(put("inner"))

    with pytest.raises(RuntimeError, match="within a transaction"):
        await db.transact(outer)
    assert await names(db) == []


async def test_it_is_a_database_as_rooms_know_it(db: Database) -> None:
    room: Database = db
    assert room.accepting


@pytest.mark.parametrize(
    "statement",
    [
        "insert into cursors (name, seq) values ('a', null)",
        "insert into cursors (name, seq) values ('a', 'not a number')",
        "insert into aliases (address, tenant_id, mailbox_id) values ('a', 'b', 'nobody')",
    ],
)
async def test_rules_of_the_tables_hold(db: Database, statement: str) -> None:
    with pytest.raises(ConstraintBroken):
        await db.transact(lambda tx: tx.execute(statement))


async def test_a_wrong_statement_is_a_bug_and_not_trouble(db: Database) -> None:
    with pytest.raises((sqlite3.OperationalError, asyncpg.UndefinedTableError), match="nowhere"):
        await db.transact(lambda tx: tx.execute("insert into nowhere values (1)"))
    with pytest.raises(ValueError, match="1 arguments for 2 places"):
        await db.transact(lambda tx: tx.execute(INSERT, "a"))
    assert db.accepting


async def test_readers_cannot_write(db: Database) -> None:
    with pytest.raises(RuntimeError, match="needs a transaction"):
        await db.fetch_all("insert into cursors (name, seq) values ('a', 1)")
    assert await names(db) == []
    assert db.accepting


async def test_two_hundred_concurrent_increments_end_at_two_hundred(db: Database) -> None:
    async def increment(tx: Transaction) -> None:
        row = await tx.fetch_one("select seq from cursors where name = $1", "count")
        assert row is not None
        await tx.execute("update cursors set seq = $1 where name = $2", row["seq"] + 1, "count")

    await db.transact(put("count"))
    await asyncio.gather(*(db.transact(increment) for _ in range(200)))

    row = await db.fetch_one("select seq from cursors where name = $1", "count")
    assert row is not None
    assert row["seq"] == 200


async def test_a_work_sees_the_context_of_its_caller(db: Database) -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")
    request.set("req_1")

    async def work(tx: Transaction) -> str:
        return request.get()

    assert await db.transact(work) == "req_1"


async def test_side_by_side_conditional_changes_never_overshoot(db: Database) -> None:
    async def take(tx: Transaction) -> int:
        return await tx.execute("update cursors set seq = seq - 1 where name = 'left' and seq > 0")

    await db.transact(put("left", 20))
    taken = await asyncio.gather(*(db.transact(take, side_by_side=True) for _ in range(60)))
    assert sum(taken) == 20


async def test_no_work_sees_anothers_half(db: Database) -> None:
    """Each of two rules reads what the other writes: both passing would break what both check."""

    async def withdraw(tx: Transaction, name: str) -> bool:
        row = await tx.fetch_one("select sum(seq) as total from cursors where name in ('a', 'b')")
        assert row is not None
        if row["total"] < 2:
            return False
        return bool(await tx.execute("update cursors set seq = seq - 2 where name = $1", name))

    for round_ in range(20):
        await db.transact(lambda tx: tx.execute("delete from cursors"))
        await db.transact(put("a", 1))
        await db.transact(put("b", 1))
        done = await asyncio.gather(*(db.transact(partial(withdraw, name=name)) for name in "ab"))
        assert sorted(done) == [False, True], round_


async def test_a_caller_that_is_cancelled_does_not_take_a_begun_write_back(db: Database) -> None:
    begun = asyncio.Event()

    async def work(tx: Transaction) -> None:
        await tx.execute(INSERT, "a", 1)
        begun.set()
        await tx.execute(INSERT, "b", 1)

    caller = asyncio.ensure_future(db.transact(work))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    # Whoever wants the same name waits until it is known whether that is taken.
    with pytest.raises(AlreadyExists):
        await db.transact(put("a"))
    assert await names(db) == ["a", "b"]


async def test_a_part_that_fails_is_undone_alone(db: Database) -> None:
    async def work(tx: Transaction) -> list[str]:
        told = []
        await tx.put(INSERT, ("before", 1))
        for name, fails in (("a", False), ("b", True), ("c", False), ("a", False)):
            try:
                await tx.attempt(partial(part, name, fails))
            except (Refused, AlreadyExists, ConstraintBroken) as error:
                told.append(type(error).__name__)
        await tx.put(INSERT, ("after", 1))
        return told

    async def part(name: str, fails: bool, tx: Transaction) -> None:
        await tx.put(INSERT, (f"{name} put", 1))
        await tx.execute(INSERT, name, 1)
        await tx.put(INSERT, (f"{name} put late", 1))
        if fails:
            raise Refused

    class Refused(Exception):
        pass

    told = await db.transact(work)
    assert told[0] == "Refused"
    assert len(told) == 2
    assert await names(db) == ["a", "a put", "a put late", "after", "before", "c", "c put", "c put late"]


async def test_text_and_octets_come_back_as_they_went_in(db: Database) -> None:
    text, octets = "Ž \U0001f602 ' \" $1 {lock} \\ %", bytes(range(256))

    async def work(tx: Transaction) -> None:
        await tx.execute("insert into secrets (name, value, created_at) values ($1, $2, 0)", text, octets)

    await db.transact(work)
    row = await db.fetch_one("select name, value from secrets where name = $1", text)
    assert row is not None
    assert (row["name"], bytes(row["value"])) == (text, octets)


async def test_what_is_looked_up_is_what_was_committed_last(db: Database) -> None:
    looked_for = "select seq from cursors where name = $1"
    assert await db.look_up(looked_for, "a") is None
    for seq in range(3):
        await db.transact(lambda tx: tx.execute("delete from cursors"))
        await db.transact(put("a", seq))
        row = await db.look_up(looked_for, "a")
        assert row is not None
        assert row["seq"] == seq

    async def work(tx: Transaction) -> int:
        await tx.execute("update cursors set seq = 7")
        row = await tx.look_up(looked_for, "a")
        assert row is not None
        return int(row["seq"])

    assert await db.transact(work) == 7
    with pytest.raises(RuntimeError, match="needs a transaction"):
        await db.look_up("delete from cursors where name = $1 returning name", "a")


async def test_texts_are_ordered_by_their_octets(db: Database) -> None:
    words = ["a", "B", "ä", "Z", "_", "-", "aa", "10", "9"]
    for word in words:
        await db.transact(put(word))
    assert await names(db) == sorted(words, key=str.encode)


async def test_a_closed_store_says_so(
    engine: Engine, store_url: str, data_dir: Path, clock: FakeClock
) -> None:
    db = await open_store_at(engine, store_url, data_dir, clock)
    begun = asyncio.ensure_future(db.transact(put("a")))
    await asyncio.sleep(0)
    await db.close()
    assert await begun == 1
    with pytest.raises(StoreUnavailable, match="closed"):
        await db.transact(put("b"))
    with pytest.raises(StoreUnavailable, match="closed"):
        await db.fetch_all("select 1")
    with pytest.raises(StoreUnavailable, match="closed"):
        await db.look_up("select 1")


async def test_a_store_is_whole(db: Database) -> None:
    assert await db.integrity() == []
    assert await db.probe()
    assert db.trouble is None
