"""Try an endpoint now: one `webhook.test` post the usual way, whatever the endpoint's status.

It is not tried again, and counts neither for nor against the endpoint.
"""

from relay.clock import Clock, to_us
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Transaction
from relay.webhooks import deliveries
from relay.webhooks.attempts import Attempt
from relay.webhooks.deliveries import NewDelivery, Post
from relay.webhooks.endpoints import Endpoint
from relay.webhooks.payload import compose
from relay.webhooks.settling import Carrier


async def try_endpoint(carrier: Carrier, endpoint: Endpoint) -> Attempt:
    """Post a test event and return what came of it, within the time that a post may take."""
    clock, now = carrier.clock, to_us(carrier.clock.now())
    owed = _test_for(endpoint, clock)

    async def work(tx: Transaction) -> Post:
        await deliveries.owe(tx, clock, [owed], now)
        until = carrier.lease_until
        return await deliveries.claim_one(tx, endpoint.id, owed.event_id, now=now, until=until)

    return await carrier.carry(await carrier.db.transact(work))


def _test_for(endpoint: Endpoint, clock: Clock) -> NewDelivery:
    event_id, kind = new_id("evt", clock), EventKind.WEBHOOK_TEST.value
    data = {"webhook_id": endpoint.id, "label": endpoint.label}
    payload = compose(event_id, kind, clock.now(), data)
    return NewDelivery(endpoint.id, endpoint.tenant_id, event_id, kind, payload)
