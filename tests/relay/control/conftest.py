"""An open station on a clock that stands still, with one mailbox that may send."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.config import build_config
from relay.station import Station, open_station
from tests.fakes.clock import FakeClock
from tests.fakes.fresh_store import put_store
from tests.relay.control.desk import Desk


@pytest.fixture
async def station(data_dir: Path, clock: FakeClock) -> AsyncIterator[Station]:
    values = {
        "server.data_dir": str(data_dir),
        "server.hostname": "mail.example.test",
        "store.min_free": "0B",
    }
    put_store(data_dir / "posthouse.db")
    async with open_station(build_config(values, base=data_dir), clock) as station:
        yield station
        station.directory.close()


@pytest.fixture
async def desk(station: Station, clock: FakeClock) -> Desk:
    """Operations on the station, with app@example.test."""
    desk = Desk(station, clock)
    await desk.does("domain.add", name="example.test", assume_verified=True)
    await desk.does("mailbox.add", address="app@example.test", daily_cap=10)
    return desk
