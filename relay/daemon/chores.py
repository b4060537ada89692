"""What must be done again and again beside the doors: leases, retention, domain checks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from relay.dispatch.sweep import Sweeper
from relay.errors import StoreUnavailable
from relay.station import Station
from relay.verification.recheck import recheck_due
from relay.webhooks import retention

logger = logging.getLogger("posthouse.chores")

LEASES_EVERY = timedelta(minutes=1)
DOMAINS_EVERY = timedelta(minutes=5)
PURGE_EVERY = timedelta(hours=1)


async def repeat(every: timedelta, chore: Callable[[], Awaitable[object]], *, name: str) -> None:
    """Do the chore now and then `every` so often; its trouble is told and tried again."""
    while True:
        try:
            await chore()
        except StoreUnavailable as trouble:
            logger.warning("%s waits for the store: %s", name, trouble)
        except Exception:
            logger.exception("%s failed; it is tried again", name)
        await asyncio.sleep(every.total_seconds())


def start_chores(station: Station, sweeper: Sweeper) -> list[asyncio.Task[None]]:
    """Begin all of them; each is a task that runs until it is cancelled."""

    async def recheck() -> None:
        await recheck_due(station)

    async def purge() -> None:
        await sweeper.purge()
        await sweeper.sweep_orphans()
        await retention.look_after(station.db, station.clock, station.config.retention.events)

    return [
        asyncio.create_task(repeat(LEASES_EVERY, sweeper.keep_leases, name="leases"), name="leases"),
        asyncio.create_task(repeat(DOMAINS_EVERY, recheck, name="domain checks"), name="domain checks"),
        asyncio.create_task(repeat(PURGE_EVERY, purge, name="retention"), name="retention"),
    ]
