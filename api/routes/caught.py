"""The mail that the sandbox of test keys has caught: as its reader sees it, and as it came over the wire."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from api.call import Call
from api.mail.shapes import AttachmentShape
from api.operations import Operation, Reply
from api.paging import Paged, page
from api.routes.raw import download_headers
from api.shapes import Page, Shape
from inbound.reading.bench import ReadingFailed
from inbound.reading.parsed import Parsed
from inbound.reading.tasks import Parse
from relay.errors import NotFound
from relay.message.content import Body
from relay.message.headers import Header, MalformedHeader
from relay.sandbox import caught
from relay.sandbox.caught import Caught
from relay.spool import records as spool
from relay.store.text import storable


class ListCaught(Paged, frozen=True):
    """All, or what was caught of one message."""

    message: Annotated[str, Meta(max_length=100)] | None = None


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


async def _find(call: Call) -> Caught:
    id_ = call.path["caught"]
    found = await caught.find(call.house.db, call.tenant_id, id_, await call.reached())
    if found is None:
        raise NotFound(f"nothing caught is called {id_}")
    return found


async def _body_of(call: Call, found: Caught) -> Body | None:
    """The body, which is the message's own; None once it is forgotten."""
    loaded = await spool.load(call.house.db, found.message_id)
    if loaded is None or loaded[1].is_purged:
        return None
    message, stored = loaded
    data, file = await call.house.station.shelf.open(stored.body, stored.body_file)
    return Body(data=data, file=file, size=message.body_size)


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
