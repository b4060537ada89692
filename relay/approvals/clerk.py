"""Asks approvers, hears their answers, and ends what nobody decided in time: a reader of the event log.

Questions are taken under keys that name approval and approver, and decisions
are taken once, so that a crash, or several nodes, repeat nothing.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from relay.approvals.decide import approve, reject
from relay.approvals.question import ask, ask_again
from relay.clock import to_us
from relay.errors import NotFound, StoreUnavailable
from relay.events import log
from relay.events.actor import Actor, acting
from relay.events.following import follow
from relay.events.kinds import EventKind
from relay.events.log import Event
from relay.guards import approvals
from relay.guards.approvals import HELD, AlreadyDecided, Approval
from relay.policy.caps import DailyCapReached
from relay.station import Station
from relay.store.database import Transaction
from relay.submission.accept import Acceptor

logger = logging.getLogger("posthouse.approvals")

CURSOR = "approvals"
BATCH = 100
LOOK_AGAIN_SECONDS = 5.0
TRIES = 3
# So far the log is read again after a restart, where nothing in it was for us.
_UNWRITTEN = 1000
_KINDS = (EventKind.MESSAGE_HELD, EventKind.APPROVAL_ANSWERED)


@dataclass(slots=True)
class Clerk:
    """Follows the log until it is cancelled."""

    station: Station
    acceptor: Acceptor
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _failures: Counter[str] = field(default_factory=Counter)
    _paused: bool = False
    _read: int | None = None
    _kept: int = 0

    async def pause(self, patience: timedelta) -> None:
        """Ask and decide nothing more after a step that is under way."""
        self._paused = True

    def resume(self) -> None:
        """Go on from where the log was left."""
        self._paused, self._read = False, None
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled; a store that cannot be written only makes it wait."""
        await follow(self.step, self._woken, again=LOOK_AGAIN_SECONDS, waits="approvals wait", logger=logger)

    async def step(self) -> int:
        """End what ran out, then read on in the log; returns how much was found to do."""
        if self._paused:
            return 0
        return await self._expire() + await self._read_on()

    async def _expire(self) -> int:
        overdue = await approvals.overdue(self.station.db, to_us(self.station.clock.now()), BATCH)
        for approval in overdue:
            await self._decide(approval, "expired", "nobody", None)
        return len(overdue)

    async def _read_on(self) -> int:
        db = self.station.db
        if self._read is None:
            self._read = self._kept = await log.read_cursor(db, CURSOR)
        upto = await log.last_seq(db)
        if upto <= self._read:
            return 0
        events = await log.of_kinds_after(db, _KINDS, self._read, upto, BATCH)
        for event in _once_each(events):
            if not await self._try(event):
                return 0
        self._read = events[-1].seq if len(events) == BATCH else upto
        if events or self._read - self._kept >= _UNWRITTEN:
            await self._keep_cursor(self._read)
        return len(events)

    async def _keep_cursor(self, seq: int) -> None:
        async def work(tx: Transaction) -> None:
            await log.move_cursor(tx, CURSOR, seq)

        await self.station.db.transact(work)
        self._kept = seq

    async def _try(self, event: Event) -> bool:
        """Whether it needs no further look; what fails again and again is passed over."""
        try:
            await self._follow(event)
        except StoreUnavailable:
            raise
        except Exception:
            self._failures[event.id] += 1
            logger.exception("what %s of %s asks for was not done", event.kind, event.message_id)
            if self._failures[event.id] < TRIES:
                return False
        self._failures.pop(event.id, None)
        return True

    async def _follow(self, event: Event) -> None:
        approval = await approvals.of_message(self.station.db, event.message_id or "")
        if approval is None or approval.status != "pending":
            return
        if event.kind == EventKind.APPROVAL_ANSWERED:
            await self._hear(approval, event)
        elif event.data.get("reason") == HELD and not approval.is_test:
            asked = await ask(self.station, self.acceptor, approval)
            logger.info("%s waits for approval %s; %d asked", approval.message_id, approval.id, asked)

    async def _hear(self, approval: Approval, event: Event) -> None:
        """An answer counts from an approver whose domain vouches for it; inbound has said what it says."""
        data = event.data
        decision, author = data.get("decision"), data.get("from")
        if not data.get("counts") or author not in approval.approvers:
            return
        if decision in ("approved", "rejected"):
            with acting(Actor("approver", author)):
                await self._decide(approval, decision, author, data.get("reason"))
        else:
            await ask_again(self.station, self.acceptor, approval, author)

    async def _decide(self, approval: Approval, decision: str, by: str, reason: str | None) -> None:
        async def work(tx: Transaction) -> Approval:
            if decision == "approved":
                return await approve(tx, self.station, approval, by, reason)
            as_: approvals.Decision = "expired" if decision == "expired" else "rejected"
            return await reject(tx, self.station, approval, by, reason, as_=as_)

        try:
            await self.station.db.transact(work)
        except (AlreadyDecided, NotFound):
            return
        except DailyCapReached as full:
            logger.warning("%s was approved by %s, but %s", approval.message_id, by, full)
            return
        logger.info("%s: %s by %s", approval.message_id, decision, by)
        self.station.bell.ring()


def _once_each(events: Iterable[Event]) -> list[Event]:
    """Each answer, but a held message once: it is told for every recipient."""
    found: dict[tuple[str, str | None], Event] = {}
    for event in events:
        key = event.id if event.kind == EventKind.APPROVAL_ANSWERED else str(event.kind)
        found.setdefault((key, event.message_id), event)
    return list(found.values())
