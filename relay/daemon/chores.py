"""What must be done again and again beside the doors: leases, retention, domains, batches left behind."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from relay.analytics import retention as figures
from relay.batches.completing import Completer
from relay.dispatch.loop import Dispatcher
from relay.dispatch.sweep import Sweeper
from relay.errors import StoreUnavailable
from relay.events.watch import EventWatch
from relay.policy.usage import UsageCounter
from relay.sandbox import caught
from relay.station import Station
from relay.submission.repeats import KEY_LIFETIME
from relay.verification.recheck import recheck_due
from relay.webhooks import retention

logger = logging.getLogger("posthouse.chores")

LEASES_EVERY = timedelta(minutes=1)
SITES_EVERY = timedelta(seconds=10)
DOMAINS_EVERY = timedelta(minutes=5)
PURGE_EVERY = timedelta(hours=1)
USAGE_EVERY = timedelta(minutes=1)
BATCHES_EVERY = timedelta(minutes=1)
OTHERS_HEARD_AGAIN = timedelta(seconds=1)
LONGEST_SILENCE = 60.0


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


def start_chores(station: Station, sweeper: Sweeper, dispatcher: Dispatcher) -> list[asyncio.Task[None]]:
    """Begin all of them, before the doors open; each is a task that runs until it is cancelled."""
    batches = Completer(station.db, station.clock, KEY_LIFETIME)
    usage = UsageCounter(station.db, station.config.policy.cap_timezone)

    async def recheck() -> None:
        await recheck_due(station)

    async def purge() -> None:
        await sweeper.purge()
        await sweeper.sweep_orphans()
        await caught.clear_old(station.db, station.clock)
        await retention.look_after(station.db, station.clock, station.config.retention.events)
        await figures.look_after(station.db, station.clock, station.config.retention)

    async def hear_others() -> None:
        await _hear_other_nodes(station)

    # Twice may fail before a lease runs out that somebody works under.
    leases_every = min(LEASES_EVERY, station.config.delivery.lease / 3)
    tasks = [
        asyncio.create_task(repeat(leases_every, sweeper.keep_leases, name="leases"), name="leases"),
        asyncio.create_task(repeat(DOMAINS_EVERY, recheck, name="domain checks"), name="domain checks"),
        asyncio.create_task(repeat(PURGE_EVERY, purge, name="retention"), name="retention"),
        asyncio.create_task(repeat(USAGE_EVERY, usage.catch_up, name="usage"), name="usage"),
        asyncio.create_task(repeat(BATCHES_EVERY, batches.look, name="batches"), name="batches"),
    ]
    if station.db.engine == "postgresql":
        chore = repeat(OTHERS_HEARD_AGAIN, hear_others, name="other nodes")
        tasks.append(asyncio.create_task(chore, name="other nodes"))
        every = min(SITES_EVERY, station.config.delivery.site_lease / 4)
        chore = repeat(every, dispatcher.look_after_sites, name="sites")
        tasks.append(asyncio.create_task(chore, name="sites"))
    return tasks


async def _hear_other_nodes(station: Station) -> None:
    """Look at the queue when the log has grown: another node may have taken mail and deliver none."""
    watch, seq = EventWatch(station.db, OTHERS_HEARD_AGAIN), 0
    while True:
        before, seq = seq, await watch.wait_beyond(seq, LONGEST_SILENCE)
        if seq > before:
            station.bell.ring()
