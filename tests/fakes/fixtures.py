"""Fixtures for the far side of the world; import them into a conftest.py to use them."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx


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
