"""The API over a real store: `make_api` opens it, with keys of two tenants and an inbox each."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.app import build_app
from api.house import House
from inbound.reading.bench import ReadingBench
from relay.config import build_config
from relay.dispatch.assembly import build_acceptor
from relay.events.watch import EventWatch
from relay.station import open_station
from relay.store.database import Transaction
from relay.templates.rendering import Renderer
from relay.tenants import domain_changes, key_changes, mailbox_changes, tenants
from relay.tenants.key_changes import FreshKey, NewKey
from relay.tenants.mailbox_changes import NewMailbox
from relay.tenants.mailboxes import Mailbox
from relay.tenants.tenants import DEFAULT_TENANT
from tests.api.client import Client
from tests.fakes.clock import FakeClock
from tests.fakes.fresh_store import put_store

OURS = "ours.test"
THEIRS = "theirs.test"


@dataclass(slots=True)
class Api:
    """The application, and clients with keys: ours live and for tests, and one of another tenant."""

    house: House
    clock: FakeClock
    live: Client
    test: Client
    foreign: Client
    inbox: Mailbox
    foreign_inbox: Mailbox

    async def key(self, tenant_id: str = DEFAULT_TENANT, **wanted: Any) -> FreshKey:
        """A key made beside the API, as the command line makes it: `scopes`, `mailbox`, `cidrs` …"""
        if "mailbox" in wanted:
            wanted["mailboxes"] = [wanted.pop("mailbox")]
        new = NewKey(**{"name": "made", **wanted})
        return await self.house.db.transact(lambda tx: key_changes.create(tx, self.clock, tenant_id, new))

    async def client(self, tenant_id: str = DEFAULT_TENANT, **wanted: Any) -> Client:
        """A client with such a key."""
        return Client(self.live.app, (await self.key(tenant_id, **wanted)).secret)

    async def mailbox(self, address: str, tenant_id: str = DEFAULT_TENANT, **wanted: Any) -> Mailbox:
        """A mailbox at a domain that is here already."""

        async def work(tx: Transaction) -> Mailbox:
            return await mailbox_changes.add(tx, self.clock, tenant_id, NewMailbox(address=address, **wanted))

        return await self.house.directory.change(work)

    async def domain(self, name: str, tenant_id: str = DEFAULT_TENANT) -> None:
        """A verified domain that receives here; without keys, since nothing is signed."""

        async def work(tx: Transaction) -> None:
            domain = await domain_changes.add(tx, self.clock, tenant_id, name)
            await domain_changes.assume_verified(tx, self.clock, domain, receives=True)

        await self.house.directory.change(work)


MakeApi = Callable[..., Awaitable[Api]]


@pytest.fixture
async def make_api(data_dir: Path, store_url: str, clock: FakeClock) -> AsyncIterator[MakeApi]:
    """Open the API with settings of the test's own: `make_api({"limits.body_size": "1KiB"})`."""
    async with AsyncExitStack() as stack:

        async def make(settings: Mapping[str, Any] | None = None) -> Api:
            house = await _open_house(stack, data_dir, clock, {"store.url": store_url, **(settings or {})})
            stack.callback(house.watch.close)
            return await _furnish(house, clock)

        yield make


@pytest.fixture
async def api(make_api: MakeApi) -> Api:
    """The API at its defaults."""
    return await make_api()


async def _open_house(
    stack: AsyncExitStack, data_dir: Path, clock: FakeClock, settings: Mapping[str, Any]
) -> House:
    values: dict[str, Any] = {
        "server.hostname": "mail.ours.test",
        "server.data_dir": str(data_dir),
        "store.min_free": "0MiB",
        "dns.nameservers": ["127.0.0.1:9"],
        "dkim.key_dir": str(data_dir / "dkim_keys"),
        # Who tests limits says so.
        "limits.api_requests_per_minute": 100_000,
        "limits.auth_failures_per_minute": 100_000,
    }
    config = build_config({**values, **settings}, base=data_dir)
    if config.store_file is not None:
        put_store(config.store_file)
    station = await stack.enter_async_context(open_station(config, clock))
    acceptor = build_acceptor(station)
    bench = ReadingBench()
    stack.push_async_callback(bench.close)
    renderer = Renderer(clock)
    stack.push_async_callback(renderer.close)
    return House(
        station=station,
        acceptor=acceptor,
        booking=acceptor.booking,
        watch=EventWatch(station.db, timedelta(milliseconds=10)),
        bench=bench,
        renderer=renderer,
        exposition=_exposition,
    )


async def _exposition() -> tuple[bytes, str]:
    return b"posthouse_up 1.0\n", "text/plain; version=0.0.4"


async def _furnish(house: House, clock: FakeClock) -> Api:
    app = build_app(house)
    other = await house.db.transact(lambda tx: tenants.add(tx, clock, "Others"))
    nobody = Client(app)
    made: Any = None
    api = Api(house, clock, nobody, nobody, nobody, made, made)
    await api.domain(OURS)
    await api.domain(THEIRS, other.id)
    api.inbox = await api.mailbox(f"app@{OURS}")
    api.foreign_inbox = await api.mailbox(f"app@{THEIRS}", other.id)
    api.live = await api.client(name="live")
    api.test = await api.client(name="test", mode="test")
    api.foreign = await api.client(other.id, name="foreign")
    return api
