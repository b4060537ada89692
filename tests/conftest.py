"""What every test may ask for: a clock that stands still, a data directory, a fresh store.

The store is SQLite's. Tests marked `both_engines` run on PostgreSQL as well,
and with `--engine=postgresql` all of them do that ask for a store.
"""

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import settings

from relay.store.database import Database, Engine
from relay.store.postgres.engine import open_postgres
from relay.store.sqlite import open_sqlite
from tests.fakes import postgres
from tests.fakes.clock import FakeClock
from tests.fakes.few_keys import FewKeys
from tests.fakes.fresh_store import NO_RESERVE, put_store
from tests.fakes.object_storage import NEEDED as STORAGE_NEEDED
from tests.fakes.object_storage import ObjectStorage, running_storage
from tests.fakes.object_storage import is_installed as object_storage_is_installed
from tests.fakes.postgres import PostgresServer, running_server
from tests.fakes.postgres_stores import PostgresStores

__all__ = ["NO_RESERVE"]

# How long an example takes is the machine's affair.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engine",
        choices=("sqlite", "postgresql"),
        help="run whatever asks for a store on this engine alone",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_engines: runs on SQLite and on PostgreSQL")
    config.addinivalue_line("markers", "sqlite_only: about SQLite's files, or about what one process gives")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" not in metafunc.fixturenames:
        return
    on_both = metafunc.definition.get_closest_marker("both_engines")
    engines = [metafunc.config.getoption("--engine") or "sqlite"]
    if on_both and metafunc.config.getoption("--engine") is None:
        engines = ["sqlite", "postgresql"]
    if metafunc.definition.get_closest_marker("sqlite_only"):
        engines = ["sqlite"]
    metafunc.parametrize("engine", engines)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server of our own, one for all tests."""
    if postgres.programs() is None:
        pytest.skip(postgres.NEEDED)
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_stores(postgres_server: PostgresServer) -> PostgresStores:
    """Its stores."""
    return PostgresStores(postgres_server)


@pytest.fixture
def postgres_url(postgres_stores: PostgresStores) -> Iterator[str]:
    """The address of a fresh store on it."""
    url = postgres_stores.lend()
    yield url
    postgres_stores.take_back(url)


@pytest.fixture(scope="session")
def object_storage() -> Iterator[ObjectStorage]:
    """S3-compatible storage of our own, one for all tests."""
    if not object_storage_is_installed():
        pytest.skip(STORAGE_NEEDED)
    with running_storage() as storage:
        yield storage


@pytest.fixture
def store_url(engine: Engine, request: pytest.FixtureRequest) -> str:
    """What `store.url` says in this test."""
    if engine == "sqlite":
        return "sqlite:///posthouse.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


async def open_store_at(engine: Engine, url: str, data_dir: Path, clock: FakeClock) -> Database:
    """The store at that address; it is the caller's to close."""
    if engine == "postgresql":
        return await open_postgres(url, clock, directory=data_dir, reserve=NO_RESERVE, health_interval=None)
    path = put_store(data_dir / "posthouse.db")
    return open_sqlite(path, clock, reserve=NO_RESERVE, health_interval=None)


@pytest.fixture
async def db(engine: Engine, store_url: str, data_dir: Path, clock: FakeClock) -> AsyncIterator[Database]:
    """A fresh store with today's tables and the default tenant `ten_default`."""
    store = await open_store_at(engine, store_url, data_dir, clock)
    try:
        yield store
    finally:
        await store.close()
