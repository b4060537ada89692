"""One node has the turn, keeps it while it goes on, and is followed by another."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.events import log
from relay.events.turns import Turn
from relay.store.database import Database
from tests.conftest import open_store_at
from tests.fakes.clock import FakeClock


@pytest.fixture
async def shared(postgres_url: str, data_dir: Path, clock: FakeClock) -> AsyncIterator[Database]:
    store = await open_store_at("postgresql", postgres_url, data_dir, clock)
    yield store
    await store.close()


async def test_one_has_it_until_it_gives_it_up(shared: Database, clock: FakeClock) -> None:
    first, second = Turn(shared, clock, "reading"), Turn(shared, clock, "reading")
    assert await first.is_ours()
    assert not await second.is_ours()
    await first.give_up()
    assert await second.is_ours()
    assert not await first.is_ours()


async def test_who_goes_on_keeps_it(shared: Database, clock: FakeClock) -> None:
    first, second = Turn(shared, clock, "reading"), Turn(shared, clock, "reading")
    for _ in range(5):
        assert await first.is_ours()
        assert not await second.is_ours()
        clock.advance(seconds=40)


async def test_who_stands_still_is_followed(shared: Database, clock: FakeClock) -> None:
    first, second = Turn(shared, clock, "reading"), Turn(shared, clock, "reading")
    assert await first.is_ours()
    clock.advance(seconds=61)
    assert await second.is_ours()
    assert not await first.is_ours()
    await first.give_up()
    assert not await first.is_ours()


async def test_turns_of_other_kinds_are_others(shared: Database, clock: FakeClock) -> None:
    assert await Turn(shared, clock, "reading").is_ours()
    assert await Turn(shared, clock, "counting").is_ours()


@pytest.mark.sqlite_only
async def test_one_process_has_every_turn(db: Database, clock: FakeClock) -> None:
    assert await Turn(db, clock, "reading").is_ours()
    assert await Turn(db, clock, "reading").is_ours()
    assert await db.fetch_all("select * from cursors") == []


@pytest.mark.both_engines
async def test_a_follower_that_is_behind_takes_nothing_back(db: Database) -> None:
    for seq in (3, 7, 5, 0):
        await db.transact(lambda tx, seq=seq: log.move_cursor(tx, "letters", seq))  # type: ignore[misc]
    assert await log.read_cursor(db, "letters") == 7
