"""Suppressions: the addresses that nobody of the tenant writes to, or not in one stream of mail, and why."""

from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta

from api.call import Call
from api.mail.marks import Stream
from api.operations import Operation
from api.paging import Paged, page
from api.problems import invalid
from api.shapes import Body, Page, Query, Shape
from api.tenant_wide import check_tenant_wide
from relay.address import Address
from relay.errors import InvalidInput, NotFound
from relay.store.database import Transaction
from relay.submission.control_fields import read_stream
from relay.suppressions import records
from relay.suppressions.reasons import SuppressionReason
from relay.suppressions.records import Suppression
from relay.tenants.mailboxes import read_address


class NewSuppression(Body, frozen=True):
    """For good, or until `expires_at`; for all mail, or for that of one `stream`."""

    address: Annotated[str, Meta(min_length=3, max_length=400)]
    reason: SuppressionReason = SuppressionReason.MANUAL
    stream: Stream | None = None
    expires_at: datetime | None = None


class ListSuppressions(Paged, frozen=True):
    """Which entries; what is left out does not narrow it."""

    reason: SuppressionReason | None = None
    stream: Stream | None = None


class OfStream(Query, frozen=True):
    """Beside an address: the entry for one stream, not that for all mail."""

    stream: Stream | None = None


class SuppressionShape(Shape, frozen=True):
    """`stream` is null where it holds for all mail; `source_message_id` is the mail that brought it about."""

    id: str
    address: str
    reason: SuppressionReason
    stream: str | None
    source_message_id: str | None
    created_at: datetime
    expires_at: datetime | None


async def create_suppression(call: Call, body: NewSuppression) -> SuppressionShape:
    """The entry as it stands: one that holds for as long already stays."""
    check_tenant_wide(call)
    address = _read(body.address)
    expires_at = _future(call, body.expires_at)
    stream = stream_named(body.stream)

    async def work(tx: Transaction) -> Suppression:
        await records.add(
            tx,
            call.house.clock,
            tenant_id=call.tenant_id,
            address=address,
            reason=body.reason,
            stream=stream,
            expires_at=expires_at,
        )
        found = await records.find(tx, call.tenant_id, address, stream)
        assert found is not None
        return found

    return await call.once.run(work, _shape)


async def list_suppressions(call: Call, query: ListSuppressions) -> Page[SuppressionShape]:
    """Every entry, also those that have run out."""
    check_tenant_wide(call)
    rows = await records.page(
        call.house.db,
        call.tenant_id,
        limit=query.limit + 1,
        before_id=query.before,
        reason=query.reason,
        stream=query.stream,
    )
    return page(rows, query.limit, _shape, lambda entry: entry.id)


async def get_suppression(call: Call, query: OfStream) -> SuppressionShape:
    check_tenant_wide(call)
    return _shape(await _find(call, query.stream))


async def delete_suppression(call: Call, query: OfStream) -> None:
    """The address may be written to again."""
    check_tenant_wide(call)
    entry = await _find(call, query.stream)
    await call.house.db.transact(
        lambda tx: records.remove(tx, call.house.clock, call.tenant_id, entry.address, entry.stream)
    )


def stream_named(text: str | None) -> str | None:
    """The stream; raises Problem (422) for what can be none."""
    try:
        return None if text is None else read_stream(text)
    except ValueError as error:
        raise invalid("$.stream", str(error)) from error


async def _find(call: Call, stream: str | None) -> Suppression:
    """By id, or by address: the entry for all mail, or for the stream. Raises NotFound."""
    text = call.path["suppression"]
    found = None
    if "@" not in text:
        found = await records.find_by_id(call.house.db, call.tenant_id, text)
    else:
        try:
            found = await records.find(call.house.db, call.tenant_id, read_address(text), stream)
        except InvalidInput:
            found = None
    if found is None:
        raise NotFound(f"{text} is not suppressed")
    return found


def _read(text: str) -> Address:
    try:
        return read_address(text)
    except InvalidInput as error:
        raise invalid("$.address", str(error)) from error


def _future(call: Call, instant: datetime | None) -> datetime | None:
    if instant is None:
        return None
    if instant.tzinfo is None:
        raise invalid("$.expires_at", "needs a time zone: add Z for UTC")
    try:
        instant = instant.astimezone(UTC)
    except OverflowError as error:
        raise invalid("$.expires_at", "is beyond the year 9999") from error
    if instant <= call.house.clock.now():
        raise invalid("$.expires_at", "is not in the future")
    return instant


def _shape(entry: Suppression) -> SuppressionShape:
    return SuppressionShape(
        id=entry.id,
        address=str(entry.address),
        reason=entry.reason,
        stream=entry.stream,
        source_message_id=entry.source_message_id,
        created_at=entry.created_at,
        expires_at=entry.expires_at,
    )


_EXAMPLE: dict[str, Any] = {
    "id": "sup_01hw3k9v8g2e4r6t8y0a2s4d",
    "address": "ann@example.com",
    "reason": "bounce",
    "stream": None,
    "source_message_id": "msg_01hw3k9v8g2e4r6t8y0a2s4d",
    "created_at": "2026-03-02T09:00:00Z",
    "expires_at": None,
}
_ONE = "/v1/suppressions/{suppression}"

OPERATIONS = (
    Operation(
        "POST",
        "/v1/suppressions",
        "suppressions:write",
        "Suppress an address",
        create_suppression,
        body=NewSuppression,
        answer=SuppressionShape,
        status=201,
        example={"address": "ann@example.com"},
        answers={**_EXAMPLE, "reason": "manual", "source_message_id": None},
    ),
    Operation(
        "GET",
        "/v1/suppressions",
        "suppressions:read",
        "List the suppressed addresses",
        list_suppressions,
        query=ListSuppressions,
        answer=Page[SuppressionShape],
        answers={"data": [_EXAMPLE], "has_more": False, "next_cursor": None},
    ),
    Operation(
        "GET",
        _ONE,
        "suppressions:read",
        "One suppressed address",
        get_suppression,
        query=OfStream,
        answer=SuppressionShape,
        answers=_EXAMPLE,
        errors=("not_found",),
        description="By id or address.",
    ),
    Operation(
        "DELETE",
        _ONE,
        "suppressions:write",
        "Let an address be written to again",
        delete_suppression,
        query=OfStream,
        status=204,
        errors=("not_found",),
        description="By id or address.",
    ),
)
