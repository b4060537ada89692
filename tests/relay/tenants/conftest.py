"""A house with the verified domain example.test, and nobody in it yet."""

from collections.abc import AsyncIterator

import pytest

from relay.store.database import Database
from relay.tenants.directory import Directory
from tests.fakes.clock import FakeClock
from tests.relay.tenants.house import House


@pytest.fixture
async def house(db: Database, clock: FakeClock) -> AsyncIterator[House]:
    house = House(db, clock, Directory(db, clock))
    await house.add_domain("example.test")
    yield house
    house.directory.close()
