"""From the event log to figures, after a cursor of our own.

The additions and the place up to which the log was read are written in one
transaction that begins by looking whether somebody else has moved it: every
event is counted once, however many nodes follow the log and wherever they die.

To count anew (`ask_anew`) is to move the cursor to before the beginning:
whoever follows the log clears what is there, in parts, and reads it again.
What is older than the log is kept stays as it was counted then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from relay.analytics import records
from relay.analytics.counting import (
    LENGTH_US,
    OF_MESSAGES,
    Facet,
    Happened,
    Mark,
    Tally,
    day_of,
    what_happened,
)
from relay.clock import Clock, to_us
from relay.events import listing, log
from relay.events.kinds import EventKind
from relay.events.listing import Filter
from relay.events.log import Event
from relay.policy import health
from relay.spool.facts import MessageFacts, facts_of
from relay.store.database import Database, Reader, Transaction

CURSOR: Final = "figures"
# Whatever began before is not counted again: microseconds, kept as a cursor is.
_SINCE: Final = "figures:since"
_ANEW: Final = -1
BATCH: Final = 1000
# How many messages' facts are remembered.
KNOWN: Final = 5000
CLEARED_AT_ONCE: Final = 2000
# Of one tenant, facet and day; further ones are counted together.
VALUES_A_DAY: Final = 200
OTHERS: Final = "(others)"
_BOUNDED: Final[frozenset[Facet]] = frozenset({"domain", "tag", "template"})
_WANTED: Final = Filter(
    kinds=tuple(kind for kind in EventKind if kind in OF_MESSAGES or kind is EventKind.MAILBOX_UPDATED)
)
_STRIKES: Final = frozenset({EventKind.MESSAGE_BOUNCED, EventKind.MESSAGE_COMPLAINED})

Tenants = dict[str, str]


@dataclass(slots=True)
class Rollup:
    """Counts what the log says. `struck` are the mailboxes, each with its tenant, whose rates got worse."""

    db: Database
    clock: Clock
    struck: Tenants = field(default_factory=dict)
    _known: dict[str, MessageFacts] = field(default_factory=dict)

    async def step(self) -> bool:
        """Read on by one batch, or clear a part of what is to be counted anew; whether more may be left."""
        seq = await log.read_cursor(self.db, CURSOR)
        if seq == _ANEW:
            await self.db.transact(self._clear, lengthy=True)
            return True
        last = await log.last_seq(self.db)
        if last <= seq:
            return False
        events = await listing.after(self.db, _WANTED, seq, BATCH)
        # All others up to there are passed over.
        upto = events[-1].seq if len(events) == BATCH else max(last, *(event.seq for event in events), seq)
        happened = list(what_happened(events, await self._facts(events)))

        async def work(tx: Transaction) -> bool:
            if await log.read_cursor(tx, CURSOR) != seq:
                return False
            await _count(tx, happened, await log.read_cursor(tx, _SINCE))
            await _note_resumed(tx, events)
            await log.move_cursor(tx, CURSOR, upto)
            return True

        if not await self.db.transact(work, lengthy=True, unhurried=True):
            return True
        self.struck.update(_struck(events))
        return len(events) == BATCH

    async def _facts(self, events: Sequence[Event]) -> Mapping[str, MessageFacts]:
        """Of the messages that they are about; those that travel change no more and are not read twice."""
        named = {event.message_id for event in events if event.message_id}
        read = await facts_of(self.db, sorted(named - self._known.keys()))
        found = {name: self._known[name] for name in named & self._known.keys()} | read
        if len(self._known) > KNOWN:
            self._known.clear()
        self._known |= {name: facts for name, facts in read.items() if facts.began_at is not None}
        return found

    async def _clear(self, tx: Transaction) -> None:
        if await log.read_cursor(tx, CURSOR) != _ANEW:
            return
        since = await log.read_cursor(tx, _SINCE)
        if not await records.clear(tx, since, CLEARED_AT_ONCE):
            await log.put_cursor(tx, CURSOR, 0)


async def ask_anew(tx: Transaction, clock: Clock, events_kept: timedelta) -> None:
    """Have the figures counted anew from what the log still has of whole days."""
    await log.put_cursor(tx, _SINCE, await _first_whole_day(tx, to_us(clock.now() - events_kept)))
    await log.put_cursor(tx, CURSOR, _ANEW)


async def _first_whole_day(reader: Reader, kept_since: int) -> int:
    """The first day of which nothing was forgotten; older ones were counted while they were there."""
    oldest = await log.oldest_at(reader)
    if oldest is None:
        return day_of(kept_since)
    first = day_of(oldest)
    if first >= kept_since and not await records.has_older(reader, first):
        return first
    return day_of(max(oldest, kept_since)) + LENGTH_US["day"]


async def _count(tx: Transaction, happened: Sequence[Happened], since: int) -> None:
    """Add what has not been counted; what happened before `since` has been, and only leaves its mark."""
    marks: dict[Mark, tuple[str, int]] = {}
    for each in happened:
        if each.mark is not None:
            marks.setdefault(each.mark, (each.tenant_id, each.at))
    fresh = await records.mark(tx, marks) if marks else set()
    tally, bounds = Tally(), _Bounds(tx)
    for each in happened:
        if each.mark is not None:
            if each.mark not in fresh:
                continue
            fresh.discard(each.mark)
        if each.at >= since:
            tally.add(replace(each, under=await bounds.keep(each)))
    await records.add(tx, tally)


@dataclass(slots=True)
class _Bounds:
    """Under which values is counted: the first so many of a day, in the order of the log."""

    tx: Transaction
    _known: dict[tuple[str, Facet, int], set[str]] = field(default_factory=dict)

    async def keep(self, happened: Happened) -> tuple[tuple[Facet, str], ...]:
        kept = [(facet, await self._value(happened, facet, value)) for facet, value in happened.under]
        return tuple(dict.fromkeys(kept))

    async def _value(self, happened: Happened, facet: Facet, value: str) -> str:
        if facet not in _BOUNDED:
            return value
        key = (happened.tenant_id, facet, day_of(happened.at))
        if key not in self._known:
            self._known[key] = await records.values_of_day(self.tx, *key) - {OTHERS}
        known = self._known[key]
        if value not in known and len(known) >= VALUES_A_DAY:
            return OTHERS
        known.add(value)
        return value


async def _note_resumed(tx: Transaction, events: Sequence[Event]) -> None:
    """Whoever lets a mailbox send again has looked into it: it is judged by what comes after."""
    for event in events:
        if event.kind == EventKind.MAILBOX_UPDATED and "status" in event.data.get("changed", ()):
            await health.judge_from(tx, event.tenant_id, event.mailbox_id or "", to_us(event.at))


def _struck(events: Sequence[Event]) -> Tenants:
    return {
        event.mailbox_id: event.tenant_id for event in events if event.kind in _STRIKES and event.mailbox_id
    }
