"""What a program may ask to have sent by whichever inbox is its sender's, and how that is shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from msgspec import UNSET, Meta, UnsetType

from api.call import Call
from api.mail.outgoing import check_send_at
from api.mail.people import person_of
from api.mail.shapes import MessageShape
from api.mail.wishes import NewMessage, Word
from api.problems import Problem, invalid
from api.shapes import Body, Shape
from api.tenant_wide import check_tenant_wide
from relay.address import parse_address
from relay.errors import NotFound
from relay.events.log import Event
from relay.policy.caps import DailyCapReached
from relay.submission.booking import NoMailboxAvailable
from relay.tenants import mailboxes
from relay.tenants.mailboxes import Mailbox

LocalTime = Annotated[str, Meta(max_length=32, description="2026-11-25T09:00, in `timezone`")]
ZoneName = Annotated[str, Meta(max_length=64, description="Europe/Berlin")]


class NewEmail(NewMessage, kw_only=True, frozen=True):
    """A message by the inbox of its `from`, by `inbox_id`, or by whichever of a `pool` has most left.

    With `dry_run` everything is decided, and nothing sent or kept.
    `send_at_local` with `timezone` is `send_at` by the clocks of a place.
    """

    inbox_id: Word | None = None
    send_at_local: LocalTime | None = None
    timezone: ZoneName | None = None
    dry_run: bool = False


class PatchEmail(Body, kw_only=True, frozen=True):
    """Another time for what is still scheduled; one that has come already sends it now."""

    send_at: datetime | None = None
    send_at_local: LocalTime | None = None
    timezone: ZoneName | None = None


class EmailEvent(Shape, kw_only=True, frozen=True):
    """One thing that happened to it; `recipient` where it happened to one of several."""

    id: str
    kind: str
    at: datetime
    recipient: str | None
    data: dict[str, Any]


class EmailShape(MessageShape, kw_only=True, frozen=True):
    """A message that was sent. `events` are told in the answer about one alone, oldest first."""

    events: tuple[EmailEvent, ...] | UnsetType = UNSET
    dry_run: bool | UnsetType = UNSET


def email_shape(
    shape: MessageShape, *, events: Sequence[Event] | None = None, dry_run: bool = False
) -> EmailShape:
    """The message as an email."""
    return EmailShape(
        **{name: getattr(shape, name) for name in MessageShape.__struct_fields__},
        events=UNSET if events is None else tuple(map(_event, events)),
        dry_run=dry_run or UNSET,
    )


async def sender_of(call: Call, wish: NewEmail) -> Mailbox:
    """The inbox that sends it; raises NotFound, Problem (403, 422), NoMailboxAvailable."""
    if wish.inbox_id is not None:
        return await call.mailbox(wish.inbox_id)
    if wish.sender is not None:
        return await _owner_of(call, person_of(wish.sender, "$.from").address)
    if call.caller.mailbox_id is not None:
        return await call.mailbox(call.caller.mailbox_id)
    if wish.pool is not None:
        return await _of_pool(call, wish.pool)
    raise invalid("$.from", "names nobody; a message has a from, an inbox_id or a pool")


def instant_of(
    call: Call, send_at: datetime | None, local: str | None, timezone: str | None
) -> datetime | None:
    """When it is wanted, however that was said; None for now. Raises Problem (422)."""
    if local is None:
        if timezone is not None:
            raise invalid("$.timezone", "goes with send_at_local")
        return check_send_at(send_at, call.house.clock.now())
    if send_at is not None:
        raise invalid("$.send_at_local", "is said twice: there is a send_at too")
    if timezone is None:
        raise invalid("$.timezone", "is missing: whose clocks does send_at_local mean?")
    return check_send_at(_read_local(local).replace(tzinfo=_zone(timezone)), call.house.clock.now())


async def _owner_of(call: Call, address: str) -> Mailbox:
    found = await call.house.station.directory.sender_mailbox(parse_address(address))
    try:
        if found is None:
            raise NotFound(address)
        call.may_use(found)
    except NotFound:
        raise Problem(403, "sender_not_allowed", f"No inbox of yours may write from {address}.") from None
    return found


async def _of_pool(call: Call, pool: str) -> Mailbox:
    check_tenant_wide(call)
    caps, db = call.house.booking.caps, call.house.db
    found = await caps.pick_from_pool(db, call.tenant_id, pool, 1, caps.today())
    if found is not None:
        return found
    members = await mailboxes.of_pool(db, call.tenant_id, pool)
    if not members:
        raise invalid("$.pool", "no inbox belongs to this pool")
    standing = await caps.standing(db, members[0])
    raise NoMailboxAvailable(pool, DailyCapReached.of(members[0], standing, 1))


def _read_local(text: str) -> datetime:
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise invalid("$.send_at_local", "is no time such as 2026-11-25T09:00") from None
    if local.tzinfo is not None:
        raise invalid("$.send_at_local", "has a time zone; timezone says which")
    return local


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # by where it was looked for
        raise invalid("$.timezone", "is no time zone such as Europe/Berlin") from None


def _event(event: Event) -> EmailEvent:
    recipient = event.data.get("recipient")
    return EmailEvent(
        id=event.id,
        kind=event.kind,
        at=event.at,
        recipient=recipient if isinstance(recipient, str) else None,
        data=event.data,
    )
