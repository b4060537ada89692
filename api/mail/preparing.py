"""From what a program asks for to what is composed: whose mail it is, what it says, when it goes."""

from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from api.call import Call
from api.mail.branding import brand_of, branded, under_brand
from api.mail.composing import in_plain
from api.mail.emails import NewEmail
from api.mail.footers import with_footer
from api.mail.merging import rendered
from api.mail.outgoing import Outgoing, check_send_at, new_message
from api.mail.people import person_of
from api.mail.tracking import with_marks
from api.problems import Problem, invalid
from api.tenant_wide import check_tenant_wide
from relay.address import parse_address
from relay.errors import NotFound
from relay.policy.caps import DailyCapReached
from relay.submission.booking import NoMailboxAvailable
from relay.tenants import mailboxes
from relay.tenants.mailboxes import Mailbox


async def prepare(call: Call, wish: NewEmail) -> Outgoing:
    """The message that the wish asks for; raises NotFound, Problem (403, 422, 501), NoMailboxAvailable."""
    brand = await brand_of(call, wish)
    wish = under_brand(call, wish, brand)
    mailbox = await sender_of(call, wish)
    wish = await rendered(call, wish)
    outgoing = branded(call, wish, new_message(call, mailbox, wish), brand)
    outgoing = await _with_text(call, outgoing)
    outgoing = _of_its_template(outgoing, wish)
    outgoing = await with_footer(call, outgoing, wish, brand)
    outgoing = await with_marks(call, outgoing, wish)
    return _at_its_time(call, outgoing, wish)


async def sender_of(call: Call, wish: NewEmail) -> Mailbox:
    """The inbox that sends it; raises NotFound, Problem (403, 422), NoMailboxAvailable."""
    if wish.inbox_id is not None:
        return await call.mailbox(wish.inbox_id)
    if wish.sender is not None:
        return await _owner_of(call, person_of(wish.sender, "$.from").address)
    if call.caller.only_inbox is not None:
        return await call.mailbox(call.caller.only_inbox)
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


async def _with_text(call: Call, outgoing: Outgoing) -> Outgoing:
    """HTML alone gets the text that its readers without HTML see."""
    if outgoing.text is not None or outgoing.html is None:
        return outgoing
    text = await in_plain(call.house, outgoing.html)
    return replace(outgoing, text=text, new_text=text)


def _of_its_template(outgoing: Outgoing, wish: NewEmail) -> Outgoing:
    if wish.template is None:
        return outgoing
    return replace(outgoing, wishes=replace(outgoing.wishes, template_id=wish.template))


def _at_its_time(call: Call, outgoing: Outgoing, wish: NewEmail) -> Outgoing:
    if wish.send_at_local is None and wish.timezone is None:  # else it has its time already
        return outgoing
    when = instant_of(call, wish.send_at, wish.send_at_local, wish.timezone)
    return replace(outgoing, wishes=replace(outgoing.wishes, send_at=when))
