"""Fixtures for daemons and for the far side of the world; import them into a conftest.py to use them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.daemon import MakeDaemon, keep_daemons
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.relay.webhooks.receiver import Receiver


@pytest.fixture
async def dns() -> AsyncIterator[FakeDns]:
    """A nameserver of the test's own: `dns.nameserver` is its "ip:port"."""
    server = await FakeDns.start()
    yield server
    await server.stop()


@pytest.fixture
async def mx() -> AsyncIterator[FarMx]:
    """A far mail exchanger on 127.0.0.1 at `mx.port`, without TLS."""
    server = await FarMx.start()
    yield server
    await server.stop()


@pytest.fixture
async def make_daemon(tmp_path: Path) -> AsyncIterator[MakeDaemon]:
    """Prepares daemons that end with the test: `await make_daemon({"store.url": …})`."""
    async with keep_daemons(tmp_path) as make:
        yield make


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Who takes webhooks."""
    server = await Receiver.start()
    yield server
    await server.stop()
