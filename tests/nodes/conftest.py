"""Nodes: daemons of their own, each with a data directory, on one PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.daemon import Daemon, keep_daemons
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.fixtures import dns, mx

__all__ = ["dns", "mx"]

FAR = "far.example"

MakeNode = Callable[..., Awaitable[Daemon]]


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
