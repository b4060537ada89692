"""The domains that tenants send from and receive for. Owns the table `domains`.

A domain is verified when its DNS records have been seen, or its owner
vouches for it; only then does mail leave under its name.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from relay.address import InvalidAddress, is_literal, parse_domain
from relay.clock import Clock, from_us, to_us
from relay.errors import InvalidInput, NotFound
from relay.events import log
from relay.events.kinds import EventKind
from relay.store.database import Reader, Row, Transaction

_COLUMNS = (
    "id, tenant_id, name, status, verified_at, bounces_verified_at, receives_at, checked_at,"
    " check_result, created_at, catch_all_mailbox, track_opens, track_clicks, tracking_host,"
    " tracking_verified_at"
)
_SELECT = f"select {_COLUMNS} from domains"  # noqa: S608 - the columns are ours


class DomainStatus(StrEnum):
    PENDING = "pending"  # added, its records not seen yet
    VERIFIED = "verified"  # mail may leave under its name


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


async def write_standing(tx: Transaction, domain: Domain) -> None:
    """Its status, instants and last check as they are in `domain`."""
    await tx.execute(
        "update domains set status = $1, verified_at = $2, bounces_verified_at = $3, receives_at = $4,"
        " checked_at = $5, check_result = $6, tracking_verified_at = $7 where id = $8",
        domain.status.value,
        us_or_none(domain.verified_at),
        us_or_none(domain.bounces_verified_at),
        us_or_none(domain.receives_at),
        us_or_none(domain.checked_at),
        msgspec.json.encode(domain.check_result).decode(),
        us_or_none(domain.tracking.seen_at),
        domain.id,
    )


async def tell(
    tx: Transaction,
    clock: Clock,
    kind: EventKind,
    domain: Domain,
    *,
    assumed: bool = False,
    after: Domain | None = None,
) -> None:
    """The log says what happened to the domain; with `after`, what people decided before, and now."""
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


def us_or_none(instant: datetime | None) -> int | None:
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
