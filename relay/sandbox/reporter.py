"""Send back what follows a delivery to the simulator: a reader of the event log with a cursor of its own.

After the delivery is written down, never before: so what is told of one
message stands in the order of time. Dying between a report and the cursor
repeats the report, which says nothing new then.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from relay.address import NULL_PATH, Address, InvalidAddress, parse_address
from relay.clock import Clock
from relay.events import log
from relay.events.following import follow
from relay.events.kinds import EventKind
from relay.events.log import Event
from relay.events.turns import Turn
from relay.message.content import Body
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.headers import new_message_id
from relay.replies import SmtpReply
from relay.sandbox.conduct import DOMAIN, Conduct, conduct_of
from relay.sandbox.reports import Delivered, bounce_of, complaint_of
from relay.spool import records as spool
from relay.store.database import Database, Transaction
from relay.tenants import bounce_address

logger = logging.getLogger("posthouse.sandbox")

CURSOR: Final = "sandbox"
BATCH: Final = 100
LOOK_AGAIN_SECONDS: Final = 10.0

_WRITTEN: Final[dict[Conduct, Callable[[Delivered], tuple[bytes, bytes]]]] = {
    Conduct.LATE_BOUNCE: bounce_of,
    Conduct.COMPLAIN: complaint_of,
}


class Inbound(Protocol):
    """The inbound path, without a socket between (`inbound.local`)."""

    async def deliver(self, envelope: Envelope, header: bytes, body: Body) -> list[SmtpReply]: ...


@dataclass(slots=True)
class Reporter:
    """Follows the deliveries of trials and writes the reports that their recipients call for."""

    db: Database
    clock: Clock
    bounce_secret: bytes
    inbound: Inbound
    turn: Turn
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _read: int | None = None

    def wake(self) -> None:
        """Look at the log now."""
        self._woken.set()

    async def run(self) -> None:
        """Follow the log until cancelled; a store that cannot be written only makes it wait."""
        await follow(
            self.step,
            self._woken,
            again=LOOK_AGAIN_SECONDS,
            waits="reports of the simulator wait",
            logger=logger,
        )

    async def step(self) -> int:
        """Report on the next deliveries, if it is our turn; returns how many events were read."""
        if not await self.turn.is_ours():
            self._read = None
            return 0
        if self._read is None:
            self._read = await log.read_cursor(self.db, CURSOR)
        events = await log.trials_after(self.db, EventKind.MESSAGE_DELIVERED, self._read, BATCH)
        for event in events:
            await self._report(event)
        if events:
            await self._keep_cursor(events[-1].seq)
        return len(events)

    async def _keep_cursor(self, seq: int) -> None:
        async def work(tx: Transaction) -> None:
            await log.move_cursor(tx, CURSOR, seq)

        await self.db.transact(work)
        self._read = seq

    async def _report(self, event: Event) -> None:
        """The report that the recipient of this delivery calls for, if he does."""
        recipient = _recipient_of(event)
        write = _WRITTEN.get(conduct_of(recipient)) if recipient else None
        if recipient is None or write is None or event.message_id is None:
            return
        loaded = await spool.load(self.db, event.message_id)
        if loaded is None or loaded[0].signing_domain is None:
            return
        message, stored = loaded
        to = bounce_address.encode(
            message.id, self.bounce_secret, f"{bounce_address.HOST}{message.signing_domain}"
        )
        delivered = Delivered(
            recipient, to, event.at, self.clock.now(), new_message_id(DOMAIN, self.clock), stored.header
        )
        await self._hand_in(delivered, *write(delivered))

    async def _hand_in(self, delivered: Delivered, header: bytes, body: bytes) -> None:
        envelope = Envelope(NULL_PATH, [EnvelopeRecipient(delivered.to)], is_8bit=True)
        (reply,) = await self.inbound.deliver(envelope, header, Body(data=body, file=None, size=len(body)))
        if not reply.is_positive:
            logger.warning("the report on %s was refused: %s", delivered.recipient, reply)


def _recipient_of(event: Event) -> Address | None:
    """Whom the delivery reached; None for an event that was raised by hand."""
    named = event.data.get("recipient") if event.recipient_id is not None else None
    try:
        return parse_address(named) if isinstance(named, str) else None
    except InvalidAddress:
        return None
