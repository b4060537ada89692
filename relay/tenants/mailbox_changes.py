"""Making, changing and removing mailboxes, each with its event. Writes `mailboxes` and `aliases`.

Whatever a mailbox refers to (its domain, the domains of its aliases and
sender patterns) belongs to the same tenant, or the change is refused.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from relay.address import Address
from relay.clock import Clock, to_us
from relay.config import WarmupPlan
from relay.errors import AlreadyExists, InvalidInput, about
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Reader, Transaction
from relay.tenants import domains, guards, reach
from relay.tenants.guards import Guards
from relay.tenants.mailboxes import (
    COLUMNS,
    Mailbox,
    MailboxStatus,
    Warmup,
    find_by_address,
    get,
    read_address,
)
from relay.tenants.sender_patterns import SenderPattern

MAX_TEXT = 200
MAX_ALIASES = 100
MAX_SENDERS = 100
MAX_CAP = 1_000_000_000


class NewMailbox(msgspec.Struct, frozen=True, kw_only=True):
    """What a mailbox is made from; `add` checks it."""

    address: str
    name: str = ""
    daily_cap: int | None = None
    warmup: WarmupPlan | None = None
    warmup_name: str | None = None
    senders: Sequence[str] = ()
    aliases: Sequence[str] = ()
    pool: str | None = None
    fix_line_ends: bool = True
    signed_replies: bool = False


class MailboxChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What `update` is to change; what is not given stays. A new warm-up plan begins at its first day."""

    name: str | UnsetType = UNSET
    daily_cap: int | UnsetType | None = UNSET
    warmup: WarmupPlan | UnsetType | None = UNSET
    warmup_name: str | None = None
    senders: Sequence[str] | UnsetType = UNSET
    aliases: Sequence[str] | UnsetType = UNSET
    pool: str | UnsetType | None = UNSET
    status: MailboxStatus | UnsetType = UNSET
    fix_line_ends: bool | UnsetType = UNSET
    signed_replies: bool | UnsetType = UNSET
    guards: Guards | UnsetType | None = UNSET


_SETTINGS = tuple(name for name in MailboxChanges.__struct_fields__ if name != "warmup_name")


async def add(
    tx: Transaction, clock: Clock, tenant_id: str, wanted: NewMailbox, password_hash: str | None = None
) -> Mailbox:
    """A new active mailbox. `password_hash` comes from `passwords`; without one nobody can log in.

    Raises InvalidInput, NotFound for a domain that is not the tenant's, and
    AlreadyExists for an address that is a mailbox or an alias already.
    """
    with about("address"):
        address = read_address(wanted.address)
    domain = await domains.get(tx, tenant_id, address.domain)
    await _refuse_taken(tx, address)
    now = clock.now()
    mailbox = Mailbox(
        id=new_id("inb", clock),
        tenant_id=tenant_id,
        domain_id=domain.id,
        address=Address(address.local_part.lower(), address.domain),
        name=_text(wanted.name, "name"),
        daily_cap=_cap(wanted.daily_cap),
        warmup=Warmup(wanted.warmup, to_us(now), wanted.warmup_name) if wanted.warmup else None,
        senders=await _senders(tx, tenant_id, wanted.senders),
        aliases=await _aliases(tx, tenant_id, wanted.aliases),
        pool=_text(wanted.pool or "", "pool") or None,
        status=MailboxStatus.ACTIVE,
        fix_line_ends=wanted.fix_line_ends,
        created_at=now,
        signed_replies=wanted.signed_replies,
    )
    await _insert(tx, mailbox, password_hash)
    await _replace_aliases(tx, mailbox)
    await _tell(tx, clock, EventKind.MAILBOX_CREATED, mailbox, after=mailbox)
    return mailbox


async def update(
    tx: Transaction, clock: Clock, tenant_id: str, address_or_id: str, changes: MailboxChanges
) -> Mailbox:
    """Change what `changes` names; raises NotFound, InvalidInput, or AlreadyExists for an alias."""
    before = await get(tx, tenant_id, address_or_id)
    after = await _changed(tx, clock, before, changes)
    await tx.execute(
        "update mailboxes set name = $1, daily_cap = $2, warmup = $3, senders = $4, pool = $5,"
        " status = $6, fix_line_ends = $7, signed_replies = $8, guards = $9 where id = $10",
        after.name,
        after.daily_cap,
        _warmup_json(after.warmup),
        _senders_json(after.senders),
        after.pool,
        after.status.value,
        int(after.fix_line_ends),
        int(after.signed_replies),
        guards.pack(after.guards),
        after.id,
    )
    if after.aliases != before.aliases:
        await _replace_aliases(tx, after)
    changed = [name for name in _SETTINGS if getattr(changes, name) is not UNSET]
    await _tell(tx, clock, EventKind.MAILBOX_UPDATED, after, changed, before=before, after=after)
    return after


async def set_warmup(tx: Transaction, clock: Clock, mailbox: Mailbox, warmup: Warmup | None) -> Mailbox:
    """Give it a plan, another place in its plan, or none."""
    await tx.execute("update mailboxes set warmup = $1 where id = $2", _warmup_json(warmup), mailbox.id)
    after = replace(mailbox, warmup=warmup)
    await _tell(tx, clock, EventKind.MAILBOX_UPDATED, after, ["warmup"], before=mailbox, after=after)
    return after


async def set_password_hash(tx: Transaction, clock: Clock, mailbox: Mailbox, password_hash: str) -> None:
    """From now on only the password behind `password_hash` opens the mailbox."""
    await tx.execute("update mailboxes set password_hash = $1 where id = $2", password_hash, mailbox.id)
    await _tell(tx, clock, EventKind.MAILBOX_UPDATED, mailbox, ["password"])


async def remove(tx: Transaction, clock: Clock, mailbox: Mailbox) -> None:
    """Forget the mailbox, its aliases, the API keys that were for nothing else, and that it caught all.

    Its allowances must be gone before: see `policy.caps.forget`.
    """
    await tx.execute("update domains set catch_all_mailbox = null where catch_all_mailbox = $1", mailbox.id)
    await tx.execute("delete from aliases where mailbox_id = $1", mailbox.id)
    await reach.forget_mailbox(tx, mailbox.tenant_id, mailbox.id)
    await tx.execute("delete from mailboxes where id = $1", mailbox.id)
    await _tell(tx, clock, EventKind.MAILBOX_REMOVED, mailbox, before=mailbox)


async def _changed(reader: Reader, clock: Clock, before: Mailbox, changes: MailboxChanges) -> Mailbox:
    mailbox, tenant_id = before, before.tenant_id
    if changes.name is not UNSET:
        mailbox = replace(mailbox, name=_text(changes.name, "name"))
    if changes.daily_cap is not UNSET:
        mailbox = replace(mailbox, daily_cap=_cap(changes.daily_cap))
    if changes.warmup is not UNSET:
        plan = changes.warmup
        warmup = Warmup(plan, to_us(clock.now()), changes.warmup_name) if plan else None
        mailbox = replace(mailbox, warmup=warmup)
    if changes.senders is not UNSET:
        mailbox = replace(mailbox, senders=await _senders(reader, tenant_id, changes.senders))
    if changes.aliases is not UNSET:
        mailbox = replace(mailbox, aliases=await _aliases(reader, tenant_id, changes.aliases))
    if changes.pool is not UNSET:
        mailbox = replace(mailbox, pool=_text(changes.pool or "", "pool") or None)
    if changes.status is not UNSET:
        mailbox = replace(mailbox, status=changes.status)
    if changes.fix_line_ends is not UNSET:
        mailbox = replace(mailbox, fix_line_ends=changes.fix_line_ends)
    if changes.signed_replies is not UNSET:
        mailbox = replace(mailbox, signed_replies=changes.signed_replies)
    if changes.guards is not UNSET:
        mailbox = replace(mailbox, guards=guards.checked(changes.guards))
    return mailbox


async def _senders(reader: Reader, tenant_id: str, texts: Iterable[str]) -> tuple[SenderPattern, ...]:
    with about("senders"):
        patterns = tuple(dict.fromkeys(SenderPattern.parse(text) for text in texts))
        if len(patterns) > MAX_SENDERS:
            raise InvalidInput(f"more than {MAX_SENDERS} sender patterns")
        await _check_domains(reader, tenant_id, {pattern.domain for pattern in patterns})
    return patterns


async def _aliases(reader: Reader, tenant_id: str, texts: Iterable[str]) -> tuple[Address, ...]:
    with about("aliases"):
        keys = sorted({read_address(text).key for text in texts})
        if len(keys) > MAX_ALIASES:
            raise InvalidInput(f"more than {MAX_ALIASES} aliases")
        aliases = tuple(Address(*key.rsplit("@", 1)) for key in keys)
        await _check_domains(reader, tenant_id, {alias.domain for alias in aliases})
    return aliases


async def _check_domains(reader: Reader, tenant_id: str, names: Iterable[str]) -> None:
    for name in sorted(names):
        domain = await domains.find(reader, name)
        if domain is None or domain.tenant_id != tenant_id:
            raise InvalidInput(f"{name} is not one of your domains; add it first")


async def _refuse_taken(reader: Reader, address: Address) -> None:
    if await find_by_address(reader, address) is not None:
        raise AlreadyExists(f"{address} is a mailbox or an alias already")


async def _replace_aliases(tx: Transaction, mailbox: Mailbox) -> None:
    await tx.execute("delete from aliases where mailbox_id = $1", mailbox.id)
    for alias in mailbox.aliases:
        await _refuse_taken(tx, alias)
        await tx.execute(
            "insert into aliases (address, tenant_id, mailbox_id) values ($1, $2, $3)",
            alias.key,
            mailbox.tenant_id,
            mailbox.id,
        )


async def _insert(tx: Transaction, mailbox: Mailbox, password_hash: str | None) -> None:
    await tx.execute(
        f"insert into mailboxes ({COLUMNS}, password_hash)"  # noqa: S608
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        mailbox.id,
        mailbox.tenant_id,
        mailbox.domain_id,
        mailbox.address.key,
        mailbox.name,
        mailbox.daily_cap,
        _warmup_json(mailbox.warmup),
        _senders_json(mailbox.senders),
        mailbox.pool,
        mailbox.status.value,
        int(mailbox.fix_line_ends),
        to_us(mailbox.created_at),
        int(mailbox.signed_replies),
        guards.pack(mailbox.guards),
        password_hash,
    )


def _cap(cap: int | None) -> int | None:
    if cap is not None and not 0 <= cap <= MAX_CAP:
        raise InvalidInput(f"a daily cap is a number of recipients from 0 to {MAX_CAP}", "daily_cap")
    return cap


def _text(text: str, field: str) -> str:
    if len(text) > MAX_TEXT or not text.isprintable():
        raise InvalidInput(f"a {field} has up to {MAX_TEXT} printable characters", field)
    return text.strip()


def _warmup_json(warmup: Warmup | None) -> str | None:
    return msgspec.json.encode(warmup).decode() if warmup else None


def _senders_json(senders: Iterable[SenderPattern]) -> str:
    return json.dumps([str(pattern) for pattern in senders], ensure_ascii=False)


async def _tell(
    tx: Transaction,
    clock: Clock,
    kind: EventKind,
    mailbox: Mailbox,
    changed: Sequence[str] | None = None,
    *,
    before: Mailbox | None = None,
    after: Mailbox | None = None,
) -> None:
    data = {"address": str(mailbox.address)} | ({"changed": changed} if changed else {})
    await log.append(
        tx,
        clock,
        kind,
        tenant_id=mailbox.tenant_id,
        mailbox_id=mailbox.id,
        data=data,
        before=None if before is None else _brief(before),
        after=None if after is None else _brief(after),
    )


def _brief(mailbox: Mailbox) -> dict[str, Any]:
    """Its settings, as the audit log tells them."""
    return {
        "name": mailbox.name,
        "daily_cap": mailbox.daily_cap,
        "warmup": msgspec.to_builtins(mailbox.warmup),
        "senders": [str(pattern) for pattern in mailbox.senders],
        "aliases": [str(alias) for alias in mailbox.aliases],
        "pool": mailbox.pool,
        "status": mailbox.status.value,
        "fix_line_ends": mailbox.fix_line_ends,
        "signed_replies": mailbox.signed_replies,
        "guards": None if mailbox.guards is None else msgspec.to_builtins(mailbox.guards),
    }
