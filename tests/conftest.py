"""What every test may ask for: a clock that stands still, a data directory, a fresh store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.store.sqlite import SqliteDatabase, open_sqlite
from tests.fakes.clock import FakeClock
from tests.fakes.fresh_store import NO_RESERVE, put_store

__all__ = ["NO_RESERVE"]


@pytest.fixture
def clock() -> FakeClock:
    """Monday 2026-03-02, 09:00 UTC, until the test moves it."""
    return FakeClock()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data directory, as `server.data_dir` names it."""
    path = tmp_path / "data"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
async def db(data_dir: Path, clock: FakeClock) -> AsyncIterator[SqliteDatabase]:
    """A fresh store with today's tables and the default tenant `ten_default`."""
    path = put_store(data_dir / "posthouse.db")
    store = open_sqlite(path, clock, reserve=NO_RESERVE, health_interval=None)
    try:
        yield store
    finally:
        await store.close()
