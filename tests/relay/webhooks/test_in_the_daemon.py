"""The running daemon posts what happens, and stops without breaking a post off."""

import asyncio
from pathlib import Path

from relay.daemon.process import Role, run_station
from relay.events import log
from relay.events.kinds import EventKind
from relay.store.database import Transaction
from relay.tenants.tenants import DEFAULT_TENANT
from relay.webhooks import attempts, endpoint_changes
from relay.webhooks.endpoint_changes import NewEndpoint
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.fixtures import mx
from tests.flows.house import configuration
from tests.relay.webhooks.receiver import Receiver

__all__ = ["mx"]

DELIVERY: tuple[Role, ...] = ("delivery",)


async def test_a_daemon_posts_and_lets_an_open_post_end(
    tmp_path: Path, dns: FakeDns, mx: FarMx, receiver: Receiver
) -> None:
    settings = {
        "webhooks.allow_private_networks": True,
        "submission.listen": [],
        "inbound.listen": [],
        "api.listen": [],
    }
    receiver.hold.clear()
    config = configuration(tmp_path, dns, mx, settings)
    async with run_station(config, roles=DELIVERY) as running:
        station = running.station

        async def work(tx: Transaction) -> str:
            made = await endpoint_changes.create(
                tx, station.clock, DEFAULT_TENANT, NewEndpoint(receiver.url), allow_private_networks=True
            )
            await log.append(tx, station.clock, EventKind.MESSAGE_RECEIVED, tenant_id=DEFAULT_TENANT)
            return made.endpoint.id

        endpoint_id = await station.db.transact(work)
        await receiver.has(1)
        asyncio.get_running_loop().call_soon(receiver.hold.set)
    told = running.station.metrics.exposition()[0].decode()
    assert 'posthouse_webhook_posts_total{outcome="taken"} 1.0' in told
    async with run_station(config, roles=()) as again:
        (attempt,) = await attempts.list_of_endpoint(again.station.db, DEFAULT_TENANT, endpoint_id)
    assert attempt.error is None
    assert receiver.ids == [attempt.event_id]
