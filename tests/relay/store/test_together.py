"""Works that go together on PostgreSQL: one transaction and one commit, and yet each for itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.errors import AlreadyExists, StoreUnavailable
from relay.store.database import Transaction, Work
from relay.store.lots import Lots
from relay.store.postgres.engine import PostgresDatabase
from relay.telemetry.context import current_ids, log_ids
from tests.conftest import open_store_at
from tests.fakes.clock import FakeClock

INSERT = "insert into cursors (name, seq) values ($1, $2)"


@pytest.fixture
async def db(postgres_url: str, data_dir: Path, clock: FakeClock) -> AsyncIterator[PostgresDatabase]:
    store = await open_store_at("postgresql", postgres_url, data_dir, clock)
    assert isinstance(store, PostgresDatabase)
    yield store
    await store.close()


def writes(name: str, *, fails: Exception | None = None, puts: bool = True) -> Work[str]:
    """A work that writes a row and tells which transaction that was in."""

    async def work(tx: Transaction) -> str:
        row = await tx.fetch_one("select pg_current_xact_id()::text as number")
        assert row is not None
        if puts:
            await tx.put(INSERT, (name, 1))
        else:
            await tx.execute(INSERT, name, 1)
        if fails is not None:
            raise fails
        return str(row["number"])

    return work


async def together(db: PostgresDatabase, *works: Work[str]) -> list[str | BaseException]:
    """All of them at once, in one company."""
    return await asyncio.gather(
        *(db.transact(work, side_by_side=True, together="row") for work in works), return_exceptions=True
    )


async def names(db: PostgresDatabase) -> list[str]:
    return [row["name"] for row in await db.fetch_all("select name from cursors order by name")]


async def test_works_that_come_at_once_share_a_transaction(db: PostgresDatabase) -> None:
    assert len(set(await together(db, *(writes(name) for name in "abcd")))) == 1
    assert await names(db) == list("abcd")


async def test_works_of_other_companies_and_of_none_do_not(db: PostgresDatabase) -> None:
    found = await asyncio.gather(
        *(db.transact(writes(name), side_by_side=True, together=name) for name in "ab"),
        *(db.transact(writes(name), side_by_side=True) for name in "cd"),
    )
    assert len(set(found)) == 4


async def test_one_that_raises_keeps_nothing_and_harms_no_other(db: PostgresDatabase) -> None:
    works = [writes("a"), writes("b", fails=LookupError("no")), writes("c"), writes("d", fails=LookupError())]
    _, b, c, d = await together(db, *works)
    assert isinstance(b, LookupError)
    assert isinstance(d, LookupError)
    assert isinstance(c, str)
    assert await names(db) == ["a", "c"]


@pytest.mark.parametrize("puts", [False, True])
async def test_a_statement_that_fails_is_the_affair_of_its_work(db: PostgresDatabase, puts: bool) -> None:
    works = [writes("a"), writes("b"), writes("a", puts=puts), writes("c")]
    _, b, again, c = await together(db, *works)
    assert isinstance(again, AlreadyExists)
    assert isinstance(b, str)
    assert isinstance(c, str)
    assert await names(db) == ["a", "b", "c"]


async def test_a_caller_who_goes_away_takes_nothing_back(db: PostgresDatabase) -> None:
    calls = [asyncio.create_task(db.transact(writes(name), together="row")) for name in "abc"]
    await asyncio.sleep(0)
    calls[2].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await db.transact(writes("d"), together="row")
    assert await names(db) == ["a", "b", "c", "d"]


async def test_each_runs_in_the_context_of_whoever_asked(db: PostgresDatabase) -> None:
    seen: list[str] = []

    async def work(tx: Transaction) -> None:
        await tx.fetch_one("select 1")
        seen.append(current_ids()["session"])

    async def ask(name: str) -> None:
        with log_ids(session=name):
            await db.transact(work, together="row")

    await asyncio.gather(*map(ask, "abc"))
    assert seen == ["a", "b", "c"]


async def test_a_closed_store_takes_on_nothing_more(
    postgres_url: str, data_dir: Path, clock: FakeClock
) -> None:
    store = await open_store_at("postgresql", postgres_url, data_dir, clock)
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.transact(writes("a"), together="row")


async def test_a_lot_is_what_came_meanwhile_and_no_more_than_it_holds() -> None:
    lots: list[list[int]] = []
    gate = asyncio.Event()

    async def do(items: object) -> list[int]:
        assert isinstance(items, list)
        lots.append(items)
        await gate.wait()
        return [item * 2 for item in items]

    company = Lots[int, int](do, most=3)
    joined = [asyncio.create_task(company.join(number)) for number in range(6)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*joined) == [0, 2, 4, 6, 8, 10]
    assert [len(lot) for lot in lots] == [3, 3]
    assert company.is_idle
