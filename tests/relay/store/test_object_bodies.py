"""Bodies in S3-compatible storage: acknowledged there before their row is, copied where they are read."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.config import StoreConfig, build_config
from relay.errors import StoreUnavailable
from relay.store.bodies import ROW_LIMIT, BodyShelf
from relay.store.object_bodies import ObjectShelf
from relay.store.objects import Objects
from tests.fakes.clock import FakeClock
from tests.fakes.object_storage import ObjectStorage

LARGE = bytes(range(256)) * 50_000  # 12 MB: three parts of a transfer
ID, NAME = "msg_00001234yz", "objects/yz/msg_00001234yz"
HOUR = timedelta(hours=1)

MakeShelf = Callable[..., ObjectShelf]


@dataclass
class Octets:
    data: bytes | None
    file: Path | None
    size: int


def in_memory(octets: bytes) -> Octets:
    return Octets(octets, None, len(octets))


async def nothing() -> set[str]:
    return set()


@pytest.fixture
def today() -> FakeClock:
    """The storage dates what it keeps by its own clock."""
    return FakeClock(SystemClock().now())


@pytest.fixture
def make_shelf(object_storage: ObjectStorage, tmp_path: Path, today: FakeClock) -> Iterator[MakeShelf]:
    settings = object_storage.settings()
    made: list[ObjectShelf] = []

    def make(house: str = "0a", **other: str) -> ObjectShelf:
        config: StoreConfig = build_config({**settings, **other}, base=tmp_path).store
        data_dir = tmp_path / f"node{len(made)}"
        shelf = ObjectShelf(data_dir, today, Objects(config, house), BodyShelf(data_dir, today))
        made.append(shelf)
        return shelf

    yield make
    for shelf in made:
        shelf.close()


async def test_a_small_body_stays_in_its_row(make_shelf: MakeShelf) -> None:
    shelf = make_shelf()
    octets = LARGE[:ROW_LIMIT]
    assert await shelf.keep(in_memory(octets), ID) == (octets, None)
    assert await shelf.sizes_elsewhere() == {}


@pytest.mark.parametrize("source", ["memory", "file"])
async def test_a_large_body_is_read_by_every_node(make_shelf: MakeShelf, tmp_path: Path, source: str) -> None:
    body = in_memory(LARGE)
    if source == "file":
        (tmp_path / "incoming").write_bytes(LARGE)
        body = Octets(None, tmp_path / "incoming", len(LARGE))
    shelf, elsewhere = make_shelf(), make_shelf()
    assert await shelf.keep(body, ID) == (None, NAME)
    assert await shelf.sizes_elsewhere() == {NAME: len(LARGE)}
    for node in (elsewhere, shelf, elsewhere):
        data, file = await node.open(None, NAME)
        assert data is None
        assert file is not None
        assert file.read_bytes() == LARGE
        assert node is shelf or file.stat().st_mode & 0o077 == 0
    assert list(elsewhere.incoming.iterdir()) == []
    assert list(shelf.names()) == []


async def test_keeping_it_twice_is_keeping_it_once(make_shelf: MakeShelf) -> None:
    shelf = make_shelf()
    for _ in range(2):
        await shelf.keep(in_memory(LARGE), ID)
    assert list(await shelf.sizes_elsewhere()) == [NAME]


async def test_a_body_that_is_gone_has_no_file(make_shelf: MakeShelf) -> None:
    shelf = make_shelf()
    _, file = await shelf.open(None, NAME)
    assert file is not None
    assert not file.exists()
    assert list(shelf.incoming.iterdir()) == []


async def test_dropping_takes_object_and_copy_and_may_be_repeated(make_shelf: MakeShelf) -> None:
    shelf = make_shelf()
    await shelf.keep(in_memory(LARGE), ID)
    _, file = await shelf.open(None, NAME)
    assert file is not None
    for _ in range(2):
        await shelf.drop(NAME)
        assert await shelf.sizes_elsewhere() == {}
        assert not file.exists()


async def test_a_sweep_takes_old_orphans_and_unused_copies(make_shelf: MakeShelf, today: FakeClock) -> None:
    shelf = make_shelf()
    await shelf.keep(in_memory(LARGE), ID)
    await shelf.keep(in_memory(LARGE), "msg_00001235yz")
    _, copy = await shelf.open(None, NAME)
    assert copy is not None
    assert await shelf.sweep(nothing, HOUR) == []
    today.advance(HOUR + timedelta(minutes=1))
    os.utime(copy, (0, 0))

    async def one_is_known() -> set[str]:
        return {NAME}

    assert await shelf.sweep(one_is_known, HOUR) == ["objects/yz/msg_00001235yz"]
    assert list(await shelf.sizes_elsewhere()) == [NAME]
    assert not copy.exists()
    _, copy = await shelf.open(None, NAME)
    assert copy is not None
    assert copy.read_bytes() == LARGE


async def test_no_house_sweeps_away_what_is_anothers(make_shelf: MakeShelf, today: FakeClock) -> None:
    ours, theirs = make_shelf("0a"), make_shelf("0b")
    await theirs.keep(in_memory(LARGE), ID)
    today.advance(2 * HOUR)
    assert await ours.sweep(nothing, HOUR) == []
    assert list(await theirs.sizes_elsewhere()) == [NAME]


async def test_what_was_kept_before_stays_where_it_was(make_shelf: MakeShelf, today: FakeClock) -> None:
    shelf = make_shelf()
    _, before = await shelf._beneath.keep(in_memory(LARGE), ID)
    assert before == "yz/msg_00001234yz"
    _, file = await shelf.open(None, before)
    assert file is not None
    assert file.read_bytes() == LARGE
    assert list(shelf.names()) == [before]
    await shelf.drop(before)
    assert not file.exists()


async def test_a_shelf_that_knows_no_storage_says_where_the_body_is(data_dir: Path, clock: FakeClock) -> None:
    shelf = BodyShelf(data_dir, clock)
    with pytest.raises(StoreUnavailable, match=r"store\.bodies"):
        await shelf.open(None, NAME)
    shelf.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"store.bodies_endpoint": "http://127.0.0.1:9"},
        {"store.bodies_secret_key": "guessed"},
        {"store.bodies": "s3://nobodys/bucket"},
    ],
    ids=["nobody answers", "wrong key", "no such bucket"],
)
async def test_trouble_is_the_stores_and_nothing_is_kept(
    make_shelf: MakeShelf, wrong: dict[str, str]
) -> None:
    shelf = make_shelf(**wrong)
    with pytest.raises(StoreUnavailable, match="object storage") as trouble:
        await shelf.keep(in_memory(LARGE), ID)
    assert str(trouble.value.reply).startswith("451 4.3.0")
    assert "\n" not in str(trouble.value)
    assert await make_shelf().sizes_elsewhere() == {}


@pytest.mark.parametrize(
    "name", ["objects/../posthouse.db", "objects/yz/../../x", "objects/", "objects//etc/passwd"]
)
async def test_a_name_that_is_not_ours_is_refused(make_shelf: MakeShelf, name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        await make_shelf().open(None, name)
