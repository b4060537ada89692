"""Give up what nobody fetched for days, and forget what is old or whose endpoint is gone."""

from datetime import timedelta
from typing import Final

from relay.clock import Clock, to_us
from relay.store.database import Database, Transaction
from relay.webhooks import deliveries

# For events of an endpoint that is paused or disabled; retries have their own schedule.
KEPT_WAITING: Final = timedelta(days=3)
BATCH = 1000

_OLD = "select number from webhook_deliveries where settled_at < $1 order by settled_at limit $2"
_OF_NOBODY = (
    "select d.number from webhook_deliveries d join webhook_endpoints e on e.id = d.endpoint_id"
    " where e.status = 'removed' and d.state <> 'leased' limit $1"
)


async def look_after(db: Database, clock: Clock, keep: timedelta) -> None:
    """All of it, in parts, so that nobody's write waits long; finished posts are kept for `keep`."""
    now = clock.now()
    overdue = to_us(now - KEPT_WAITING)
    while (
        await db.transact(lambda tx: deliveries.expire(tx, overdue, to_us(now), BATCH), lengthy=True) == BATCH
    ):
        pass
    while await db.transact(lambda tx: purge(tx, to_us(now - keep), BATCH), lengthy=True) == BATCH:
        pass
    while await db.transact(lambda tx: clear_removed(tx, BATCH), lengthy=True) == BATCH:
        pass
    await db.transact(lambda tx: _forget_old_secrets(tx, to_us(now)), lengthy=True)


async def purge(tx: Transaction, before: int, limit: int = BATCH) -> int:
    """Forget up to `limit` posts that ended before `before` (microseconds); returns how many went."""
    await tx.execute(f"delete from webhook_attempts where delivery in ({_OLD})", before, limit)  # noqa: S608
    return await tx.execute(f"delete from webhook_deliveries where number in ({_OLD})", before, limit)  # noqa: S608


async def clear_removed(tx: Transaction, limit: int = BATCH) -> int:
    """Forget up to `limit` posts of removed endpoints, and the endpoints that have none left."""
    await tx.execute(f"delete from webhook_attempts where delivery in ({_OF_NOBODY})", limit)  # noqa: S608
    gone = await tx.execute(f"delete from webhook_deliveries where number in ({_OF_NOBODY})", limit)  # noqa: S608
    await tx.execute(
        "delete from webhook_endpoints where status = 'removed'"
        " and not exists (select 1 from webhook_deliveries d where d.endpoint_id = webhook_endpoints.id)"
    )
    return gone


async def _forget_old_secrets(tx: Transaction, now: int) -> None:
    await tx.execute(
        "update webhook_endpoints set previous_secret = null, previous_until = null"
        " where previous_until <= $1",
        now,
    )
