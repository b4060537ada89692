"""Brands: the sender, footer, tracking host and pool that a send may name together."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.call import Call
from api.operations import Operation
from api.paging import Paged, page
from api.shapes import Body, Page, Shape
from api.tenant_wide import check_tenant_wide
from relay.tenants import brands
from relay.tenants.brands import MAX_NAME, Brand, BrandWish
from relay.tenants.tenants import MAX_FOOTER

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Word = Annotated[str, Meta(max_length=MAX_NAME)]
AddressText = Annotated[str, Meta(max_length=320, description="at one of your domains")]
Host = Annotated[str, Meta(max_length=300, description="the tracking host of one of your domains")]
Footer = Annotated[str, Meta(max_length=MAX_FOOTER)]


class BrandPatch(Body, kw_only=True, frozen=True):
    """What is left out stays; null takes the address, host or pool away."""

    name: Name | UnsetType = UNSET
    sender_name: Word | UnsetType = UNSET
    sender_address: AddressText | UnsetType | None = UNSET
    footer_html: Footer | UnsetType = UNSET
    footer_text: Footer | UnsetType = UNSET
    postal_address: Footer | UnsetType = UNSET
    tracking_host: Host | UnsetType | None = UNSET
    pool: Word | UnsetType | None = UNSET


class NewBrand(BrandPatch, kw_only=True, frozen=True):
    """A name, and what is to hold of the mail that names it."""

    name: Name


class BrandShape(Shape, kw_only=True, frozen=True):
    """What is null or empty is left to the message, and so is a host that is not `tracking_verified`."""

    id: str
    name: str
    sender_name: str
    sender_address: str | None
    footer_html: str
    footer_text: str
    postal_address: str
    tracking_host: str | None
    tracking_verified: bool
    pool: str | None
    created_at: datetime


async def create_brand(call: Call, body: NewBrand) -> BrandShape:
    """The new brand."""
    check_tenant_wide(call)
    wish, clock, tenant_id = _wish(body), call.house.clock, call.tenant_id
    return await call.once.run(lambda tx: brands.add(tx, clock, tenant_id, wish), brand_shape)


async def list_brands(call: Call, query: Paged) -> Page[BrandShape]:
    """The tenant's brands, newest first."""
    rows = await brands.list_page(
        call.house.db, call.tenant_id, limit=query.limit + 1, before_id=query.before
    )
    return page(rows, query.limit, brand_shape, lambda brand: brand.id)


async def get_brand(call: Call) -> BrandShape:
    return brand_shape(await _named(call))


async def change_brand(call: Call, body: BrandPatch) -> BrandShape:
    """The brand as it is now; mail that was composed before keeps what it has."""
    brand = await _named(call)
    check_tenant_wide(call)
    wish, clock = _wish(body), call.house.clock
    return brand_shape(
        await call.house.db.transact(lambda tx: brands.update(tx, clock, call.tenant_id, brand.id, wish))
    )


async def delete_brand(call: Call) -> None:
    """Nothing can be sent under it any more."""
    brand = await _named(call)
    check_tenant_wide(call)
    clock = call.house.clock
    await call.house.db.transact(lambda tx: brands.remove(tx, clock, call.tenant_id, brand.id))


def brand_shape(brand: Brand) -> BrandShape:
    return BrandShape(**{name: getattr(brand, name) for name in BrandShape.__struct_fields__})


async def _named(call: Call) -> Brand:
    return await brands.get(call.house.db, call.tenant_id, call.path["brand"])


def _wish(body: BrandPatch) -> BrandWish:
    return BrandWish(**msgspec.structs.asdict(body))


BRAND_EXAMPLE: dict[str, Any] = {
    "id": "brd_01hw3k9v8g2e4r6t8y0a2s4d",
    "name": "shop",
    "sender_name": "The Shop",
    "sender_address": "shop@ours.example",
    "footer_html": "<p>The Shop</p>",
    "footer_text": "The Shop",
    "postal_address": "1 Main Street, Springfield",
    "tracking_host": None,
    "tracking_verified": False,
    "pool": None,
    "created_at": "2026-03-02T09:00:00Z",
}
_NEW = {name: BRAND_EXAMPLE[name] for name in ("name", "sender_name", "footer_html", "footer_text")}

OPERATIONS = (
    Operation(
        "POST",
        "/v1/brands",
        "brands:write",
        "Make a brand",
        create_brand,
        body=NewBrand,
        answer=BrandShape,
        status=201,
        example=_NEW,
        answers=BRAND_EXAMPLE,
        errors=("already_exists",),
    ),
    Operation(
        "GET",
        "/v1/brands",
        "brands:read",
        "List the brands",
        list_brands,
        query=Paged,
        answer=Page[BrandShape],
        answers={"data": [BRAND_EXAMPLE], "has_more": False, "next_cursor": None},
    ),
    Operation(
        "GET",
        "/v1/brands/{brand}",
        "brands:read",
        "One brand",
        get_brand,
        answer=BrandShape,
        answers=BRAND_EXAMPLE,
        errors=("not_found",),
        description="By id or name.",
    ),
    Operation(
        "PATCH",
        "/v1/brands/{brand}",
        "brands:write",
        "Change a brand",
        change_brand,
        body=BrandPatch,
        answer=BrandShape,
        example={"sender_name": "The Little Shop"},
        answers={**BRAND_EXAMPLE, "sender_name": "The Little Shop"},
        errors=("not_found", "already_exists"),
    ),
    Operation(
        "DELETE",
        "/v1/brands/{brand}",
        "brands:write",
        "Remove a brand",
        delete_brand,
        status=204,
        errors=("not_found",),
    ),
)
