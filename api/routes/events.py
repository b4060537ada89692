"""The event log: look back through it, or follow it as it is written (server-sent events)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.call import Call
from api.operations import Operation, Stream
from api.paging import Cursor, Paged, page
from api.problems import invalid
from api.shapes import Page, Query, Shape
from relay.events import listing, log
from relay.events.kinds import EventKind
from relay.events.listing import Filter
from relay.events.log import Event

BATCH = 200
HEARTBEAT_SECONDS = 15.0
HEARTBEAT = b": still here\n\n"

Kinds = Annotated[
    tuple[str, ...],
    Meta(max_length=100, description="a kind, or a noun such as message for all of its kinds"),
]
EventId = Annotated[str, Meta(max_length=100, description="only what came after this event")]
Inbox = Annotated[str, Meta(max_length=400, description="id or address")]
MessageId = Annotated[str, Meta(max_length=100, description="id")]


class ListEvents(Paged, frozen=True):
    """Which events; what is left out does not narrow it."""

    kind: Kinds = ()
    inbox: Inbox | None = None
    message: MessageId | None = None
    after: EventId | None = None


class FollowEvents(Query, frozen=True):
    """Which events; from the one behind `cursor` (or Last-Event-ID) on, else from now on."""

    kind: Kinds = ()
    inbox: Inbox | None = None
    message: MessageId | None = None
    cursor: Cursor | None = None


class EventShape(Shape, frozen=True):
    """One thing that happened; `data` depends on the kind, and gains fields with time.

    `test`: to mail that goes to nobody. A test key sees these, and a live one all others.
    """

    id: str
    kind: str
    at: datetime
    inbox_id: str | None
    message_id: str | None
    data: dict[str, Any]
    test: bool


async def list_events(call: Call, query: ListEvents) -> Page[EventShape]:
    """What happened, newest first."""
    db = call.house.db
    wanted = await _filter(call, query.kind, query.inbox, query.message)
    beyond = await _seq_of(call, query.after, "?after") if query.after else 0
    before = await _seq_of(call, query.before, "?cursor") if query.before else None
    found = await listing.page(db, wanted, query.limit + 1, before=before, beyond=beyond)
    return page(found, query.limit, event_shape, lambda event: event.id)


async def stream_events(call: Call, query: FollowEvents) -> Stream:
    """What happens from now on, or has happened since the event that is named."""
    wanted = await _filter(call, query.kind, query.inbox, query.message)
    since = call.headers.get("last-event-id") or query.cursor
    seq = await _seq_of(call, since, "?cursor") if since else await log.last_seq(call.house.db)
    headers = {"X-Accel-Buffering": "no"}
    call.house.lines.check(call.caller.key.id)
    return Stream(_follow(call, wanted, seq), "text/event-stream", headers)


async def _follow(call: Call, wanted: Filter, seq: int) -> AsyncIterator[bytes]:
    """The events behind `seq` as they come, with a comment when nothing has for a while."""
    watch = call.house.watch
    with call.house.lines.taken(call.caller.key.id):
        yield b": following\n\n"
        while not watch.is_closed:
            last = await watch.wait_beyond(seq, HEARTBEAT_SECONDS)
            if not await call.is_still_allowed():
                return
            if last <= seq:
                yield HEARTBEAT
                continue
            # Mailboxes come and go while somebody listens.
            wanted = replace(wanted, mailbox_ids=await call.reached())
            found = await listing.after(call.house.db, wanted, seq, BATCH)
            for event in found:
                yield _sse(event)
            # What was not meant need not be read again.
            seq = found[-1].seq if len(found) == BATCH else max(last, *(event.seq for event in found), seq)


def event_shape(event: Event) -> EventShape:
    return EventShape(
        id=event.id,
        kind=str(event.kind),
        at=event.at,
        inbox_id=event.mailbox_id,
        message_id=event.message_id,
        data=listing.readable(event.data),
        test=event.is_test,
    )


def _sse(event: Event) -> bytes:
    document = msgspec.json.encode(event_shape(event))  # one line: JSON escapes every line end
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (event.id.encode(), str(event.kind).encode(), document)


async def _filter(call: Call, kinds: tuple[str, ...], inbox: str | None, message: str | None) -> Filter:
    mailbox_id = (await call.mailbox(inbox)).id if inbox else None
    meant = tuple(kind for text in kinds for kind in _kinds(text))
    is_test, reached = call.caller.mode == "test", await call.reached()
    return Filter(meant, mailbox_id, message, tenant_id=call.tenant_id, is_test=is_test, mailbox_ids=reached)


def _kinds(text: str) -> tuple[EventKind, ...]:
    found = tuple(listing.kinds_named(text))
    if not found:
        raise invalid("?kind", f"no event is called {text}")
    return found


async def _seq_of(call: Call, event_id: str, where: str) -> int:
    seq = await listing.seq_of(call.house.db, call.tenant_id, event_id)
    if seq is None:
        raise invalid(where, "names no event that is here")
    return seq


_EXAMPLE = {
    "id": "evt_01hw3k9v8g2e4r6t8y0a2s4d",
    "kind": "message.delivered",
    "at": "2026-03-02T09:00:03.120000Z",
    "inbox_id": "inb_01hw3k9v8g2e4r6t8y0a2s4d",
    "message_id": "msg_01hw3k9v8g2e4r6t8y0a2s4d",
    "data": {"recipient": "ann@far.example", "mx": "mx.far.example"},
    "test": False,
}

OPERATIONS = (
    Operation(
        "GET",
        "/v1/events",
        "events:read",
        "List what happened",
        list_events,
        query=ListEvents,
        answer=Page[EventShape],
        answers={"data": [_EXAMPLE], "has_more": False, "next_cursor": None},
        errors=("not_found",),
    ),
    Operation(
        "GET",
        "/v1/events/stream",
        "events:read",
        "Follow what happens",
        stream_events,
        query=FollowEvents,
        media_type="text/event-stream",
        answers='id: evt_01hw3k9v8g2e4r6t8y0a2s4d\nevent: message.delivered\ndata: {"id": "evt_…"}\n\n',
        errors=("not_found",),
        description=(
            "Server-sent events: `id` is the event's id, `event` its kind, `data` its JSON document."
            " A client that comes back sends the last id as Last-Event-ID, or as `cursor`,"
            " and misses nothing. A comment comes every 15 s while nothing happens."
        ),
    ),
)
