"""The domains that tenants send from and receive for. Owns the table `domains`.

A domain is verified when its DNS records have been seen, or its owner
vouches for it; only then does mail leave under its name. Trouble with the DNS
changes nothing: a domain loses its standing only when the records are known
to be gone, and have been for `GRACE`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from relay.address import InvalidAddress, is_literal, parse_domain
from relay.clock import Clock, from_us, to_us
from relay.errors import AlreadyExists, InvalidInput, NotFound, Refusal
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction
from relay.tenants import reach

GRACE = timedelta(days=3)

_COLUMNS = (
    "id, tenant_id, name, status, verified_at, bounces_verified_at, receives_at, checked_at,"
    " check_result, created_at, catch_all_mailbox, track_opens, track_clicks, tracking_host,"
    " tracking_verified_at"
)
_SELECT = f"select {_COLUMNS} from domains"  # noqa: S608 - the columns are ours


class DomainStatus(StrEnum):
    PENDING = "pending"  # added, its records not seen yet
    VERIFIED = "verified"  # mail may leave under its name


class Seen(StrEnum):
    """What a look at the DNS says about one thing that should stand there."""

    YES = "yes"
    NO = "no"  # the DNS answered, and it is not there
    UNKNOWN = "unknown"  # the DNS did not answer; nothing follows from it


class DomainInUse(Refusal):
    """The domain cannot go while something stands on it."""

    code = "already_exists"


@dataclass(frozen=True, slots=True)
class Tracking:
    """What the domain's mail tells unless a message says otherwise, and the host that its links name.

    `seen_at` is None while that host is not known to point here: then links name the house itself.
    """

    opens: bool = False
    clicks: bool = False
    host: str | None = None
    seen_at: datetime | None = None

    @property
    def usable_host(self) -> str | None:
        return self.host if self.seen_at is not None else None


@dataclass(frozen=True, slots=True)
class Domain:
    """`name` is in A-labels. The three instants are None while what they name does not hold:
    verified, `bounces.<name>` points here, the MX points here (so its mail never goes out).
    `catch_all` is the mailbox that receives for every address that nobody has."""

    id: str
    tenant_id: str
    name: str
    status: DomainStatus
    verified_at: datetime | None
    bounces_verified_at: datetime | None
    receives_at: datetime | None
    checked_at: datetime | None
    check_result: dict[str, Any]
    created_at: datetime
    catch_all: str | None = None
    tracking: Tracking = Tracking()

    @property
    def is_verified(self) -> bool:
        return self.status is DomainStatus.VERIFIED

    @property
    def is_assumed(self) -> bool:
        """Whether its owner's word stands for what the DNS would say."""
        return bool(self.check_result.get("assumed"))


@dataclass(frozen=True, slots=True)
class DomainCheck:
    """One look at a domain's records: may it send, do bounces, its mail and its tracking host come here.

    `details` is kept for people to read (any JSON).
    """

    sending: Seen
    bounces: Seen = Seen.UNKNOWN
    receiving: Seen = Seen.UNKNOWN
    details: dict[str, Any] | None = None
    tracking: Seen = Seen.UNKNOWN


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
    await _tell(tx, clock, EventKind.DOMAIN_CREATED, domain)
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


def read_name(text: str) -> str:
    """A domain in A-labels; raises InvalidInput for what cannot be a mail domain of ours."""
    try:
        name = parse_domain(text.strip().rstrip("."))
    except InvalidAddress as error:
        raise InvalidInput(f"{text!r}: {error}") from error
    if is_literal(name):
        raise InvalidInput(f"{text!r}: an address literal is not a domain")
    return name


async def find(reader: Reader, name: str) -> Domain | None:
    """The domain of that name (A-labels, lower case), whoever's it is."""
    row = await reader.fetch_one(f"{_SELECT} where name = $1", name)
    return _from_row(row) if row else None


async def get(reader: Reader, tenant_id: str, name_or_id: str) -> Domain:
    """The tenant's domain by name or id; raises NotFound, also for somebody else's."""
    row = await reader.fetch_one(
        f"{_SELECT} where tenant_id = $1 and (name = $2 or id = $2)", tenant_id, name_or_id.lower()
    )
    if row is None:
        raise NotFound(f"no domain {name_or_id}")
    return _from_row(row)


async def list_of_tenant(reader: Reader, tenant_id: str) -> list[Domain]:
    """The tenant's domains by name."""
    rows = await reader.fetch_all(f"{_SELECT} where tenant_id = $1 order by name", tenant_id)
    return [_from_row(row) for row in rows]


async def list_all(reader: Reader) -> list[Domain]:
    """Every tenant's domains, the one whose last check is longest ago first."""
    rows = await reader.fetch_all(f"{_SELECT} order by coalesce(checked_at, 0), id")
    return [_from_row(row) for row in rows]


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
    await _write(tx, assumed)
    if not domain.is_verified:
        await _tell(tx, clock, EventKind.DOMAIN_VERIFIED, assumed, assumed=True)
    return assumed


async def record_check(tx: Transaction, clock: Clock, domain: Domain, check: DomainCheck) -> Domain:
    """Write down what a look at the DNS found; returns the domain as it is now.

    UNKNOWN changes nothing but the record of the look. A verified domain
    whose records are gone stays verified for GRACE.
    """
    row = await tx.fetch_one(f"{_SELECT} where id = $1", domain.id)
    if row is None:
        raise NotFound(f"domain {domain.name} is gone")
    before, now = _from_row(row), clock.now()
    status, missing_since = _judge_sending(before, check.sending, now)
    after = replace(
        before,
        status=status,
        verified_at=None if status is DomainStatus.PENDING else before.verified_at or now,
        bounces_verified_at=_instant(before.bounces_verified_at, check.bounces, now),
        receives_at=_instant(before.receives_at, check.receiving, now),
        checked_at=now,
        check_result=_result(before, check, missing_since),
        tracking=_tracking_after(before, domain, check, now),
    )
    await _write(tx, after)
    if after.status is not before.status:
        kind = EventKind.DOMAIN_VERIFIED if after.is_verified else EventKind.DOMAIN_UNVERIFIED
        await _tell(tx, clock, kind, after)
    return after


async def set_catch_all(tx: Transaction, clock: Clock, domain: Domain, mailbox_id: str | None) -> Domain:
    """From now on this mailbox (of the same tenant) receives what nobody else does; None: nobody does."""
    await tx.execute("update domains set catch_all_mailbox = $1 where id = $2", mailbox_id, domain.id)
    changed = replace(domain, catch_all=mailbox_id)
    await _tell(tx, clock, EventKind.DOMAIN_UPDATED, domain, after=changed)
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
        _us(tracking.seen_at),
        domain.id,
    )
    changed = replace(domain, tracking=tracking)
    await _tell(tx, clock, EventKind.DOMAIN_UPDATED, domain, after=changed)
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
    await _tell(tx, clock, EventKind.DOMAIN_REMOVED, domain)


def _judge_sending(domain: Domain, seen: Seen, now: datetime) -> tuple[DomainStatus, datetime | None]:
    """The status after this look, and since when the records are known to be missing."""
    since = domain.check_result.get("missing_since")
    missing_since = from_us(since) if since is not None else None
    if seen is Seen.YES:
        return DomainStatus.VERIFIED, None
    if seen is Seen.UNKNOWN or domain.check_result.get("assumed"):
        return domain.status, missing_since
    missing_since = missing_since or now
    gone = now - missing_since >= GRACE
    return (DomainStatus.PENDING if gone else domain.status), missing_since


def _tracking_after(before: Domain, looked_at: Domain, check: DomainCheck, now: datetime) -> Tracking:
    """What was seen of another host than the domain names by now says nothing."""
    if before.tracking.host != looked_at.tracking.host:
        return before.tracking
    return replace(before.tracking, seen_at=_instant(before.tracking.seen_at, check.tracking, now))


def _instant(before: datetime | None, seen: Seen, now: datetime) -> datetime | None:
    if seen is Seen.NO:
        return None
    return before or (now if seen is Seen.YES else None)


def _result(domain: Domain, check: DomainCheck, missing_since: datetime | None) -> dict[str, Any]:
    result: dict[str, Any] = {"sending": check.sending, "bounces": check.bounces}
    result["receiving"] = check.receiving
    if domain.tracking.host is not None:
        result["tracking"] = check.tracking
    if check.details:
        result["details"] = check.details
    if missing_since is not None:
        result["missing_since"] = to_us(missing_since)
    if domain.check_result.get("assumed"):
        result["assumed"] = True
    return result


async def _write(tx: Transaction, domain: Domain) -> None:
    await tx.execute(
        "update domains set status = $1, verified_at = $2, bounces_verified_at = $3, receives_at = $4,"
        " checked_at = $5, check_result = $6, tracking_verified_at = $7 where id = $8",
        domain.status.value,
        _us(domain.verified_at),
        _us(domain.bounces_verified_at),
        _us(domain.receives_at),
        _us(domain.checked_at),
        msgspec.json.encode(domain.check_result).decode(),
        _us(domain.tracking.seen_at),
        domain.id,
    )


async def _tell(
    tx: Transaction,
    clock: Clock,
    kind: EventKind,
    domain: Domain,
    *,
    assumed: bool = False,
    after: Domain | None = None,
) -> None:
    data = {"domain_id": domain.id, "domain": domain.name} | ({"assumed": True} if assumed else {})
    before, later = (_brief(domain), _brief(after)) if after else (None, None)
    await log.append(tx, clock, kind, tenant_id=domain.tenant_id, data=data, before=before, after=later)


def _brief(domain: Domain) -> dict[str, Any]:
    """What people decide about it, as the audit log tells it."""
    return {
        "status": domain.status.value,
        "catch_all": domain.catch_all,
        "track_opens": domain.tracking.opens,
        "track_clicks": domain.tracking.clicks,
        "tracking_host": domain.tracking.host,
    }


def _us(instant: datetime | None) -> int | None:
    return None if instant is None else to_us(instant)


def _instant_or_none(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)


def _from_row(row: Row) -> Domain:
    return Domain(
        id=row["id"],
        tenant_id=row["tenant_id"],
        name=row["name"],
        status=DomainStatus(row["status"]),
        verified_at=_instant_or_none(row["verified_at"]),
        bounces_verified_at=_instant_or_none(row["bounces_verified_at"]),
        receives_at=_instant_or_none(row["receives_at"]),
        checked_at=_instant_or_none(row["checked_at"]),
        check_result=msgspec.json.decode(row["check_result"]) if row["check_result"] else {},
        created_at=from_us(row["created_at"]),
        catch_all=row["catch_all_mailbox"],
        tracking=Tracking(
            opens=bool(row["track_opens"]),
            clicks=bool(row["track_clicks"]),
            host=row["tracking_host"],
            seen_at=_instant_or_none(row["tracking_verified_at"]),
        ),
    )
