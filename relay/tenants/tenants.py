"""The customers of this house. Owns the table `tenants`.

Every row that belongs to somebody carries the tenant's id. While there is
only one tenant, it is `DEFAULT_TENANT`, which the first migration makes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from relay.clock import Clock, from_us, to_us
from relay.errors import InvalidInput
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction

DEFAULT_TENANT: Final = "ten_default"
MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Tenant:
    id: str
    name: str
    created_at: datetime


async def add(tx: Transaction, clock: Clock, name: str) -> Tenant:
    """A new tenant, with nothing in it; raises InvalidInput for an empty or overlong name."""
    check_name(name)
    tenant = Tenant(new_id("ten", clock), name, clock.now())
    await tx.execute(
        "insert into tenants (id, name, created_at) values ($1, $2, $3)",
        tenant.id,
        tenant.name,
        to_us(tenant.created_at),
    )
    await log.append(tx, clock, EventKind.TENANT_CREATED, tenant_id=tenant.id, data={"name": name})
    return tenant


async def find(reader: Reader, tenant_id: str) -> Tenant | None:
    row = await reader.fetch_one("select id, name, created_at from tenants where id = $1", tenant_id)
    return _from_row(row) if row else None


async def list_all(reader: Reader) -> list[Tenant]:
    """Every tenant, oldest first."""
    rows = await reader.fetch_all("select id, name, created_at from tenants order by created_at, id")
    return [_from_row(row) for row in rows]


def check_name(name: str) -> None:
    """Raise InvalidInput unless `name` can stand in a list for people; it may be empty nowhere."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInput(f"a name has 1 to {MAX_NAME} printable characters")


def _from_row(row: Row) -> Tenant:
    return Tenant(row["id"], row["name"], from_us(row["created_at"]))
