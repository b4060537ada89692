"""Endpoints on loopback and a desk that posts to them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from relay.resolver import Resolver
from relay.store.sqlite import SqliteDatabase
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import dns, receiver
from tests.relay.webhooks.desk import Desk, desk_for
from tests.relay.webhooks.receiver import Receiver

__all__ = ["dns", "receiver"]


@pytest.fixture
async def other() -> AsyncIterator[Receiver]:
    server = await Receiver.start()
    yield server
    await server.stop()


@pytest.fixture
async def desk(db: SqliteDatabase, clock: FakeClock, dns: FakeDns) -> AsyncIterator[Desk]:
    made = desk_for(db, clock, Resolver([dns.nameserver]))
    yield made
    await made.sender.stop(timedelta())
