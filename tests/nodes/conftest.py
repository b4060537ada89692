"""Nodes: daemons of their own, each with a data directory, on one PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.daemon import Daemon, keep_daemons
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.fixtures import dns, mx
from tests.flows.house import House, configuration, open_house

__all__ = ["dns", "mx"]

FAR = "far.example"

MakeNode = Callable[..., Awaitable[Daemon]]
OpenNode = Callable[..., Awaitable[House]]


@pytest.fixture
async def make_node(postgres_url: str, tmp_path: Path, dns: FakeDns, mx: FarMx) -> AsyncIterator[MakeNode]:
    """Another node on the store, which delivers to `mx`; not started."""
    dns.mx(FAR, (10, f"mx.{FAR}"))
    dns.address(f"mx.{FAR}", "127.0.0.1")
    nodes: list[Daemon] = []
    async with keep_daemons(tmp_path) as make:

        async def make_one(**settings: Any) -> Daemon:
            node = await make(
                {
                    "store.url": postgres_url,
                    "dns.nameservers": [dns.nameserver],
                    "delivery.port": mx.port,
                    "dkim.key_dir": str(tmp_path / "dkim_keys"),
                    **settings,
                },
                beside=nodes[0] if nodes else None,
            )
            nodes.append(node)
            return node

        yield make_one


@pytest.fixture
async def open_node(
    postgres_url: str, tmp_path: Path, clock: FakeClock, dns: FakeDns, mx: FarMx
) -> AsyncIterator[OpenNode]:
    """Another node on the store within the test: everything but its process, at the test's own clock."""
    dns.mx(FAR, (10, f"mx.{FAR}"))
    dns.address(f"mx.{FAR}", "127.0.0.1")
    nodes: list[House] = []
    async with AsyncExitStack() as stack:

        async def open_one(at: FakeClock = clock, **settings: Any) -> House:
            data_dir = tmp_path / f"node{len(nodes)}"
            data_dir.mkdir(mode=0o700)
            wanted = {"store.url": postgres_url, "dkim.key_dir": str(tmp_path / "dkim_keys"), **settings}
            node = await open_house(stack, configuration(data_dir, dns, mx, wanted), at, dns, mx)
            nodes.append(node)
            return node

        yield open_one
