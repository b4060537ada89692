"""The addresses that we own: what a mailbox is, and finding it. Owns `mailboxes` and `aliases`.

A mailbox has a cap, perhaps a warm-up plan, and the addresses from which it
may send. `mailbox_changes` of this room writes what this module reads.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from relay.address import Address, InvalidAddress, parse_address
from relay.clock import from_us
from relay.config import WarmupPlan
from relay.errors import InvalidInput, NotFound
from relay.store.database import Reader, Row
from relay.store.text import among as one_of
from relay.tenants import guards
from relay.tenants.guards import Guards
from relay.tenants.sender_patterns import SenderPattern
from relay.tenants.tenants import TenantStatus

COLUMNS = (
    "id, tenant_id, domain_id, address, name, daily_cap, warmup, senders, pool, status, fix_line_ends,"
    " created_at, signed_replies, guards"
)
_SELECT = (
    f"select {COLUMNS}, (select t.status from tenants t where t.id = mailboxes.tenant_id) as tenant_status,"  # noqa: S608
    " (select t.monthly_quota from tenants t where t.id = mailboxes.tenant_id) as tenant_quota from mailboxes"
)


class MailboxStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"  # sends nothing; still receives


class Warmup(msgspec.Struct, frozen=True):
    """A plan, and since when (microseconds) it holds: days before that do not count for it.

    `done` are sending days from before then that do; while it is paused no
    day is added.
    """

    plan: WarmupPlan
    since: int
    name: str | None = None
    done: int = 0
    paused_at: int | None = None

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """`daily_cap` is recipients a day, None where the default holds.

    `signed_replies`: what it sends names a signed address of ours in Reply-To,
    by which answers are known. `guards`: what it may send only so. What holds
    for its whole tenant it carries along: whether that may send, and its quota of a month.
    """

    id: str
    tenant_id: str
    domain_id: str
    address: Address
    name: str
    daily_cap: int | None
    warmup: Warmup | None
    senders: tuple[SenderPattern, ...]
    aliases: tuple[Address, ...]
    pool: str | None
    status: MailboxStatus
    fix_line_ends: bool
    created_at: datetime
    signed_replies: bool = False
    guards: Guards | None = None
    tenant_status: TenantStatus = TenantStatus.ACTIVE
    tenant_quota: int | None = None

    def owns(self, address: Address) -> bool:
        """Whether it may send from `address`: its own, an alias, or one that a pattern names."""
        key = address.key
        return (
            key == self.address.key
            or any(key == alias.key for alias in self.aliases)
            or any(pattern.matches(address) for pattern in self.senders)
        )

    def __str__(self) -> str:
        return str(self.address)


async def find(reader: Reader, mailbox_id: str) -> Mailbox | None:
    return await _one(reader, "id = $1", mailbox_id)


async def find_by_address(reader: Reader, address: Address) -> Mailbox | None:
    """The mailbox of exactly this address, or else the one that has it as an alias."""
    return await _one(reader, "address = $1", address.key) or await _one(
        reader, "id = (select mailbox_id from aliases where address = $1)", address.key
    )


async def get(reader: Reader, tenant_id: str, address_or_id: str) -> Mailbox:
    """The tenant's mailbox by id or address; raises NotFound, also for somebody else's."""
    key = address_or_id
    if "@" in address_or_id:
        key = read_address(address_or_id).key
    found = await _one(reader, "tenant_id = $1 and (id = $2 or address = $2)", tenant_id, key)
    if found is None:
        raise NotFound(f"no mailbox {address_or_id}")
    return found


async def list_of_tenant(
    reader: Reader,
    tenant_id: str,
    *,
    limit: int = 200,
    before_id: str | None = None,
    among: Sequence[str] | None = None,
) -> list[Mailbox]:
    """The tenant's mailboxes, newest first; `before_id` is the last one of the page before.

    With `among` only those of these ids.
    """
    rows = await reader.fetch_all(
        f"{_SELECT} where tenant_id = $1 and ($2 = '' or id < $2)"  # noqa: S608
        " and ($3 = '[0]' or id in (select value from {each:$3})) order by id desc limit $4",
        tenant_id,
        before_id or "",
        one_of(among),
        limit,
    )
    return await _from_rows(reader, rows)


async def warming(
    reader: Reader, tenant_id: str, *, limit: int = 200, before_id: str | None = None
) -> list[Mailbox]:
    """Those of the tenant's mailboxes that have a warm-up plan, newest first."""
    rows = await reader.fetch_all(
        f"{_SELECT} where tenant_id = $1 and warmup is not null and ($2 = '' or id < $2)"
        " order by id desc limit $3",
        tenant_id,
        before_id or "",
        limit,
    )
    return await _from_rows(reader, rows)


async def of_pool(reader: Reader, tenant_id: str, pool: str) -> list[Mailbox]:
    """The tenant's active mailboxes in a pool, by address."""
    rows = await reader.fetch_all(
        f"{_SELECT} where tenant_id = $1 and pool = $2 and status = 'active' order by address",
        tenant_id,
        pool,
    )
    return await _from_rows(reader, rows)


async def with_patterns(reader: Reader) -> list[Mailbox]:
    """Every mailbox that has sender patterns, whoever's it is, oldest first."""
    rows = await reader.fetch_all(f"{_SELECT} where senders <> '[]' order by created_at, id")
    return await _from_rows(reader, rows)


async def first_of(reader: Reader, tenant_id: str, domain_id: str | None = None) -> Mailbox | None:
    """The oldest mailbox of a domain, or of the whole tenant."""
    return await _one(
        reader,
        "tenant_id = $1 and ($2 = '' or domain_id = $2) order by created_at, id limit 1",
        tenant_id,
        domain_id or "",
    )


def read_address(text: str) -> Address:
    """A mailbox's address; raises InvalidInput with the reason."""
    try:
        return parse_address(text.strip())
    except InvalidAddress as error:
        raise InvalidInput(f"{text!r} is no address: {error}") from error


async def _one(reader: Reader, condition: str, *args: str) -> Mailbox | None:
    rows = await reader.fetch_all(f"{_SELECT} where {condition}", *args)
    found = await _from_rows(reader, rows)
    return found[0] if found else None


async def _from_rows(reader: Reader, rows: Sequence[Row]) -> list[Mailbox]:
    if not rows:
        return []
    aliases = await reader.fetch_all(
        "select mailbox_id, address from aliases where mailbox_id in (select value from {each:$1})"
        " order by address",
        json.dumps([row["id"] for row in rows]),
    )
    by_mailbox: dict[str, list[Address]] = {}
    for alias in aliases:
        by_mailbox.setdefault(alias["mailbox_id"], []).append(_address(alias["address"]))
    return [_from_row(row, tuple(by_mailbox.get(row["id"], ()))) for row in rows]


def _from_row(row: Row, aliases: tuple[Address, ...]) -> Mailbox:
    return Mailbox(
        id=row["id"],
        tenant_id=row["tenant_id"],
        domain_id=row["domain_id"],
        address=_address(row["address"]),
        name=row["name"],
        daily_cap=row["daily_cap"],
        warmup=msgspec.json.decode(row["warmup"], type=Warmup) if row["warmup"] else None,
        senders=tuple(map(SenderPattern.parse, json.loads(row["senders"]))),
        aliases=aliases,
        pool=row["pool"],
        status=MailboxStatus(row["status"]),
        fix_line_ends=bool(row["fix_line_ends"]),
        created_at=from_us(row["created_at"]),
        signed_replies=bool(row["signed_replies"]),
        guards=guards.unpack(row["guards"]),
        tenant_status=TenantStatus(row["tenant_status"]),
        tenant_quota=row["tenant_quota"],
    )


def _address(key: str) -> Address:
    """An address from its key, which is the form in which the tables hold it."""
    local_part, _, domain = key.rpartition("@")
    return Address(local_part, domain)
