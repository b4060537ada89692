"""Bodies that every node can read: kept in parts before their row is, copied where they are read."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from relay.store.bodies import ROW_LIMIT
from relay.store.database import Database
from relay.store.shared_bodies import SharedShelf
from tests.conftest import open_store_at
from tests.fakes.clock import FakeClock

LARGE = bytes(range(256)) * 20_000  # five parts
ID, NAME = "msg_00001234yz", "yz/msg_00001234yz"
HOUR = timedelta(hours=1)


@dataclass
class Octets:
    data: bytes | None
    file: Path | None
    size: int


@pytest.fixture
async def db(postgres_url: str, data_dir: Path, clock: FakeClock) -> AsyncIterator[Database]:
    store = await open_store_at("postgresql", postgres_url, data_dir, clock)
    yield store
    await store.close()


@pytest.fixture
def shelf(db: Database, data_dir: Path, clock: FakeClock) -> Iterator[SharedShelf]:
    kept = SharedShelf(data_dir, clock, db)
    yield kept
    kept.close()


@pytest.fixture
def elsewhere(db: Database, tmp_path: Path, clock: FakeClock) -> Iterator[SharedShelf]:
    """The shelf of another node."""
    kept = SharedShelf(tmp_path / "elsewhere", clock, db)
    yield kept
    kept.close()


async def parts(db: Database) -> list[tuple[str, int]]:
    return [
        (row["name"], row["place"]) for row in await db.fetch_all("select * from body_chunks order by 1, 2")
    ]


async def nothing() -> set[str]:
    return set()


async def test_a_small_body_stays_in_its_row(shelf: SharedShelf, db: Database) -> None:
    octets = LARGE[:ROW_LIMIT]
    assert await shelf.keep(Octets(octets, None, len(octets)), ID) == (octets, None)
    assert await parts(db) == []


@pytest.mark.parametrize("source", ["memory", "file"])
async def test_a_large_body_is_read_by_every_node(
    shelf: SharedShelf, elsewhere: SharedShelf, db: Database, tmp_path: Path, source: str
) -> None:
    body = Octets(LARGE, None, len(LARGE))
    if source == "file":
        (tmp_path / "incoming").write_bytes(LARGE)
        body = Octets(None, tmp_path / "incoming", len(LARGE))
    assert await shelf.keep(body, ID) == (None, NAME)
    assert await parts(db) == [(NAME, place) for place in range(5)]
    for node in (elsewhere, shelf, elsewhere):
        data, file = await node.open(None, NAME)
        assert data is None
        assert file is not None
        assert file.read_bytes() == LARGE
        assert file.stat().st_mode & 0o077 == 0
    assert list(elsewhere.incoming.iterdir()) == []


async def test_keeping_it_twice_is_keeping_it_once(shelf: SharedShelf, db: Database) -> None:
    for _ in range(2):
        await shelf.keep(Octets(LARGE, None, len(LARGE)), ID)
    assert len(await parts(db)) == 5


async def test_a_body_that_is_gone_has_no_file(shelf: SharedShelf) -> None:
    _, file = await shelf.open(None, NAME)
    assert file is not None
    assert not file.exists()
    assert list(shelf.incoming.iterdir()) == []


async def test_dropping_takes_parts_and_copy_and_may_be_repeated(shelf: SharedShelf, db: Database) -> None:
    await shelf.keep(Octets(LARGE, None, len(LARGE)), ID)
    _, file = await shelf.open(None, NAME)
    assert file is not None
    for _ in range(2):
        await shelf.drop(NAME)
        assert await parts(db) == []
        assert not file.exists()


async def test_a_sweep_takes_old_orphans_and_unused_copies(
    shelf: SharedShelf, db: Database, clock: FakeClock
) -> None:
    await shelf.keep(Octets(LARGE, None, len(LARGE)), ID)
    await shelf.keep(Octets(LARGE, None, len(LARGE)), "msg_00001235yz")
    _, copy = await shelf.open(None, NAME)
    assert copy is not None
    moment = clock.now().timestamp()
    os.utime(copy, (moment, moment))

    assert await shelf.sweep(nothing, HOUR) == []
    clock.advance(HOUR + timedelta(seconds=1))

    async def one_is_known() -> set[str]:
        return {NAME}

    assert await shelf.sweep(one_is_known, HOUR) == ["yz/msg_00001235yz"]
    assert {name for name, _ in await parts(db)} == {NAME}
    assert not copy.exists()
    _, copy = await shelf.open(None, NAME)
    assert copy is not None
    assert copy.read_bytes() == LARGE


@pytest.mark.parametrize("name", ["../posthouse.db", "yz/../../x", "/etc/passwd", ""])
async def test_a_name_that_is_not_ours_is_refused(shelf: SharedShelf, name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        await shelf.open(None, name)
