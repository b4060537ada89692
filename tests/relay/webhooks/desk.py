"""A store with webhooks around it: a given clock, a real sender, real HTTP on loopback."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from relay.events import log
from relay.events.kinds import EventKind
from relay.events.log import Event
from relay.resolver import Resolver
from relay.store.database import Row, Transaction
from relay.store.sqlite import SqliteDatabase
from relay.tenants.tenants import DEFAULT_TENANT
from relay.webhooks import attempts, endpoint_changes, endpoints
from relay.webhooks.attempts import Attempt
from relay.webhooks.endpoint_changes import Changes, FreshEndpoint, NewEndpoint
from relay.webhooks.endpoints import Endpoint
from relay.webhooks.outbox import Outbox
from relay.webhooks.post import Poster
from relay.webhooks.sender import Sender
from relay.webhooks.settling import Carrier
from tests.fakes.clock import FakeClock


@dataclass(slots=True)
class Tally:
    """Counts posts as the metrics do."""

    taken: int = 0
    failed: int = 0

    def webhook_posted(self, *, taken: bool) -> None:
        self.taken += taken
        self.failed += not taken


@dataclass(slots=True)
class Desk:
    """What a test does to webhooks, in a word."""

    db: SqliteDatabase
    clock: FakeClock
    carrier: Carrier
    sender: Sender
    tally: Tally
    secrets: dict[str, str] = field(default_factory=dict)

    async def add(self, url: str, *events: str, **wanted: Any) -> Endpoint:
        """An endpoint, whose secret the desk remembers."""
        at_most = wanted.pop("at_most", 20)
        new = NewEndpoint(url=url, events=events or ("*",), **wanted)

        async def work(tx: Transaction) -> FreshEndpoint:
            return await endpoint_changes.create(
                tx, self.clock, DEFAULT_TENANT, new, at_most=at_most, allow_private_networks=True
            )

        fresh = await self.db.transact(work)
        self.secrets[fresh.endpoint.id] = fresh.secret
        return fresh.endpoint

    async def change(self, endpoint: Endpoint, **changes: Any) -> Endpoint:
        async def work(tx: Transaction) -> Endpoint:
            return await endpoint_changes.change(
                tx,
                self.clock,
                DEFAULT_TENANT,
                endpoint.id,
                Changes(**changes),
                allow_private_networks=True,
            )

        return await self.db.transact(work)

    async def happens(self, kind: EventKind = EventKind.MESSAGE_DELIVERED, **about: Any) -> Event:
        """Something happens; returns its event."""
        about = {"tenant_id": DEFAULT_TENANT} | about

        async def work(tx: Transaction) -> None:
            await log.append(tx, self.clock, kind, **about)

        await self.db.transact(work)
        (event,) = await log.after(self.db, await log.last_seq(self.db) - 1, 1)
        return event

    async def run(self) -> None:
        """Post whatever is due now, and what follows from it."""
        while await self.sender.step():
            await self.sender.idle()

    async def after(self, **units: float) -> None:
        """Let time pass, with the jitter of the schedule, and post what is due then."""
        self.clock.advance(timedelta(**units) * 1.1)
        await self.run()

    async def now(self, endpoint: Endpoint) -> Endpoint:
        return await endpoints.get(self.db, DEFAULT_TENANT, endpoint.id)

    async def attempts(self, endpoint: Endpoint) -> list[Attempt]:
        """Oldest first."""
        found = await attempts.list_of_endpoint(self.db, DEFAULT_TENANT, endpoint.id, limit=200)
        return list(reversed(found))

    async def states(self, endpoint: Endpoint) -> list[str]:
        """Of what the endpoint was owed, in order."""
        rows = await self.db.fetch_all(
            "select state from webhook_deliveries where endpoint_id = $1 order by number", endpoint.id
        )
        return [row["state"] for row in rows]

    async def kinds(self) -> list[str]:
        """Of the log, in order."""
        return [str(event.kind) for event in await log.after(self.db, 0, 1000)]

    async def rows(self, table: str) -> list[Row]:
        return list(await self.db.fetch_all(f"select * from {table}"))  # noqa: S608 - a test's own word

    def restarted(self) -> Sender:
        """A sender that knows only what the store knows."""
        self.sender = Sender(self.db, self.clock, Outbox(self.db, self.clock), self.carrier, self.tally)
        return self.sender


def desk_for(db: SqliteDatabase, clock: FakeClock, resolver: Resolver) -> Desk:
    poster = Poster(resolver, clock, timeout=timedelta(seconds=5), allow_private_networks=True)
    carrier = Carrier(db, clock, poster, random.Random(1))
    tally = Tally()
    return Desk(db, clock, carrier, Sender(db, clock, Outbox(db, clock), carrier, tally), tally)
