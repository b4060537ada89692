"""What every test may ask for: a clock that stands still, a data directory, a fresh store."""

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from relay.store.sqlite import SqliteDatabase, open_sqlite
from tests.fakes.clock import FakeClock
from tests.fakes.few_keys import FewKeys
from tests.fakes.fresh_store import NO_RESERVE, put_store

__all__ = ["NO_RESERVE"]


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Between processes a report travels as UTF-8, and what a test has logged need not be."""
    return _encodable((yield))


def _encodable(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode()
    if isinstance(data, dict):
        return {_encodable(key): _encodable(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(_encodable(each) for each in data)
    return data


@pytest.fixture(autouse=True, scope="session")
def few_rsa_keys() -> Iterator[None]:
    """The domains of all tests share a few RSA keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("relay.signing.keys.generate_private_key", FewKeys(generate_private_key))
        yield


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
