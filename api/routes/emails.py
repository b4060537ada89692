"""Emails: what is sent, by whichever inbox; looked at, given another time, or taken back in time."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, field

from api.call import Call
from api.mail import examples
from api.mail.emails import EmailShape, NewEmail, PatchEmail, email_shape
from api.mail.finding import address_key, instant, number_of, place_of
from api.mail.preparing import instant_of, prepare
from api.mail.sending import HELD, send
from api.mail.shapes import MessageShape
from api.mail.showing import show, show_many
from api.operations import Operation, Reply
from api.paging import Paged, make_cursor
from api.problems import invalid
from api.routes.sending import ERRORS
from api.shapes import Page
from inbound.letters import listing, records
from inbound.letters.letter import Letter
from inbound.letters.listing import Wanted
from relay.errors import NotFound
from relay.events import log
from relay.events.log import Event
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from relay.spool import records as spool
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.submission.scheduled import reschedule, take_back, those_that_wait

Change = Callable[[Transaction, Message, list[QueuedRecipient]], Awaitable[None]]


class ListEmails(Paged, frozen=True):
    """Which emails; what is left out does not narrow it. `status` is that of any of the recipients."""

    status: State | None = None
    tag: Annotated[str, Meta(max_length=513)] | None = None
    inbox: Annotated[str, Meta(max_length=400, description="id or address")] | None = None
    sender: Annotated[str, Meta(max_length=320, description="the author's address")] | None = field(
        default=None, name="from"
    )
    to: Annotated[str, Meta(min_length=1, max_length=320)] | None = None
    since: datetime | None = None
    until: datetime | None = None


async def send_email(call: Call, body: NewEmail) -> MessageShape | Reply:
    """The email, taken on and on disk; or, rehearsed, what would have been done.

    Without events and rehearsal an email is said as a message is.
    """
    call.once.name(body.idempotency_key)
    outgoing = await prepare(call, body)
    if body.dry_run:
        decided: list[Event] = []
        shape = await send(call, outgoing, rehearsal=decided)
        return Reply(email_shape(shape, events=decided, dry_run=True), status=200)
    return await send(call, outgoing)


async def list_emails(call: Call, query: ListEmails) -> Page[EmailShape]:
    """Emails without their texts, newest first."""
    mailbox_id = call.caller.only_inbox
    if query.inbox is not None:
        mailbox_id = (await call.mailbox(query.inbox)).id
    wanted = _wanted(call, query, mailbox_id, None if mailbox_id else await call.reached())
    found = await listing.find(call.house.db, wanted)
    shown = found[: query.limit]
    more = len(found) > query.limit
    return Page(
        data=[email_shape(shape) for shape in await show_many(call.house.db, shown)],
        has_more=more,
        next_cursor=make_cursor(place_of(shown[-1])) if more else None,
    )


async def get_email(call: Call) -> EmailShape:
    """The email with what became of it."""
    letter = await _letter(call)
    events = await log.of_message(call.house.db, letter.message_id)
    return email_shape(await show(call.house.db, letter), events=events)


async def reschedule_email(call: Call, body: PatchEmail) -> EmailShape:
    """The email as it is scheduled now."""
    clock, caps = call.house.clock, call.house.booking.caps
    letter = await _letter(call)
    if body.send_at is None and body.send_at_local is None:
        raise invalid("$.send_at", "is missing: when is it to be sent?")
    when = instant_of(call, body.send_at, body.send_at_local, body.timezone) or clock.now()
    mailbox = await call.mailbox(letter.mailbox_id)

    async def work(tx: Transaction, message: Message, waiting: list[QueuedRecipient]) -> None:
        await reschedule(tx, clock, caps, mailbox, message, waiting, when)

    await _change(call, letter, work)
    call.house.station.bell.ring()
    return await get_email(call)


async def cancel_email(call: Call) -> EmailShape:
    """The email, taken back; its allowance returns."""

    async def work(tx: Transaction, message: Message, waiting: list[QueuedRecipient]) -> None:
        await take_back(tx, call.house.clock, waiting, {"by": "api", "key": call.caller.key.id})

    await _change(call, await _letter(call), work)
    return await get_email(call)


async def _change(call: Call, letter: Letter, change: Change) -> None:
    """Do this to what is still scheduled; raises NotFound, NotScheduled (409)."""

    async def work(tx: Transaction) -> None:
        message = await spool.find(tx, letter.message_id)
        if message is None or message.is_test != (call.caller.mode == "test"):
            raise NotFound(f"no email {letter.message_id}")
        await change(tx, message, those_that_wait(await queue.of_message(tx, message.id)))

    await call.house.db.transact(work)
    call.house.watch.nudge()


async def _letter(call: Call) -> Letter:
    """What the path names, if the caller may see it; raises NotFound."""
    letter = await records.find(call.house.db, call.path["email"])
    if (
        letter is None
        or letter.direction != "out"
        or letter.tenant_id != call.tenant_id
        or not await call.may_see(letter.mailbox_id)
    ):
        raise NotFound(f"no email {call.path['email']}")
    return letter


def _wanted(
    call: Call, query: ListEmails, mailbox_id: str | None, mailbox_ids: tuple[str, ...] | None
) -> Wanted:
    return Wanted(
        tenant_id=call.tenant_id,
        mailbox_id=mailbox_id,
        mailbox_ids=mailbox_ids,
        direction="out",
        sender=address_key(query.sender, "?from"),
        recipient=query.to,
        tag=query.tag,
        status=query.status,
        since=instant(query.since, "?since"),
        until=instant(query.until, "?until"),
        before=number_of(query.before),
        limit=query.limit + 1,
    )


_SENT: dict[str, Any] = examples.SENT
_SCHEDULED: dict[str, Any] = {**_SENT, "status": "scheduled", "send_at": "2026-11-25T08:00:00Z"}
_NEW = {
    "from": "Shop <shop@ours.example>",
    "to": ["bob@far.example", {"email": "carol@far.example", "name": "Carol"}],
    "subject": "Your order",
    "html": "<p>Shall we say <b>Tuesday</b>?</p>",
    "tags": {"kind": "order"},
    "send_at_local": "2026-11-25T09:00",
    "timezone": "Europe/Berlin",
}

OPERATIONS = (
    Operation(
        "POST",
        "/v1/emails",
        "messages:send",
        "Send an email",
        send_email,
        body=NewEmail,
        answer=EmailShape,
        status=201,
        also=(200, HELD),
        example=_NEW,
        answers=_SCHEDULED,
        errors=ERRORS,
        asks_itself=True,
        description="201 means that it is on disk, 202 that it waits there to be approved. A rehearsal"
        " (`dry_run`) is answered 200.",
    ),
    Operation(
        "GET",
        "/v1/emails",
        "messages:read",
        "List emails",
        list_emails,
        query=ListEmails,
        answer=Page[EmailShape],
        answers=examples.paged(examples.SENT),
        errors=("not_found",),
    ),
    Operation(
        "GET",
        "/v1/emails/{email}",
        "messages:read",
        "One email, and what became of it",
        get_email,
        answer=EmailShape,
        answers=_SENT,
        errors=("not_found",),
    ),
    Operation(
        "PATCH",
        "/v1/emails/{email}",
        "messages:send",
        "Give a scheduled email another time",
        reschedule_email,
        body=PatchEmail,
        answer=EmailShape,
        example={"send_at": "2026-11-26T08:00:00Z"},
        answers=_SCHEDULED,
        errors=("not_found", "not_scheduled", "mailbox_cap_reached", "warmup_cap_reached"),
    ),
    Operation(
        "DELETE",
        "/v1/emails/{email}",
        "messages:send",
        "Take a scheduled email back",
        cancel_email,
        answer=EmailShape,
        answers={**_SCHEDULED, "status": "canceled"},
        errors=("not_found", "not_scheduled"),
    ),
)
