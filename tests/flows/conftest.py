"""The house that flows are told about: one verified domain, one mailbox, one far domain."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.fixtures import dns, mx
from tests.flows.house import FAR, OURS, House, configuration, open_house

__all__ = ["dns", "mx"]

MakeHouse = Callable[..., Awaitable[House]]


@pytest.fixture(autouse=True)
def faults_of_ours(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """No flow may pass over a fault of ours, even a recovered one: no traceback in the log.

    A test that makes one names in this list what the log will say of it.
    """
    expected: list[str] = []
    yield expected
    told = [record.getMessage() for record in caplog.get_records("call") if record.exc_info]
    unexpected = [text for text in told if not any(part in text for part in expected)]
    assert unexpected == []


@pytest.fixture
async def make_house(
    store_url: str, data_dir: Path, clock: FakeClock, dns: FakeDns, mx: FarMx
) -> AsyncIterator[MakeHouse]:
    """Open a house with settings of the test's own: `make_house({"policy.on_cap": "defer"})`."""
    dns.mx(FAR, (10, f"mx.{FAR}"))
    dns.address(f"mx.{FAR}", "127.0.0.1")
    async with AsyncExitStack() as stack:

        async def make(settings: Mapping[str, Any] | None = None) -> House:
            config = configuration(data_dir, dns, mx, {"store.url": store_url, **(settings or {})})
            house = await open_house(stack, config, clock, dns, mx)
            await house.domain(OURS)
            await house.mailbox(f"app@{OURS}")
            return house

        yield make


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    """The house at its defaults."""
    return await make_house()
