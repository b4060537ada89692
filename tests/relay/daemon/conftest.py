"""Daemons to start, a nameserver and a far exchanger."""

import pytest

from tests.fakes.daemon import Daemon, MakeDaemon
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.fixtures import dns, make_daemon, mx

__all__ = ["dns", "make_daemon", "mx"]

FAR = "far.example"


@pytest.fixture
async def daemon(make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx) -> Daemon:
    """One that delivers to `mx`, for `FAR`; not started."""
    dns.mx(FAR, (10, f"mx.{FAR}"))
    dns.address(f"mx.{FAR}", "127.0.0.1")
    return await make_daemon({"dns.nameservers": [dns.nameserver], "delivery.port": mx.port})
