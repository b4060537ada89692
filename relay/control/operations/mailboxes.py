"""Mailboxes: add, list, show, set, remove; the password is told once.

A password that somebody chose is hashed off the loop; one that we make is
part of the answer and stands nowhere else.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from relay.clock import from_us
from relay.config import WarmupPlan
from relay.config.warmup import PLANS
from relay.control.context import Context
from relay.control.registry import Arguments, Nothing, operation
from relay.policy import caps as allowance
from relay.policy.caps import Caps, Standing
from relay.policy.warmup import parse_plan
from relay.queue import listing
from relay.spool import records as spool
from relay.store.database import Transaction
from relay.tenants import mailbox_changes, mailboxes, passwords
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
    new_password: bool = False
    password: str | None = None


@operation("mailbox.add", AddMailbox)
async def add(context: Context, wanted: AddMailbox) -> dict[str, Any]:
    """The new mailbox with `smtp_password` (None when it was chosen). Raises as `mailbox_changes.add`."""
    secret, hashed = await _password(context, wanted.password)
    new = NewMailbox(
        address=wanted.address,
        name=wanted.name,
        daily_cap=wanted.daily_cap,
        warmup=None if wanted.warmup is None else _plan(context, wanted.warmup),
        warmup_name=_plan_name(context, wanted.warmup),
        senders=wanted.senders,
        aliases=wanted.aliases,
        pool=wanted.pool,
        fix_line_ends=wanted.fix_line_ends,
    )
    mailbox = await context.station.directory.change(
        lambda tx: mailbox_changes.add(tx, context.clock, context.tenant_id, new, hashed)
    )
    return {**await describe(context, mailbox), "smtp_password": secret}


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
    changes = _changes(context, wanted)
    renews = wanted.new_password or wanted.password is not None
    secret, hashed = await _password(context, wanted.password) if renews else (None, None)

    async def work(tx: Transaction) -> Mailbox:
        if hashed is not None:
            await mailbox_changes.set_password_hash(tx, context.clock, mailbox, hashed)
        if not any(getattr(changes, name) is not UNSET for name in _CHANGEABLE):
            return mailbox
        return await mailbox_changes.update(tx, context.clock, mailbox.tenant_id, mailbox.id, changes)

    described = await describe(context, await context.station.directory.change(work))
    return {**described, "smtp_password": secret} if renews else described


@operation("mailbox.remove", NamedMailbox)
async def remove(context: Context, wanted: NamedMailbox) -> dict[str, Any]:
    """The mailbox is gone; mail that it has sent and received stays, and what waits still goes out."""
    mailbox = await get(context, wanted.mailbox)
    waiting = await listing.count_waiting(context.db, mailbox.id)

    async def work(tx: Transaction) -> None:
        await allowance.forget(tx, mailbox.id)
        await mailbox_changes.remove(tx, context.clock, mailbox)

    await context.station.directory.change(work)
    return {"id": mailbox.id, "address": str(mailbox.address), "removed": True, "waiting": waiting}


async def get(context: Context, address_or_id: str) -> Mailbox:
    return await mailboxes.get(context.db, context.tenant_id, address_or_id)


async def describe(context: Context, mailbox: Mailbox) -> dict[str, Any]:
    """A mailbox with today's standing. `daily_cap` is the one in force, `cap` what today allows."""
    policy = context.station.config.policy
    caps = Caps(context.clock, policy.default_daily_cap, policy.cap_timezone)
    standing = await caps.standing(context.db, mailbox)
    domain = await context.station.directory.domain(mailbox.address.domain)
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
        "domain_verified": domain is not None and domain.is_verified,
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


_CHANGEABLE = ("name", "daily_cap", "warmup", "senders", "aliases", "pool", "status", "fix_line_ends")


def _changes(context: Context, wanted: SetMailbox) -> MailboxChanges:
    given = {name: getattr(wanted, name) for name in _CHANGEABLE}
    if isinstance(wanted.warmup, str):
        given["warmup"] = _plan(context, wanted.warmup)
        given["warmup_name"] = _plan_name(context, wanted.warmup)
    return MailboxChanges(**given)


def _plan(context: Context, text: str) -> WarmupPlan:
    return parse_plan(text, context.station.config.policy.warmup)


def _plan_name(context: Context, text: str | None) -> str | None:
    """The name, where the plan was named and not spelled out."""
    known = {**PLANS, **context.station.config.policy.warmup}
    return text.strip() if text is not None and text.strip() in known else None


async def _password(context: Context, chosen: str | None) -> tuple[str | None, str]:
    """What to tell, and what to keep."""
    if chosen is not None:
        return None, await context.station.directory.passwords.hash_chosen(chosen)
    made = passwords.make_password()
    return made, passwords.hash_made(made)
