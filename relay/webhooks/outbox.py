"""From the event log to what endpoints are owed, after a cursor of our own.

The rows and the place up to which the log was read are written in one
transaction: an event is owed to each endpoint that wants it, once, however
often we die here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.clock import Clock, to_us
from relay.events import log
from relay.events.log import Event
from relay.store.database import Database, Transaction
from relay.webhooks import deliveries, endpoints
from relay.webhooks.deliveries import NewDelivery
from relay.webhooks.endpoints import Endpoint
from relay.webhooks.payload import payload_of
from relay.webhooks.told import Told, with_messages

CURSOR = "webhooks"
BATCH = 500


@dataclass(slots=True)
class Outbox:
    """Reads the log and writes down who is owed what."""

    db: Database
    clock: Clock
    # How far the log has been read, and how far the store knows of it.
    _read: int | None = None
    _kept: int = 0

    async def step(self) -> bool:
        """Read on in the log by one batch; returns whether it was a whole one, so that more may wait."""
        if self._read is None:
            self._read = self._kept = await log.read_cursor(self.db, CURSOR)
        last = await log.last_seq(self.db)
        if last <= self._read:
            return False
        listening = await endpoints.listening(self.db)
        # Nobody is owed what came before; whoever is added from now on, not even `last`.
        self._read = max(self._read, min((endpoint.from_seq for endpoint in listening), default=last))
        events = await log.after(self.db, self._read, BATCH)
        if events:
            await self._write(events, listening)
        return len(events) == BATCH

    async def _write(self, events: Sequence[Event], listening: Sequence[Endpoint]) -> None:
        seq, now = events[-1].seq, to_us(self.clock.now())
        asked_for = [event for event in events if any(each.asks_for(event) for each in listening)]
        told = await with_messages(self.db, asked_for)

        async def work(tx: Transaction) -> bool:
            owed = owed_for(told, await endpoints.listening(tx)) if told else []
            # After a crash what nobody wanted is read again; so not every step is written down.
            if not owed and seq - self._kept < BATCH:
                return False
            await deliveries.owe(tx, self.clock, owed, now)
            await log.move_cursor(tx, CURSOR, seq)
            return True

        if await self.db.transact(work):
            self._kept = seq
        self._read = seq


def owed_for(told: Sequence[Told], listening: Sequence[Endpoint]) -> list[NewDelivery]:
    """A row for each event and endpoint that wants it; each payload is made once."""
    owed = []
    for each in told:
        wanting = [endpoint for endpoint in listening if endpoint.wants(each)]
        payload = payload_of(each) if wanting else ""
        owed += [owed_to(endpoint, each.event, payload) for endpoint in wanting]
    return owed


def owed_to(endpoint: Endpoint, event: Event, payload: str) -> NewDelivery:
    return NewDelivery(
        endpoint.id, endpoint.tenant_id, event.id, str(event.kind), payload, message_id=event.message_id
    )
