"""A batch comes to its end: all places filled, or those given up that nobody can fill any more.

A request that died with its process has left places empty. With a key the
same request fills them, for as long as the key is known; without one nobody
does, and a program that waits for the batch would wait for ever.
"""

import json
import logging
from datetime import timedelta
from functools import partial

from relay.batches import records
from relay.batches.records import REFUSED, Batch
from relay.clock import Clock, to_us
from relay.events import log
from relay.events.kinds import EventKind
from relay.store.database import Database, Transaction

logger = logging.getLogger("posthouse.batches")

# No request takes that long; one that does after all finds its places taken, and sends nothing twice.
LONGEST_REQUEST = timedelta(minutes=15)
AT_ONCE = 100

_WHY = "The request broke off before this email was decided, and it was not sent. Ask for it again."
_INTERRUPTED = json.dumps({"status": 503, "code": "interrupted", "detail": _WHY, "errors": []})


async def complete(tx: Transaction, clock: Clock, batch: Batch) -> bool:
    """The batch is complete if no place is empty, and the log says so once; whether it became so by this."""
    if not await records.complete(tx, clock, batch.id):
        return False
    found = await records.counts(tx, batch.id)
    refused = found.get(REFUSED, 0)
    data = {"batch_id": batch.id, "total": batch.total, "accepted": batch.total - refused, "refused": refused}
    await log.append(
        tx,
        clock,
        EventKind.BATCH_COMPLETED,
        tenant_id=batch.tenant_id,
        mailbox_id=batch.mailbox_id,
        is_test=batch.is_test,
        data=data,
    )
    return True


class Completer:
    """Completes what broke off. Where this process owns the store, what was begun before it began has."""

    def __init__(self, db: Database, clock: Clock, key_lifetime: timedelta) -> None:
        self._db = db
        self._clock = clock
        self._key_lifetime = key_lifetime
        self._began = to_us(clock.now()) if db.engine == "sqlite" else 0

    async def look(self) -> int:
        """Complete all that nobody else can; returns how many emails were given up."""
        now, lost = self._clock.now(), 0
        without_key = max(self._began, to_us(now - LONGEST_REQUEST))
        with_key = to_us(now - self._key_lifetime - LONGEST_REQUEST)
        for batch in await records.begun_before(self._db, without_key, with_key, AT_ONCE):
            lost += await self._db.transact(partial(self._give_up, batch))
        if lost:
            logger.warning("%d emails of batches whose requests broke off were not sent", lost)
        return lost

    async def _give_up(self, batch: Batch, tx: Transaction) -> int:
        lost = await records.refuse_rest(tx, batch.id, _INTERRUPTED)
        await complete(tx, self._clock, batch)
        return lost
