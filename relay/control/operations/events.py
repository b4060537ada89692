"""Follow what happens, as it is written into the log."""

import asyncio
import difflib
from collections.abc import AsyncIterator
from typing import Any

from relay.control.context import Context
from relay.control.operations import mailboxes
from relay.control.registry import Arguments, operation, stream
from relay.control.shapes import event_dict
from relay.errors import InvalidInput
from relay.events import listing, log
from relay.events.kinds import EventKind
from relay.events.listing import Filter

BATCH = 200
MOST = 10_000
LOOK_AGAIN_SECONDS = 0.25


class Tail(Arguments, frozen=True):
    """The last `lines` events that are meant. A kind is a name, or a noun for all of its kinds."""

    kinds: tuple[str, ...] = ()
    mailbox: str | None = None
    message: str | None = None
    lines: int = 10


@operation("event.last", Tail)
async def last(context: Context, wanted: Tail) -> list[dict[str, Any]]:
    """The last events, oldest first."""
    found = await listing.latest(context.db, await _filter(context, wanted), _limit(wanted))
    return [event_dict(event) for event in found]


@stream("event.tail", Tail)
async def tail(context: Context, wanted: Tail) -> AsyncIterator[dict[str, Any]]:
    """The last events, then every one that comes."""
    meant = await _filter(context, wanted)
    seq = await log.last_seq(context.db)
    for event in await listing.latest(context.db, meant, _limit(wanted)):
        yield event_dict(event)
        seq = max(seq, event.seq)
    while True:
        upto = await log.last_seq(context.db)
        events = await listing.after(context.db, meant, seq, BATCH) if upto > seq else []
        for event in events:
            yield event_dict(event)
        if len(events) == BATCH:
            seq = events[-1].seq
            continue
        # What was not meant need not be read again.
        seq = max(upto, events[-1].seq) if events else max(seq, upto)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _filter(context: Context, wanted: Tail) -> Filter:
    mailbox = await mailboxes.get(context, wanted.mailbox) if wanted.mailbox else None
    kinds = tuple(kind for text in wanted.kinds for kind in _kinds(text))
    return Filter(kinds, mailbox.id if mailbox else None, wanted.message)


def _kinds(text: str) -> tuple[EventKind, ...]:
    found = tuple(listing.kinds_named(text))
    if not found:
        near = difflib.get_close_matches(text, [kind.value for kind in EventKind], n=1)
        raise InvalidInput(f"no event is called {text!r}" + (f"; did you mean {near[0]}?" if near else ""))
    return found


def _limit(wanted: Tail) -> int:
    if not 0 <= wanted.lines <= MOST:
        raise InvalidInput(f"0 to {MOST} events can be asked for")
    return wanted.lines
