"""Forget figures that nobody asks for by the hour or the day any more."""

from relay.analytics import records
from relay.clock import Clock, to_us
from relay.config import RetentionConfig
from relay.store.database import Database

BATCH = 2000


async def look_after(db: Database, clock: Clock, retention: RetentionConfig) -> None:
    """All of it, in parts, so that nobody's write waits long."""
    now = clock.now()
    hours, days_ = to_us(now - retention.hourly_figures), to_us(now - retention.daily_figures)
    marks = to_us(now - retention.events)
    while await db.transact(lambda tx: records.forget(tx, "hour", hours, BATCH), lengthy=True):
        pass
    while await db.transact(lambda tx: records.forget(tx, "day", days_, BATCH), lengthy=True):
        pass
    while await db.transact(lambda tx: records.forget_marks(tx, marks, BATCH), lengthy=True):
        pass
