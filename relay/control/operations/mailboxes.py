"""Mailboxes: add, list, show, set, remove; the password is told once."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from relay.clock import from_us
from relay.config import WarmupPlan
from relay.control.context import Context
from relay.control.registry import Arguments, Nothing, operation
from relay.estate import mailboxes as estate
from relay.estate.mailboxes import MailboxView, Password
from relay.policy.caps import Standing
from relay.spool import records as spool
from relay.tenants import mailboxes
from relay.tenants.guards import GuardChanges, merged
from relay.tenants.mailbox_changes import MailboxChanges, NewMailbox
from relay.tenants.mailboxes import Mailbox, MailboxStatus

RECEIVED_SHOWN = 10
PAGE = 200


class AddMailbox(Arguments, frozen=True):
    """`warmup` is a plan as people write it; without a `password` we make one."""

    address: str
    name: str = ""
    daily_cap: int | None = None
    warmup: str | None = None
    senders: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    pool: str | None = None
    fix_line_ends: bool = True
    signed_replies: bool = False
    password: str | None = None


class NamedMailbox(Arguments, frozen=True):
    """By address or id."""

    mailbox: str


class SetMailbox(Arguments, frozen=True):
    """What is not given stays; None takes the mailbox's own cap, plan or pool away."""

    mailbox: str
    name: str | UnsetType = UNSET
    daily_cap: int | UnsetType | None = UNSET
    warmup: str | UnsetType | None = UNSET
    senders: tuple[str, ...] | UnsetType = UNSET
    aliases: tuple[str, ...] | UnsetType = UNSET
    pool: str | UnsetType | None = UNSET
    status: MailboxStatus | UnsetType = UNSET
    fix_line_ends: bool | UnsetType = UNSET
    signed_replies: bool | UnsetType = UNSET
    guards: GuardChanges | UnsetType | None = UNSET
    new_password: bool = False
    password: str | None = None


@operation("mailbox.add", AddMailbox)
async def add(context: Context, wanted: AddMailbox) -> dict[str, Any]:
    """The new mailbox with `smtp_password` (None when it was chosen). Raises as `mailbox_changes.add`."""
    plan, plan_name = _plan(context, wanted.warmup)
    new = NewMailbox(
        address=wanted.address,
        name=wanted.name,
        daily_cap=wanted.daily_cap,
        warmup=plan,
        warmup_name=plan_name,
        senders=wanted.senders,
        aliases=wanted.aliases,
        pool=wanted.pool,
        fix_line_ends=wanted.fix_line_ends,
        signed_replies=wanted.signed_replies,
    )
    password = await _password(context, wanted.password)
    work = estate.adding(context.station, context.tenant_id, new, password)
    view = await context.station.directory.change(work)
    return {**as_dict(view), "smtp_password": view.smtp_password}


@operation("mailbox.list", Nothing)
async def list_mailboxes(context: Context, _: Nothing) -> list[dict[str, Any]]:
    """Every mailbox, newest first."""
    found: list[dict[str, Any]] = []
    page = await mailboxes.list_of_tenant(context.db, context.tenant_id, limit=PAGE)
    while page:
        found += [await describe(context, mailbox) for mailbox in page]
        page = await mailboxes.list_of_tenant(
            context.db, context.tenant_id, limit=PAGE, before_id=page[-1].id
        )
    return found


@operation("mailbox.show", NamedMailbox)
async def show(context: Context, wanted: NamedMailbox) -> dict[str, Any]:
    """One mailbox, with what it received last. Raises NotFound."""
    mailbox = await get(context, wanted.mailbox)
    received = await spool.received_by(context.db, mailbox.id, RECEIVED_SHOWN)
    shown = [
        {
            "id": message.id,
            "from": message.header_from,
            "subject": message.subject,
            "size": message.size,
            "created_at": from_us(message.created_at),
        }
        for message in received
    ]
    return {**await describe(context, mailbox), "received": shown}


@operation("mailbox.set", SetMailbox)
async def change(context: Context, wanted: SetMailbox) -> dict[str, Any]:
    """The changed mailbox, with `smtp_password` if a new one was asked for. All of it or nothing."""
    mailbox = await get(context, wanted.mailbox)
    renews = wanted.new_password or wanted.password is not None
    password = await _password(context, wanted.password) if renews else Password()
    work = estate.changing(context.station, mailbox, _changes(context, mailbox, wanted), password)
    view = await context.station.directory.change(work)
    return {**as_dict(view), "smtp_password": view.smtp_password} if renews else as_dict(view)


@operation("mailbox.remove", NamedMailbox)
async def remove(context: Context, wanted: NamedMailbox) -> dict[str, Any]:
    """The mailbox is gone; mail that it has sent and received stays, and what waits still goes out."""
    removed = await estate.remove(context.station, await get(context, wanted.mailbox))
    mailbox = removed.mailbox
    return {"id": mailbox.id, "address": str(mailbox.address), "removed": True, "waiting": removed.waiting}


async def get(context: Context, address_or_id: str) -> Mailbox:
    return await mailboxes.get(context.db, context.tenant_id, address_or_id)


async def describe(context: Context, mailbox: Mailbox) -> dict[str, Any]:
    """A mailbox with today's standing, as JSON says it."""
    return as_dict(await estate.describe(context.station, context.db, mailbox))


def as_dict(view: MailboxView) -> dict[str, Any]:
    """`daily_cap` is the one in force, `cap` what today allows."""
    mailbox, standing = view.mailbox, view.standing
    return {
        "id": mailbox.id,
        "address": str(mailbox.address),
        "name": mailbox.name,
        "daily_cap": standing.daily_cap,
        "cap": standing.cap,
        "used_today": standing.used,
        "left": standing.left,
        "resets_at": standing.resets_at,
        "warmup": _warmup(mailbox, standing),
        "next_step": _next_step(standing),
        "senders": [str(pattern) for pattern in mailbox.senders],
        "aliases": [str(alias) for alias in mailbox.aliases],
        "pool": mailbox.pool,
        "status": mailbox.status.value,
        "fix_line_ends": mailbox.fix_line_ends,
        "signed_replies": mailbox.signed_replies,
        "guards": msgspec.structs.asdict(mailbox.guards) if mailbox.guards else None,
        "domain_verified": view.domain_verified,
        "created_at": mailbox.created_at,
    }


def _warmup(mailbox: Mailbox, standing: Standing) -> dict[str, Any] | None:
    if mailbox.warmup is None or standing.step is None:
        return None
    return {
        "plan": mailbox.warmup.name,
        "since": from_us(mailbox.warmup.since),
        "step": standing.step.number,
        "cap": standing.step.cap,
        "schedule": msgspec.to_builtins(mailbox.warmup.plan),
    }


def _next_step(standing: Standing) -> dict[str, Any] | None:
    """The step after today's, None where nothing grows any more."""
    step = standing.step
    if step is None or step.next_cap is None:
        return None
    return {"step": step.number + 1, "cap": min(step.next_cap, standing.daily_cap)}


def _changes(context: Context, mailbox: Mailbox, wanted: SetMailbox) -> MailboxChanges:
    given = {name: getattr(wanted, name) for name in estate.CHANGEABLE}
    if isinstance(wanted.warmup, str):
        given["warmup"], given["warmup_name"] = _plan(context, wanted.warmup)
    if isinstance(wanted.guards, GuardChanges):
        given["guards"] = merged(mailbox.guards, wanted.guards)
    return MailboxChanges(**given)


def _plan(context: Context, text: str | None) -> tuple[WarmupPlan | None, str | None]:
    return (None, None) if text is None else estate.read_plan(context.station, text)


async def _password(context: Context, chosen: str | None) -> Password:
    if chosen is None:
        return estate.made_password()
    return await estate.chosen_password(context.station, chosen)
