"""`store.url` chooses the engine, and says what is missing for it."""

import sys
from pathlib import Path

import pytest

from relay.config import build_config
from relay.errors import InvalidInput
from relay.station import open_station
from relay.store.bodies import BodyShelf
from relay.store.database import Engine
from relay.store.shared_bodies import SharedShelf
from tests.fakes.clock import FakeClock


@pytest.mark.both_engines
async def test_the_address_chooses(engine: Engine, store_url: str, data_dir: Path, clock: FakeClock) -> None:
    settings = {"store.url": store_url, "server.data_dir": str(data_dir), "store.min_free": "0MiB"}
    async with open_station(build_config(settings, base=data_dir), clock) as station:
        assert station.db.engine == engine
        assert type(station.shelf) is (SharedShelf if engine == "postgresql" else BodyShelf)
        assert station.node.startswith("localhost")
        assert await station.db.integrity() == []
        first = station.node
    async with open_station(build_config(settings, base=data_dir), clock) as station:
        assert station.node == first


async def test_without_the_extra_it_is_named(
    data_dir: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("relay.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    config = build_config({"store.url": "postgresql://posthouse@127.0.0.1:1/posthouse"}, base=data_dir)
    with pytest.raises(InvalidInput, match=r"posthouse\[postgres\]"):
        async with open_station(config, clock):
            pass
