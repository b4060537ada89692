"""Inboxes: make one from an address or only a name, see what it may still send today, change, remove."""

from dataclasses import replace
from typing import Any

from msgspec import UNSET

from api.call import Call
from api.operations import Operation
from api.paging import Paged, page
from api.problems import invalid
from api.routes.inbox_shapes import INBOX_EXAMPLE, InboxChanges, InboxShape, NewInbox, inbox_shape
from api.shapes import Page
from api.tenant_wide import check_tenant_wide, check_unguarded
from relay.config import WarmupPlan
from relay.errors import InvalidInput
from relay.estate import mailboxes as estate
from relay.estate.mailboxes import MailboxView, Password
from relay.tenants import mailboxes
from relay.tenants.mailbox_changes import MailboxChanges, NewMailbox
from relay.tenants.mailboxes import MailboxStatus


async def create_inbox(call: Call, body: NewInbox) -> InboxShape:
    """The new inbox; `smtp_password` is told this once, and not to a replay."""
    check_tenant_wide(call)
    if body.address is not None and body.domain is not None:
        raise invalid("$.domain", "stands in the address already")
    if body.smtp_password:
        check_unguarded(call)
    plan, plan_name = (None, None) if body.warmup is None else _plan(call, body.warmup)
    new = NewMailbox(
        address=body.address or "",
        name=body.name,
        daily_cap=body.daily_cap,
        warmup=plan,
        warmup_name=plan_name,
        senders=body.senders,
        aliases=body.aliases,
        pool=body.pool,
        fix_line_ends=body.fix_line_ends,
        signed_replies=body.signed_replies,
    )
    password = estate.made_password() if body.smtp_password else Password()
    work = estate.adding(call.house.station, call.tenant_id, new, password, domain=body.domain)
    return await call.once.run(work, inbox_shape, kept=_kept, through=call.house.directory.change)


async def list_inboxes(call: Call, query: Paged) -> Page[InboxShape]:
    """Those that the key may use: all of the tenant's, or those that it is bound to."""
    house = call.house
    rows = await mailboxes.list_of_tenant(
        house.db,
        call.tenant_id,
        limit=query.limit + 1,
        before_id=query.before,
        among=await call.reached(),
    )
    views = [await estate.describe(house.station, house.db, mailbox) for mailbox in rows]
    return page(views, query.limit, inbox_shape, lambda view: view.mailbox.id)


async def get_inbox(call: Call) -> InboxShape:
    mailbox = await call.mailbox(call.path["inbox"])
    return inbox_shape(await estate.describe(call.house.station, call.house.db, mailbox))


async def change_inbox(call: Call, body: InboxChanges) -> InboxShape:
    """The inbox as it is now: all of the change is made, or nothing."""
    mailbox = await call.mailbox(call.path["inbox"])
    check_tenant_wide(call)
    if body.smtp_password:
        check_unguarded(call)
    password = estate.made_password() if body.smtp_password else Password()
    work = estate.changing(call.house.station, mailbox, _changes(call, body), password)
    return inbox_shape(await call.house.directory.change(work))


async def delete_inbox(call: Call) -> None:
    """It receives nothing more; what it has sent and received stays, and what waits still goes out."""
    mailbox = await call.mailbox(call.path["inbox"])
    check_tenant_wide(call)
    await estate.remove(call.house.station, mailbox)


def _changes(call: Call, body: InboxChanges) -> MailboxChanges:
    given: dict[str, Any] = {
        name: getattr(body, name) for name in estate.CHANGEABLE if name not in ("warmup", "status", "guards")
    }
    if body.status is not UNSET:
        given["status"] = MailboxStatus(body.status)
    if body.warmup is None:
        given["warmup"] = None
    elif body.warmup is not UNSET:
        given["warmup"], given["warmup_name"] = _plan(call, body.warmup)
    return MailboxChanges(**given)


def _plan(call: Call, text: str) -> tuple[WarmupPlan, str | None]:
    try:
        return estate.read_plan(call.house.station, text)
    except InvalidInput as error:
        raise invalid("$.warmup", str(error)) from error


def _kept(view: MailboxView) -> InboxShape:
    """What a replay is answered."""
    return inbox_shape(replace(view, smtp_password=None))


OPERATIONS = (
    Operation(
        "POST",
        "/v1/inboxes",
        "inboxes:write",
        "Make an inbox",
        create_inbox,
        body=NewInbox,
        answer=InboxShape,
        status=201,
        example={"name": "Ann Lee", "warmup": "gentle", "smtp_password": True},
        answers={**INBOX_EXAMPLE, "smtp_password": "k3fz-8w2m-q7tn-5xhd"},
        errors=("not_found", "already_exists", "domain_not_verified"),
        description="At an address, or at one that is made from the name. `smtp_password` is told this once.",
    ),
    Operation(
        "GET",
        "/v1/inboxes",
        "inboxes:read",
        "List the inboxes",
        list_inboxes,
        query=Paged,
        answer=Page[InboxShape],
        answers={"data": [INBOX_EXAMPLE], "has_more": False, "next_cursor": None},
    ),
    Operation(
        "GET",
        "/v1/inboxes/{inbox}",
        "inboxes:read",
        "One inbox",
        get_inbox,
        answer=InboxShape,
        answers=INBOX_EXAMPLE,
        errors=("not_found",),
        description="By id or address.",
    ),
    Operation(
        "PATCH",
        "/v1/inboxes/{inbox}",
        "inboxes:write",
        "Change an inbox",
        change_inbox,
        body=InboxChanges,
        answer=InboxShape,
        example={"status": "paused", "daily_cap": None},
        answers={**INBOX_EXAMPLE, "status": "paused"},
        errors=("not_found", "already_exists"),
        description="An inbox that is paused sends nothing, and still receives.",
    ),
    Operation(
        "DELETE",
        "/v1/inboxes/{inbox}",
        "inboxes:write",
        "Remove an inbox",
        delete_inbox,
        status=204,
        errors=("not_found",),
        description="What it has sent and received stays, what waits still goes out. Its keys stop working.",
    ),
)
