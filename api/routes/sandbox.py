"""The sandbox of test keys: events raised by hand, and the mail that was caught."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType, field

from api.call import Call
from api.mail.shapes import AttachmentShape
from api.operations import Operation, Reply
from api.paging import Paged, page
from api.problems import FieldError, Problem, invalid
from api.routes.events import EventShape
from api.routes.raw import download_headers
from api.shapes import Body, Page, Shape
from inbound.reading.bench import ReadingFailed
from inbound.reading.parsed import Parsed
from inbound.reading.tasks import Parse
from relay.address import InvalidAddress, parse_address
from relay.errors import NotFound
from relay.events import listing
from relay.message.content import Body as Octets
from relay.message.headers import Header, MalformedHeader
from relay.sandbox import caught, raising
from relay.sandbox.caught import Caught
from relay.sandbox.raising import Raised, Wanted
from relay.spool import records as spool
from relay.store.database import Transaction
from relay.store.text import storable

Id = Annotated[str, Meta(max_length=100)]


class NewTestEvent(Body, frozen=True):
    """Which event; what is left out is made up. `data` stands instead of what it would say by itself."""

    kind: Annotated[str, Meta(max_length=100, description="message.clicked")]
    message_id: Annotated[Id, Meta(description="a message that a test key sent")] | None = None
    inbox: Annotated[str, Meta(max_length=400, description="id or address")] | None = None
    recipient: Annotated[str, Meta(max_length=320)] | None = None
    data: dict[str, Any] = field(default_factory=dict)


class ListCaught(Paged, frozen=True):
    """All, or what was caught of one message."""

    message: Id | None = None


class CaughtShape(Shape, kw_only=True, frozen=True):
    """One SMTP transaction that the simulator took: what it was handed, for whom.

    The texts and attachments stand in the answer about one alone; they are
    null once retention has forgotten the message's body.
    """

    id: str
    message_id: str
    inbox_id: str | None
    caught_at: datetime
    reverse_path: str
    recipients: tuple[str, ...]
    subject: str
    size: int
    headers: tuple[tuple[str, str], ...] | UnsetType = UNSET
    text: str | UnsetType | None = UNSET
    html: str | UnsetType | None = UNSET
    attachments: tuple[AttachmentShape, ...] | UnsetType | None = UNSET


class ClearedShape(Shape, frozen=True):
    """How many were forgotten."""

    cleared: int


async def raise_test_event(call: Call, body: NewTestEvent) -> EventShape:
    """The event as it stands in the log."""
    _check_key(call)
    wanted = await _wanted(call, body)

    async def work(tx: Transaction) -> Raised:
        return await raising.raise_event(tx, call.house.clock, call.tenant_id, wanted)

    answer = await call.once.run(work, _event_shape)
    call.house.watch.nudge()
    return answer


async def list_caught(call: Call, query: ListCaught) -> Page[CaughtShape]:
    """What was caught, newest first."""
    rows = await caught.page(
        call.house.db,
        call.tenant_id,
        limit=query.limit + 1,
        before_id=query.before,
        mailbox_ids=await call.reached(),
        message_id=query.message,
    )
    return page(rows, query.limit, _shape, lambda each: each.id)


async def get_caught(call: Call) -> CaughtShape:
    """What its reader would see of it."""
    found = await _find(call)
    shape, parsed = _shape(found), await _parsed(call, found)
    return CaughtShape(
        **{name: getattr(shape, name) for name in _BASIC},
        headers=_fields(found.header),
        text=parsed.text if parsed else None,
        html=parsed.html if parsed else None,
        attachments=tuple(map(AttachmentShape.of, parsed.attachments)) if parsed else None,
    )


async def get_caught_raw(call: Call) -> Reply:
    """The octets that came over the wire."""
    found = await _find(call)
    body = await _body_of(call, found)
    if body is None:
        raise NotFound("retention has forgotten the body of this message")
    octets = found.header + b"\r\n" + await asyncio.to_thread(body.read)
    return Reply(octets, headers=download_headers(f"{found.id}.eml"), media_type="message/rfc822")


async def delete_caught(call: Call) -> None:
    """It is listed no more; the message itself stays."""
    found, reached = await _find(call), await call.reached()
    await call.house.db.transact(lambda tx: caught.clear(tx, call.tenant_id, reached, found.id))


async def clear_caught(call: Call) -> ClearedShape:
    """Everything that this key may see is listed no more."""
    reached = await call.reached()
    cleared = await call.house.db.transact(lambda tx: caught.clear(tx, call.tenant_id, reached), lengthy=True)
    return ClearedShape(cleared=cleared)


def _check_key(call: Call) -> None:
    """Raise Problem (403) for a live key: its events tell of what has happened."""
    if call.caller.mode != "test":
        raise Problem(403, "insufficient_scope", "Events are raised by test keys (ph_test_…) alone.")


async def _wanted(call: Call, body: NewTestEvent) -> Wanted:
    kind = raising.kind_named(body.kind)
    if kind is None:
        why = f"no event is called {body.kind}"
        raise Problem(422, "invalid_event", why, errors=[FieldError("$.kind", why)])
    if body.recipient is not None:
        try:
            parse_address(body.recipient)
        except InvalidAddress as error:
            raise invalid("$.recipient", str(error)) from error
    inbox = body.inbox or call.caller.only_inbox
    if inbox is None and call.caller.reach is not None:
        raise invalid("$.inbox", "is missing: this key is for some inboxes alone")
    mailbox_id = (await call.mailbox(inbox)).id if inbox else None
    return Wanted(kind, mailbox_id, body.message_id, body.recipient, body.data)


async def _find(call: Call) -> Caught:
    id_ = call.path["caught"]
    found = await caught.find(call.house.db, call.tenant_id, id_, await call.reached())
    if found is None:
        raise NotFound(f"nothing caught is called {id_}")
    return found


async def _body_of(call: Call, found: Caught) -> Octets | None:
    """The body, which is the message's own; None once it is forgotten."""
    loaded = await spool.load(call.house.db, found.message_id)
    if loaded is None or loaded[1].is_purged:
        return None
    message, stored = loaded
    data, file = await call.house.station.shelf.open(stored.body, stored.body_file)
    return Octets(data=data, file=file, size=message.body_size)


async def _parsed(call: Call, found: Caught) -> Parsed | None:
    body = await _body_of(call, found)
    if body is None:
        return None
    try:
        return await call.house.bench.ask(
            Parse(found.header, body.data, str(body.file) if body.file else None)
        )
    except ReadingFailed:
        return None


def _fields(header: bytes) -> tuple[tuple[str, str], ...]:
    try:
        fields = Header.parse(header).fields
    except MalformedHeader:
        return ()
    return tuple((each.name_lower, storable(each.value)) for each in fields)


_BASIC = (*("id", "message_id", "inbox_id", "caught_at", "reverse_path", "recipients", "subject", "size"),)


def _shape(found: Caught) -> CaughtShape:
    return CaughtShape(
        id=found.id,
        message_id=found.message_id,
        inbox_id=found.mailbox_id,
        caught_at=found.at,
        reverse_path=found.reverse_path,
        recipients=found.recipients,
        subject=found.subject,
        size=found.size,
    )


def _event_shape(raised: Raised) -> EventShape:
    return EventShape(
        id=raised.id,
        kind=raised.kind.value,
        at=raised.at,
        inbox_id=raised.mailbox_id,
        message_id=raised.message_id,
        data=listing.readable(raised.data),
        test=True,
    )


_CAUGHT: dict[str, Any] = {
    "id": "cat_01hw3k9v8g2e4r6t8y0a2s4d",
    "message_id": "msg_01hw3k9v8g2e4r6t8y0a2s4d",
    "inbox_id": "inb_01hw3k9v8g2e4r6t8y0a2s4d",
    "caught_at": "2026-03-02T09:00:03.120000Z",
    "reverse_path": "b+01hw3k9v8g2e4r6t8y0a2s4d7c2m9k4x0v1z5b8n3q6j@bounces.ours.example",
    "recipients": ["complain@simulator.test"],
    "subject": "Your order",
    "size": 2048,
}
_ONE = "/v1/test/emails/{caught}"

OPERATIONS = (
    Operation(
        "POST",
        "/v1/test/events",
        "test:write",
        "Raise an event for trial",
        raise_test_event,
        body=NewTestEvent,
        answer=EventShape,
        status=201,
        example={"kind": "message.clicked", "recipient": "ann@far.example"},
        answers={
            "id": "evt_01hw3k9v8g2e4r6t8y0a2s4d",
            "kind": "message.clicked",
            "at": "2026-03-02T09:00:03.120000Z",
            "inbox_id": None,
            "message_id": "msg_01hw3k9v8g2e4r6t8y0a2s4d",
            "data": {"recipient": "ann@far.example", "url": "https://shop.example/orders/7"},
            "test": True,
        },
        errors=("not_found", "invalid_event"),
        description=(
            "It stands in the log marked as a test, with the data that such an event has, and is posted to"
            " the webhooks of test keys. Nothing else changes, and no message either."
        ),
    ),
    Operation(
        "GET",
        "/v1/test/emails",
        "test:read",
        "List the test mail that was caught",
        list_caught,
        query=ListCaught,
        answer=Page[CaughtShape],
        answers={"data": [_CAUGHT], "has_more": False, "next_cursor": None},
        description="Each is one SMTP transaction, as a far server would have had it. Kept for 30 days.",
    ),
    Operation(
        "DELETE",
        "/v1/test/emails",
        "test:write",
        "Clear what was caught",
        clear_caught,
        answer=ClearedShape,
        answers={"cleared": 3},
    ),
    Operation(
        "GET",
        _ONE,
        "test:read",
        "One message that was caught, as its reader sees it",
        get_caught,
        answer=CaughtShape,
        answers={
            **_CAUGHT,
            "headers": [["subject", "Your order"]],
            "text": "Shall we say Tuesday?",
            "html": "<p>Shall we say <b>Tuesday</b>?</p>",
            "attachments": [],
        },
        errors=("not_found",),
    ),
    Operation(
        "GET",
        f"{_ONE}/raw",
        "test:read",
        "The octets that came over the wire",
        get_caught_raw,
        media_type="message/rfc822",
        answers="DKIM-Signature: …\r\nReceived: from …\r\n…",
        errors=("not_found",),
    ),
    Operation(
        "DELETE",
        _ONE,
        "test:write",
        "Clear one message that was caught",
        delete_caught,
        status=204,
        errors=("not_found",),
    ),
)
