"""A house whose nameserver is the test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.config import build_config
from relay.station import Station, open_station
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import dns
from tests.fakes.fresh_store import put_store
from tests.relay.verification.house import ADDRESS, HOSTNAME, VerifiedHouse, add_domain

__all__ = ["dns"]


@pytest.fixture
async def station(tmp_path: Path, clock: FakeClock, dns: FakeDns) -> AsyncIterator[Station]:
    settings: dict[str, object] = {
        "server.hostname": HOSTNAME,
        "server.data_dir": "data",
        "store.min_free": "0B",
        "dkim.key_dir": "keys",
        "dns.nameservers": [dns.nameserver],
    }
    dns.address(HOSTNAME, ADDRESS)
    put_store(tmp_path / "data" / "posthouse.db")
    async with open_station(build_config(settings, base=tmp_path), clock) as opened:
        yield opened
        opened.directory.close()


@pytest.fixture
async def house(station: Station, clock: FakeClock, dns: FakeDns) -> VerifiedHouse:
    return VerifiedHouse(station, dns, clock, await add_domain(station, "example.test"))
