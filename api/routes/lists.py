"""Allow and block lists: to whom inboxes write, and from whom they hear; for the tenant or for one inbox."""

from datetime import datetime
from typing import Annotated, Any, cast

from msgspec import Meta

from api.call import Call
from api.operations import Operation
from api.paging import Paged, page
from api.problems import Problem, invalid
from api.shapes import Body, Page, Query, Shape
from api.tenant_wide import check_tenant_wide
from relay.errors import InvalidInput, NotFound
from relay.lists import Direction, ListEntry, ListType, read_entry, records
from relay.store.database import Transaction

Entry = Annotated[str, Meta(min_length=1, max_length=400, description="an address, or a domain")]
Inbox = Annotated[str, Meta(max_length=400, description="id or address: for this inbox alone")]


class NewEntry(Body, frozen=True):
    """A domain, such as `example.com` or `@example.com`, means those below it too."""

    entry: Entry
    inbox: Inbox | None = None


class Listed(Paged, frozen=True):
    """`inbox`: only what is listed for it alone."""

    inbox: Inbox | None = None


class NamedEntry(Query, frozen=True):
    entry: Entry
    inbox: Inbox | None = None


class EntryShape(Shape, frozen=True):
    """`inbox_id` is null where it holds for every inbox."""

    id: str
    entry: str
    inbox_id: str | None
    created_at: datetime


async def list_entries(call: Call, query: Listed) -> Page[EntryShape]:
    """One list, newest first."""
    direction, type_ = _which(call)
    rows = await records.list_page(
        call.house.db,
        call.tenant_id,
        direction,
        type_,
        mailbox_id=await _mailbox_id(call, query.inbox),
        limit=query.limit + 1,
        before_id=query.before,
    )
    return page(rows, query.limit, _shape, lambda entry: entry.id)


async def add_entry(call: Call, body: NewEntry) -> EntryShape:
    """The entry as it stands; what was listed already stays."""
    direction, type_ = _which(call)
    mailbox_id = await _mailbox_id(call, body.inbox)
    entry = _read(body.entry, "$.entry")

    async def work(tx: Transaction) -> ListEntry:
        found, _ = await records.add(
            tx,
            call.house.clock,
            tenant_id=call.tenant_id,
            direction=direction,
            type=type_,
            entry=entry,
            mailbox_id=mailbox_id,
        )
        return found

    return await call.once.run(work, _shape, through=call.house.station.lists.change)


async def remove_entry(call: Call, query: NamedEntry) -> None:
    """It is on the list no more."""
    direction, type_ = _which(call)
    mailbox_id = await _mailbox_id(call, query.inbox)
    entry = _read(query.entry, "?entry")

    async def work(tx: Transaction) -> bool:
        return await records.remove(
            tx,
            call.house.clock,
            tenant_id=call.tenant_id,
            direction=direction,
            type=type_,
            entry=entry,
            mailbox_id=mailbox_id,
        )

    if not await call.house.station.lists.change(work):
        raise NotFound(f"{entry} is not on this list")


def _which(call: Call) -> tuple[Direction, ListType]:
    direction, type_ = call.path["direction"], call.path["type"]
    if direction not in ("receive", "send") or type_ not in ("allow", "block"):
        raise Problem(404, "not_found", "The lists are receive/allow, receive/block, send/allow, send/block.")
    return cast(Direction, direction), cast(ListType, type_)


async def _mailbox_id(call: Call, inbox: str | None) -> str | None:
    """Whose list is meant; a key of one inbox knows no other than its own."""
    if inbox is not None:
        return (await call.mailbox(inbox)).id
    check_tenant_wide(call)
    return None


def _read(text: str, path: str) -> str:
    try:
        return read_entry(text)
    except InvalidInput as error:
        raise invalid(path, str(error)) from error


def _shape(entry: ListEntry) -> EntryShape:
    return EntryShape(id=entry.id, entry=entry.entry, inbox_id=entry.mailbox_id, created_at=entry.created_at)


_EXAMPLE: dict[str, Any] = {
    "id": "lst_01hw3k9v8g2e4r6t8y0a2s4d",
    "entry": "example.com",
    "inbox_id": None,
    "created_at": "2026-03-02T09:00:00Z",
}
_PATH = "/v1/lists/{direction}/{type}"
_ABOUT = (
    "`send` lists are asked for every recipient, `receive` lists for the author and the reverse path."
    " Block beats allow; where anybody is allowed by name, nobody else is."
)

OPERATIONS = (
    Operation(
        "GET",
        _PATH,
        "lists:read",
        "One allow or block list",
        list_entries,
        query=Listed,
        answer=Page[EntryShape],
        answers={"data": [_EXAMPLE], "has_more": False, "next_cursor": None},
        errors=("not_found",),
        description=_ABOUT,
    ),
    Operation(
        "POST",
        _PATH,
        "lists:write",
        "Put somebody on a list",
        add_entry,
        body=NewEntry,
        answer=EntryShape,
        status=201,
        example={"entry": "@example.com"},
        answers=_EXAMPLE,
        errors=("not_found",),
        description=_ABOUT,
    ),
    Operation(
        "DELETE",
        _PATH,
        "lists:write",
        "Take somebody off a list",
        remove_entry,
        query=NamedEntry,
        status=204,
        errors=("not_found",),
        description="`entry` as it was given or as it is shown; `inbox` where it was listed for one alone.",
    ),
)
