"""Brands: under which name, address and pool mail is sent, with which footer and links. Owns `brands`.

A send may name one; it decides what the message itself leaves open.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from relay.address import InvalidAddress, parse_address
from relay.clock import Clock, from_us, to_us
from relay.errors import AlreadyExists, InvalidInput, NotFound, about
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction
from relay.tenants import domains
from relay.tenants.tenants import MAX_FOOTER, check_words

MAX_NAME = 100

_COLUMNS = (
    "id, tenant_id, name, sender_name, sender_address, footer_html, footer_text, postal_address,"
    " tracking_host, pool, created_at"
)
# A host leads here where a domain of the tenant names it, and was seen to.
_LEADS_HERE = (
    "select count(*) from domains d where d.tenant_id = brands.tenant_id"
    " and d.tracking_host = brands.tracking_host and d.tracking_verified_at is not null"
)
_SELECT = f"select {_COLUMNS}, ({_LEADS_HERE}) as leads_here from brands"  # noqa: S608 - all of it is ours


@dataclass(frozen=True, slots=True)
class Brand:
    """`sender_address` stands at a domain of the tenant; None leaves it to the message.

    `tracking_host` is one that a domain of the tenant names; while that is not
    known to lead here (`tracking_verified`), the message's own domain decides.
    """

    id: str
    tenant_id: str
    name: str
    sender_name: str
    sender_address: str | None
    footer_html: str
    footer_text: str
    postal_address: str
    tracking_host: str | None
    pool: str | None
    created_at: datetime
    tracking_verified: bool = False

    @property
    def usable_host(self) -> str | None:
        return self.tracking_host if self.tracking_verified else None


class BrandWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a brand is to be; what is not given stays, or is empty in a new one."""

    name: str | UnsetType = UNSET
    sender_name: str | UnsetType = UNSET
    sender_address: str | UnsetType | None = UNSET
    footer_html: str | UnsetType = UNSET
    footer_text: str | UnsetType = UNSET
    postal_address: str | UnsetType = UNSET
    tracking_host: str | UnsetType | None = UNSET
    pool: str | UnsetType | None = UNSET


async def add(tx: Transaction, clock: Clock, tenant_id: str, wish: BrandWish) -> Brand:
    """A new brand; raises InvalidInput, or AlreadyExists for a name that the tenant has."""
    empty = Brand(
        id=new_id("brd", clock),
        tenant_id=tenant_id,
        name="",
        sender_name="",
        sender_address=None,
        footer_html="",
        footer_text="",
        postal_address="",
        tracking_host=None,
        pool=None,
        created_at=clock.now(),
    )
    brand = await _checked(tx, empty, replace(empty, **_given(wish)))
    added = await tx.execute(
        f"insert into brands ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"  # noqa: S608
        " on conflict (tenant_id, name) do nothing",
        brand.id,
        brand.tenant_id,
        *_values(brand),
        to_us(brand.created_at),
    )
    if not added:
        raise AlreadyExists(f"brand {brand.name} is here already")
    await _tell(tx, clock, EventKind.BRAND_CREATED, brand, after=brand)
    return await get(tx, tenant_id, brand.id)


async def update(tx: Transaction, clock: Clock, tenant_id: str, id_or_name: str, wish: BrandWish) -> Brand:
    """The brand with what is given; raises NotFound, InvalidInput, AlreadyExists."""
    before = await get(tx, tenant_id, id_or_name)
    after = await _checked(tx, before, replace(before, **_given(wish)))
    other = await _find(tx, tenant_id, "name", after.name)
    if other is not None and other.id != after.id:
        raise AlreadyExists(f"brand {after.name} is here already")
    await tx.execute(
        "update brands set name = $1, sender_name = $2, sender_address = $3, footer_html = $4,"
        " footer_text = $5, postal_address = $6, tracking_host = $7, pool = $8 where id = $9",
        *_values(after),
        after.id,
    )
    await _tell(tx, clock, EventKind.BRAND_UPDATED, after, before=before, after=after)
    return await get(tx, tenant_id, after.id)


async def remove(tx: Transaction, clock: Clock, tenant_id: str, id_or_name: str) -> None:
    """Nothing can be sent under it any more. Raises NotFound."""
    brand = await get(tx, tenant_id, id_or_name)
    await tx.execute("delete from brands where id = $1", brand.id)
    await _tell(tx, clock, EventKind.BRAND_REMOVED, brand, before=brand)


async def get(reader: Reader, tenant_id: str, id_or_name: str) -> Brand:
    """The tenant's brand by id or name; raises NotFound, also for somebody else's."""
    found = await _find(reader, tenant_id, "id", id_or_name)
    found = found or await _find(reader, tenant_id, "name", id_or_name)
    if found is None:
        raise NotFound(f"no brand {id_or_name}")
    return found


async def list_page(
    reader: Reader, tenant_id: str, *, limit: int, before_id: str | None = None
) -> list[Brand]:
    """The tenant's brands, newest first; `before_id` is the last one of the page before."""
    rows = await reader.fetch_all(
        f"{_SELECT} where tenant_id = $1 and ($2 = '' or id < $2) order by id desc limit $3",
        tenant_id,
        before_id or "",
        limit,
    )
    return [_from_row(row) for row in rows]


async def _checked(reader: Reader, before: Brand, brand: Brand) -> Brand:
    """As it is kept; raises InvalidInput that names the field. A host that was there may stay."""
    name = _line(brand.name, "name", MAX_NAME)
    if not name:
        raise InvalidInput("is missing: how is it called?", "name")
    for field in ("footer_html", "footer_text", "postal_address"):
        check_words(getattr(brand, field), MAX_FOOTER, field)
    return replace(
        brand,
        name=name,
        sender_name=_line(brand.sender_name, "sender_name", MAX_NAME),
        sender_address=await _address(reader, brand),
        tracking_host=before.tracking_host
        if brand.tracking_host == before.tracking_host
        else await _host(reader, brand),
        pool=_line(brand.pool or "", "pool", MAX_NAME) or None,
    )


async def _address(reader: Reader, brand: Brand) -> str | None:
    if not brand.sender_address:
        return None
    with about("sender_address"):
        try:
            address = parse_address(brand.sender_address)
        except InvalidAddress as error:
            raise InvalidInput(str(error)) from error
        await _check_own(reader, brand.tenant_id, address.domain)
        return str(address)


async def _host(reader: Reader, brand: Brand) -> str | None:
    """A tracking host of one of the tenant's domains: there it is said what the DNS needs, and looked up."""
    if not brand.tracking_host:
        return None
    with about("tracking_host"):
        host = domains.read_name(brand.tracking_host)
        hosts = [domain.tracking.host for domain in await domains.list_of_tenant(reader, brand.tenant_id)]
        if host not in hosts:
            raise InvalidInput(f"{host} is the tracking host of none of your domains; set it there first")
        return host


async def _check_own(reader: Reader, tenant_id: str, name: str) -> None:
    domain = await domains.find(reader, name)
    if domain is None or domain.tenant_id != tenant_id:
        raise InvalidInput(f"{name} is not one of your domains; add it first")


def _line(text: str, field: str, longest: int) -> str:
    if len(text) > longest or not text.isprintable():
        raise InvalidInput(f"has up to {longest} printable characters", field)
    return text.strip()


def _given(wish: BrandWish) -> dict[str, Any]:
    fields = {name: getattr(wish, name) for name in wish.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not UNSET}


def _values(brand: Brand) -> tuple[str | None, ...]:
    return (
        brand.name,
        brand.sender_name,
        brand.sender_address,
        brand.footer_html,
        brand.footer_text,
        brand.postal_address,
        brand.tracking_host,
        brand.pool,
    )


async def _find(reader: Reader, tenant_id: str, column: str, value: str) -> Brand | None:
    row = await reader.fetch_one(f"{_SELECT} where tenant_id = $1 and {column} = $2", tenant_id, value)
    return _from_row(row) if row else None


async def _tell(
    tx: Transaction,
    clock: Clock,
    kind: EventKind,
    brand: Brand,
    *,
    before: Brand | None = None,
    after: Brand | None = None,
) -> None:
    await log.append(
        tx,
        clock,
        kind,
        tenant_id=brand.tenant_id,
        data={"brand_id": brand.id, "name": brand.name},
        before=None if before is None else _brief(before),
        after=None if after is None else _brief(after),
    )


def _brief(brand: Brand) -> Mapping[str, Any]:
    names = BrandWish.__struct_fields__
    return {name: getattr(brand, name) for name in names}


def _from_row(row: Row) -> Brand:
    return Brand(
        id=row["id"],
        tenant_id=row["tenant_id"],
        name=row["name"],
        sender_name=row["sender_name"],
        sender_address=row["sender_address"],
        footer_html=row["footer_html"],
        footer_text=row["footer_text"],
        postal_address=row["postal_address"],
        tracking_host=row["tracking_host"],
        pool=row["pool"],
        created_at=from_us(row["created_at"]),
        tracking_verified=bool(row["leads_here"]),
    )
