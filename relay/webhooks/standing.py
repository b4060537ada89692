"""What posts do to an endpoint: one that is taken clears it, ten failures in a row pause it, 410 ends it."""

from datetime import timedelta
from typing import Final

from relay.clock import Clock, span_us, to_us
from relay.events.kinds import EventKind
from relay.store.database import Transaction
from relay.webhooks.endpoints import Endpoint, Status, get, tell
from relay.webhooks.post import Outcome

FAILURES_UNTIL_PAUSED: Final = 10
GONE: Final = 410


async def note(tx: Transaction, clock: Clock, tenant_id: str, endpoint_id: str, outcome: Outcome) -> None:
    """Draw the conclusion from one post, with its event if there is one; nothing when it was removed.

    An endpoint that is not active any more only has its failures counted.
    """
    if outcome.taken:
        await tx.execute(
            "update webhook_endpoints set failures = 0, rests_until = null where id = $1", endpoint_id
        )
        return
    counted = await tx.execute(
        "update webhook_endpoints set failures = failures + 1 where id = $1 and status <> 'removed'",
        endpoint_id,
    )
    if not counted:
        return
    endpoint = await get(tx, tenant_id, endpoint_id)
    if outcome.retry_after is not None:
        await _rest(tx, clock, endpoint, outcome.retry_after)
    if endpoint.status != "active":
        return
    if outcome.status == GONE:
        await _stop(tx, clock, endpoint, "disabled", "it answered 410: gone")
    elif endpoint.failures >= FAILURES_UNTIL_PAUSED:
        why = f"{endpoint.failures} posts in a row failed, the last one so: {outcome.error}"
        await _stop(tx, clock, endpoint, "paused", why)


async def _rest(tx: Transaction, clock: Clock, endpoint: Endpoint, wait: timedelta) -> None:
    """It asked for time, so nothing else is posted there either."""
    await tx.execute(
        "update webhook_endpoints set rests_until = $1 where id = $2",
        to_us(clock.now()) + span_us(wait),
        endpoint.id,
    )


async def _stop(tx: Transaction, clock: Clock, endpoint: Endpoint, status: Status, why: str) -> None:
    await tx.execute(
        "update webhook_endpoints set status = $1, reason = $2 where id = $3", status, why, endpoint.id
    )
    kind = EventKind.WEBHOOK_PAUSED if status == "paused" else EventKind.WEBHOOK_DISABLED
    await tell(tx, clock, kind, endpoint, why)
