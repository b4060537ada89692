"""Wait for something to happen: one look at the log serves everybody who waits.

Nobody is told of an event when it is written, since another process may have
written it; whoever follows the log asks how far it has come.
"""

import asyncio
import logging
from datetime import timedelta

from relay.errors import StoreUnavailable
from relay.events import log
from relay.store.database import Reader

logger = logging.getLogger("posthouse.events")

INTERVAL = timedelta(milliseconds=250)


class EventWatch:
    """Looks at the log's end every `interval`, but only while somebody waits."""

    def __init__(self, db: Reader, interval: timedelta = INTERVAL) -> None:
        self._db = db
        self._interval = interval.total_seconds()
        self._seq = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._poller: asyncio.Task[None] | None = None
        self._nudged = asyncio.Event()
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether the house is closing, so that nobody should wait again."""
        return self._closed

    async def wait_beyond(self, seq: int, timeout: float) -> int:
        """The log's last seq: as soon as it is beyond `seq`, or as it was known after `timeout` seconds.

        Returns at once when the watch is closed.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        while self._seq <= seq and not self._closed and loop.time() < until:
            news: asyncio.Future[None] = loop.create_future()
            self._waiting.add(news)
            self._look_soon()
            try:
                await asyncio.wait([news], timeout=until - loop.time())
            finally:
                self._waiting.discard(news)
        return self._seq

    def nudge(self) -> None:
        """Look now: something was written."""
        self._nudged.set()

    def close(self) -> None:
        """Let everybody go; nobody waits here any more."""
        self._closed = True
        self._wake()
        self._nudged.set()

    def _look_soon(self) -> None:
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), name="event watch")

    async def _poll(self) -> None:
        while self._waiting and not self._closed:
            await self._look()
            try:
                async with asyncio.timeout(self._interval):
                    await self._nudged.wait()
            except TimeoutError:
                continue
            self._nudged.clear()

    async def _look(self) -> None:
        """A store that cannot be read now is looked at again."""
        try:
            seq = await log.last_seq(self._db)
        except StoreUnavailable as trouble:
            logger.warning("the event log cannot be read: %s", trouble)
            return
        if seq > self._seq:
            self._seq = seq
            self._wake()

    def _wake(self) -> None:
        for news in self._waiting:
            if not news.done():
                news.set_result(None)
