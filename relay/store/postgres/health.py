"""Whether the server takes what we write, and whether there is room beside us for mail that comes in.

Listeners write what they receive to files of their own before it goes to the
store, so the data directory's disk counts here too.
"""

import asyncio
import contextlib
import logging
from datetime import timedelta
from typing import Any

from relay.errors import StoreUnavailable
from relay.store.faults import StoreFault
from relay.store.health import Health
from relay.store.postgres.faults import from_postgres, is_lost
from relay.store.postgres.pool import Pool

logger = logging.getLogger(__name__)

_CONNECTIONS_ASKED = 3

# A row that every store has is written anew: what cannot be written, on a full disk or on a
# standby, is found out.
_WRITE = "update schema_steps set applied_at = applied_at where name = (select min(name) from schema_steps)"


class Watch:
    """Looks at the server and at the disk, when asked or every `interval`."""

    def __init__(self, health: Health, writers: Pool, readers: Pool, interval: timedelta | None) -> None:
        self._health = health
        self._writers = writers
        self._readers = readers
        self._looking = asyncio.Lock()
        self._task = None if interval is None else asyncio.create_task(self._run(interval.total_seconds()))

    async def look(self) -> None:
        """Ask the server for an answer or, after a fault, for a write; look at the disk."""
        async with self._looking:
            if self._health.trouble is None:
                with contextlib.suppress(StoreUnavailable):
                    await self._ask(self._readers, "select 1")
            loop = asyncio.get_running_loop()

            def prove() -> None:
                asyncio.run_coroutine_threadsafe(self._prove(), loop).result()

            await asyncio.to_thread(self._health.look, prove)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.look()
            except Exception:
                logger.exception("the store's health could not be looked at")

    async def _prove(self) -> None:
        await self._ask(self._writers, _WRITE)

    async def _ask(self, pool: Pool, sql: str) -> None:
        """A connection that had been lost before says nothing of the server: another is asked."""
        for tried in range(1, _CONNECTIONS_ASKED + 1):
            try:
                async with pool.lend() as connection:
                    await _run(connection, sql)
                return
            except StoreFault as fault:
                if tried < _CONNECTIONS_ASKED and is_lost(fault) and not _is_silent(fault):
                    continue
                self._health.notice(fault)
                raise


def _is_silent(fault: StoreFault) -> bool:
    return isinstance(fault.__cause__, TimeoutError)


async def _run(connection: Any, sql: str) -> None:
    try:
        await connection.execute(sql)
    except Exception as error:
        raise from_postgres(error) from error
