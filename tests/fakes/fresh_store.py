"""New stores as copies of one that is made once in each process: making it takes longer than most tests."""

import asyncio
import functools
import secrets
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from relay.store import owner
from relay.store.health import Reserve
from relay.store.sqlite import open_sqlite
from tests.fakes.clock import FakeClock

# A test must not depend on how full this disk is, and nobody looks unless the test does.
NO_RESERVE = Reserve(min_free_bytes=0, ballast_bytes=0)


def put_store(path: Path) -> Path:
    """Have a store at `path` as `open_sqlite` makes it, closed; what is there already stays."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, _new_store())
        _write(owner.beside(path, "id"), secrets.token_hex(16).encode())
    return path


def _write(file: Path, data: bytes) -> None:
    file.touch(0o600)
    file.write_bytes(data)


@functools.cache
def _new_store() -> bytes:
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(1) as aside:
        path = Path(directory) / "posthouse.db"
        store = open_sqlite(path, FakeClock(), reserve=NO_RESERVE, health_interval=None)
        # The caller's event loop may be running.
        aside.submit(asyncio.run, store.close()).result()
        return path.read_bytes()
