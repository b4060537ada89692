"""Read what has come and what has gone out, one after another in each mailbox.

A mailbox's mail is read in its order, so that an answer finds its question;
mailboxes do not wait for one another. A reading is put on record before it
begins. What left no outcome is read again alone, so that a message which ends
the process takes no others with it; after a few times only its header is read.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from inbound import arrivals
from inbound.arrivals import Arrival
from inbound.filing import Filing, ReportTooEarly
from inbound.opening import Opener
from inbound.reading.bench import BenchClosed, ReadingFailed
from inbound.sent import SentMail
from relay.errors import StoreUnavailable
from relay.spool import records as spool
from relay.store.database import Database

T = TypeVar("T")

logger = logging.getLogger("posthouse.reader")

BATCH = 64
LOOK_AGAIN_SECONDS = 5.0


@dataclass(slots=True)
class Reader:
    """Follows the arrivals and the log of accepted mail until it is cancelled.

    `_too_early` are reports that wait for the outcome which they report on;
    `_blameless` were begun and not read for no fault of theirs.
    """

    db: Database
    opener: Opener
    filing: Filing
    sent: SentMail
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _too_early: set[str] = field(default_factory=set)
    _blameless: set[str] = field(default_factory=set)

    def wake(self) -> None:
        """There is something to read."""
        self._woken.set()

    async def run(self) -> None:
        """Read on until the house closes; a store that cannot be written only makes it wait."""
        while True:
            self._woken.clear()
            try:
                while await self.step():
                    pass
            except StoreUnavailable as trouble:
                logger.warning("reading waits for the store: %s", trouble)
            except BenchClosed:
                return
            except Exception:
                logger.exception("mail could not be read; it is tried again")
            try:
                async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def step(self) -> int:
        """Read some of what waits, arrivals first; returns how many messages."""
        arrived = await self._read_batch(BATCH) + await self._read_batch(1, suspects=True)
        if not arrived:
            self._too_early.clear()
        return arrived or await self.sent.step()

    async def _read_batch(self, limit: int, *, suspects: bool = False) -> int:
        await self._excuse()
        waiting = await arrivals.waiting(self.db, limit, suspects=suspects, but=self._too_early)
        if not waiting:
            return 0
        ids = [arrival.message_id for arrival in waiting]
        await self.db.transact(lambda tx: arrivals.begin(tx, ids))
        try:
            judged = await _all(map(self.opener.judge, waiting))
            return sum(await _all(map(self._read_in_order, _by_mailbox(judged))))
        except (StoreUnavailable, BenchClosed):
            self._blameless.update(ids)
            raise

    async def _excuse(self) -> None:
        """What was not read for trouble of the store is no suspect."""
        if blameless := set(self._blameless):
            await self.db.transact(lambda tx: arrivals.excuse(tx, blameless))
            self._blameless -= blameless

    async def _read_in_order(self, of_one_mailbox: Sequence[Arrival]) -> int:
        return sum([await self._read(arrival) for arrival in of_one_mailbox])

    async def _read(self, arrival: Arrival) -> int:
        """One message; a fault of ours leaves it for later, with its count."""
        try:
            return await self._open_and_file(arrival)
        except (StoreUnavailable, BenchClosed):
            raise
        except ReadingFailed as failure:
            logger.warning("%s could not be read: %s; it is tried again", arrival.message_id, failure)
        except ReportTooEarly as early:
            logger.info("%s reports on mail that is still under way: %s", arrival.message_id, early)
            self._too_early.add(arrival.message_id)
            self._blameless.add(arrival.message_id)
        except Exception:
            logger.exception("%s could not be read; it is tried again", arrival.message_id)
        return 0

    async def _open_and_file(self, arrival: Arrival) -> int:
        loaded = await spool.load(self.db, arrival.message_id)
        if loaded is None:
            await self.db.transact(lambda tx: arrivals.forget(tx, [arrival.message_id]))
            return 0
        opened = await self.opener.open(arrival, *loaded)
        await self.db.transact(lambda tx: self.filing.received(tx, opened), lengthy=True)
        return 1


def _by_mailbox(waiting: Iterable[Arrival]) -> Iterable[Sequence[Arrival]]:
    """Each mailbox's own, oldest first."""
    found: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in waiting:
        found[arrival.mailbox_id].append(arrival)
    return found.values()


async def _all(works: Iterable[Awaitable[T]]) -> list[T]:
    """What all of them give, side by side; when one raises, not before the others have ended."""
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
