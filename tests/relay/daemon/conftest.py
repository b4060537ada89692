"""Daemons to start, a nameserver and a far exchanger."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.daemon import Daemon, MakeDaemon, keep_daemons
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.fixtures import dns, mx

__all__ = ["dns", "mx"]

FAR = "far.example"


@pytest.fixture
async def make_daemon(tmp_path: Path) -> AsyncIterator[MakeDaemon]:
    async with keep_daemons(tmp_path) as make:
        yield make


@pytest.fixture
async def daemon(make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx) -> Daemon:
    """One that delivers to `mx`, for `FAR`; not started."""
    dns.mx(FAR, (10, f"mx.{FAR}"))
    dns.address(f"mx.{FAR}", "127.0.0.1")
    return await make_daemon({"dns.nameservers": [dns.nameserver], "delivery.port": mx.port})
