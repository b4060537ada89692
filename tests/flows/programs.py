"""Programs that use a house's API, with whatever it sends really delivered."""

import asyncio
from typing import Any

from api.app import build_app
from api.house import House as ApiHouse
from relay.events.watch import EventWatch
from relay.store.database import Transaction
from relay.tenants import key_changes
from relay.tenants.key_changes import FreshKey, NewKey
from relay.tenants.tenants import DEFAULT_TENANT
from tests.api.client import Client
from tests.flows.house import House


async def program(house: House, **wanted: Any) -> Client:
    """A client of the house's API with a key of its own: `scopes`, `mailbox` …"""
    new = NewKey(**{"name": "program", **wanted})

    async def work(tx: Transaction) -> FreshKey:
        return await key_changes.create(tx, house.clock, DEFAULT_TENANT, new)

    return Client(build_app(doors(house)), (await house.station.db.transact(work)).secret)


def doors(house: House) -> ApiHouse:
    """What the HTTP door sees of the house."""
    return ApiHouse(
        station=house.station,
        acceptor=house.way_out.acceptor,
        booking=house.way_out.booking,
        watch=EventWatch(house.station.db),
        bench=house.way_in.bench,
        exposition=_nothing,
        renderer=house.renderer,
    )


async def _nothing() -> tuple[bytes, str]:
    await asyncio.sleep(0)
    return b"", "text/plain"
