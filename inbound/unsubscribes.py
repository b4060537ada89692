"""Unsubscribing by mail: somebody to whom we wrote answers that he wants no more.

Anybody can write anybody's address into From, so it counts only where the
author's domain vouches for the letter, and only for an address to which the
message went that it answers.
"""

from inbound.objections import object_to
from inbound.reported import Recorded, Roster
from relay.address import Address
from relay.clock import Clock
from relay.events.kinds import EventKind
from relay.queue import records as queue
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.suppressions.reasons import SuppressionReason


async def record_unsubscribe(
    tx: Transaction, clock: Clock, message: Message, author: Address, *, authentic: bool
) -> Recorded:
    """Write `message.unsubscribed` and suppress the author, if he is a recipient of `message`.

    `message` is the one that the letter answers; `authentic` says that the
    author's domain vouches for it (DMARC). Otherwise, and the second time,
    nothing changes.
    """
    if not authentic or message.direction != "out":
        return Recorded()
    rows = await queue.of_message(tx, message.id)
    named = [row for row in Roster(rows).named([author]) if row.attempts > 0]
    if not named:
        return Recorded(unmatched=(str(author),))
    data = {"source": "mail"}
    return await object_to(
        tx, clock, named, EventKind.MESSAGE_UNSUBSCRIBED, SuppressionReason.UNSUBSCRIBE, data
    )
