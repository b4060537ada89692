"""Which DKIM keys sign for a domain, and which did. Owns the table `dkim_keys`.

The keys themselves are files of the signing room. A retired key signs
nothing, but its record stays in the DNS until mail that it signed has
arrived; the row is forgotten when an operator says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from relay.clock import Clock, from_us, to_us
from relay.events import log
from relay.events.kinds import EventKind
from relay.store.database import Reader, Row, Transaction
from relay.tenants.domains import Domain

Algorithm: TypeAlias = Literal["rsa", "ed25519"]


class KeyStatus(StrEnum):
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class DkimSelector:
    domain_id: str
    selector: str
    algorithm: Algorithm
    status: KeyStatus
    created_at: datetime
    retired_at: datetime | None


async def add(
    tx: Transaction, clock: Clock, domain: Domain, selectors: Iterable[tuple[str, Algorithm]]
) -> None:
    """Let these keys sign for the domain, beside those that do; one that is known becomes active again."""
    for selector, algorithm in selectors:
        await tx.execute(
            "insert into dkim_keys (domain_id, tenant_id, selector, algorithm, status, created_at)"
            " values ($1, $2, $3, $4, 'active', $5) on conflict (domain_id, selector)"
            " do update set status = 'active', retired_at = null",
            domain.id,
            domain.tenant_id,
            selector,
            algorithm,
            to_us(clock.now()),
        )


async def rotate(
    tx: Transaction, clock: Clock, domain: Domain, selectors: Iterable[tuple[str, Algorithm]]
) -> None:
    """From now on these keys sign, and no others; the others stay known as retired."""
    fresh = list(selectors)
    await tx.execute(
        "update dkim_keys set status = 'retired', retired_at = $1 where domain_id = $2 and status = 'active'",
        to_us(clock.now()),
        domain.id,
    )
    await add(tx, clock, domain, fresh)
    data = {"domain_id": domain.id, "domain": domain.name, "selectors": [name for name, _ in fresh]}
    await log.append(tx, clock, EventKind.DOMAIN_ROTATED, tenant_id=domain.tenant_id, data=data)


async def forget(tx: Transaction, domain: Domain, selector: str) -> bool:
    """Drop a retired key's row; False when there is none, or it still signs."""
    return bool(
        await tx.execute(
            "delete from dkim_keys where domain_id = $1 and selector = $2 and status = 'retired'",
            domain.id,
            selector,
        )
    )


async def of_domain(reader: Reader, domain: Domain) -> list[DkimSelector]:
    """Every key of the domain, those that sign first, then by age."""
    rows = await reader.fetch_all(
        "select domain_id, selector, algorithm, status, created_at, retired_at from dkim_keys"
        " where domain_id = $1 order by status, created_at, selector",
        domain.id,
    )
    return [_from_row(row) for row in rows]


def _from_row(row: Row) -> DkimSelector:
    retired_at = row["retired_at"]
    return DkimSelector(
        domain_id=row["domain_id"],
        selector=row["selector"],
        algorithm=row["algorithm"],
        status=KeyStatus(row["status"]),
        created_at=from_us(row["created_at"]),
        retired_at=None if retired_at is None else from_us(retired_at),
    )
