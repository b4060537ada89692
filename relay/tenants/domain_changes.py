"""Domains come and go, and what people decide about them: whose word counts, catch-all, tracking."""

from dataclasses import replace

import msgspec

from relay.clock import Clock, to_us
from relay.errors import AlreadyExists, InvalidInput, Refusal
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Reader, Transaction
from relay.tenants import reach
from relay.tenants.domains import (
    Domain,
    DomainStatus,
    Tracking,
    list_of_tenant,
    read_name,
    tell,
    us_or_none,
    write_standing,
)


class DomainInUse(Refusal):
    """The domain cannot go while something stands on it."""

    code = "already_exists"


async def add(tx: Transaction, clock: Clock, tenant_id: str, name: str) -> Domain:
    """A new pending domain; raises InvalidInput, or AlreadyExists when anybody has it.

    Nobody is given a name above or below another tenant's: mail for it could be theirs.
    """
    domain = Domain(
        id=new_id("dom", clock),
        tenant_id=tenant_id,
        name=read_name(name),
        status=DomainStatus.PENDING,
        verified_at=None,
        bounces_verified_at=None,
        receives_at=None,
        checked_at=None,
        check_result={},
        created_at=clock.now(),
    )
    await _refuse_kin(tx, tenant_id, domain.name)
    added = await tx.execute(
        "insert into domains (id, tenant_id, name, status, created_at) values ($1, $2, $3, $4, $5)"
        " on conflict (name) do nothing",
        domain.id,
        tenant_id,
        domain.name,
        domain.status.value,
        to_us(domain.created_at),
    )
    if not added:
        raise AlreadyExists(f"domain {domain.name} is here already")
    await tell(tx, clock, EventKind.DOMAIN_CREATED, domain)
    return domain


async def _refuse_kin(tx: Transaction, tenant_id: str, name: str) -> None:
    labels = name.split(".")
    above = [".".join(labels[place:]) for place in range(1, len(labels))]
    kin = await tx.fetch_one(
        "select name from domains where tenant_id <> $1"
        " and (name in (select value from {each:$2}) or name like '%.' || $3) limit 1",
        tenant_id,
        msgspec.json.encode(above).decode(),
        name,
    )
    if kin is not None:
        raise AlreadyExists(f"domain {name} stands above or below one that is here already")


async def assume_verified(
    tx: Transaction, clock: Clock, domain: Domain, *, receives: bool = False, bounces: bool = False
) -> Domain:
    """Take its owner's word: mail may leave under its name, and no later check takes that back.

    `receives` and `bounces` say the same of its MX and of its `bounces.` host.
    """
    now = clock.now()
    assumed = replace(
        domain,
        status=DomainStatus.VERIFIED,
        verified_at=domain.verified_at or now,
        receives_at=domain.receives_at or (now if receives else None),
        bounces_verified_at=domain.bounces_verified_at or (now if bounces else None),
        check_result={**domain.check_result, "assumed": True},
        tracking=replace(domain.tracking, seen_at=now) if domain.tracking.host else domain.tracking,
    )
    await write_standing(tx, assumed)
    if not domain.is_verified:
        await tell(tx, clock, EventKind.DOMAIN_VERIFIED, assumed, assumed=True)
    return assumed


async def set_catch_all(tx: Transaction, clock: Clock, domain: Domain, mailbox_id: str | None) -> Domain:
    """From now on this mailbox (of the same tenant) receives what nobody else does; None: nobody does."""
    await tx.execute("update domains set catch_all_mailbox = $1 where id = $2", mailbox_id, domain.id)
    changed = replace(domain, catch_all=mailbox_id)
    await tell(tx, clock, EventKind.DOMAIN_UPDATED, domain, after=changed)
    return changed


async def set_tracking(tx: Transaction, clock: Clock, domain: Domain, wanted: Tracking) -> Domain:
    """From now on the domain's mail is tracked so; raises InvalidInput for a host that is not the tenant's.

    Another host is used when it was seen to point here, or at once where the owner's word stands for the DNS.
    """
    host = None if wanted.host is None else await _own_host(tx, domain, wanted.host)
    seen_at = domain.tracking.seen_at if host == domain.tracking.host else None
    if host is not None and seen_at is None and domain.is_assumed:
        seen_at = clock.now()
    tracking = Tracking(wanted.opens, wanted.clicks, host, seen_at)
    await tx.execute(
        "update domains set track_opens = $1, track_clicks = $2, tracking_host = $3,"
        " tracking_verified_at = $4 where id = $5",
        int(tracking.opens),
        int(tracking.clicks),
        tracking.host,
        us_or_none(tracking.seen_at),
        domain.id,
    )
    changed = replace(domain, tracking=tracking)
    await tell(tx, clock, EventKind.DOMAIN_UPDATED, domain, after=changed)
    return changed


async def _own_host(reader: Reader, domain: Domain, text: str) -> str:
    """A name below a domain of the same tenant: nobody tracks under somebody else's."""
    try:
        host = read_name(text)
    except InvalidInput as error:
        raise InvalidInput(str(error), field="tracking_host") from error
    names = [each.name for each in await list_of_tenant(reader, domain.tenant_id)]
    if not any(host.endswith(f".{name}") for name in names):
        why = f"{host} stands below no domain of yours, as links.{domain.name} does"
        raise InvalidInput(why, field="tracking_host")
    return host


async def remove(tx: Transaction, clock: Clock, domain: Domain) -> None:
    """Forget the domain and its DKIM selectors; raises DomainInUse while it has mailboxes or aliases."""
    row = await tx.fetch_one(
        "select count(*) as mailboxes, min(address) as one from mailboxes where domain_id = $1", domain.id
    )
    assert row is not None
    if row["mailboxes"]:
        raise DomainInUse(f"{domain.name} has {row['mailboxes']} mailboxes, {row['one']} among them")
    alias = await tx.fetch_one(
        "select address from aliases where address like '%@' || $1 limit 1",
        domain.name,  # A-labels hold neither % nor _
    )
    if alias is not None:
        raise DomainInUse(f"{alias['address']} is an alias at {domain.name}")
    await tx.execute("delete from dkim_keys where domain_id = $1", domain.id)
    await reach.forget_domain(tx, domain.tenant_id, domain.name)
    await tx.execute("delete from domains where id = $1", domain.id)
    await tell(tx, clock, EventKind.DOMAIN_REMOVED, domain)
