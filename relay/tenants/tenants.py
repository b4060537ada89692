"""The customers of this house. Owns the table `tenants`.

Every row that belongs to somebody carries the tenant's id. While there is
only one tenant, it is `DEFAULT_TENANT`, which the first migration makes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType, structs

from relay.clock import Clock, from_us, to_us
from relay.errors import InvalidInput, NotFound
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction

DEFAULT_TENANT: Final = "ten_default"
MAX_NAME = 200
MAX_QUOTA = 1_000_000_000_000
MAX_FOOTER = 10_000
MAX_POSTAL_ADDRESS = 1_000

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_COLUMNS = "id, name, created_at, status, monthly_quota, settings"
_SELECT = f"select {_COLUMNS} from tenants"  # noqa: S608 - the columns are ours


class TenantStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"  # sends nothing new; still receives, reads and changes
    SUSPENDED = "suspended"  # sends nothing new, and its keys open nothing


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tenant wants of all its mail, where nothing nearer says otherwise."""

    footer_html: str = ""
    footer_text: str = ""
    postal_address: str = ""


@dataclass(frozen=True, slots=True)
class Tenant:
    """`monthly_quota` is recipients a month; None: as many as its mailboxes may."""

    id: str
    name: str
    created_at: datetime
    status: TenantStatus = TenantStatus.ACTIVE
    monthly_quota: int | None = None
    settings: Settings = field(default_factory=Settings)


class SettingsChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Some settings of a tenant; what is not given stays."""

    footer_html: str | UnsetType = UNSET
    footer_text: str | UnsetType = UNSET
    postal_address: str | UnsetType = UNSET


class TenantChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What `update` is to change; what is not given stays. Settings are replaced as a whole, or in part."""

    name: str | UnsetType = UNSET
    status: TenantStatus | UnsetType = UNSET
    monthly_quota: int | UnsetType | None = UNSET
    settings: Settings | SettingsChanges | UnsetType = UNSET


async def add(tx: Transaction, clock: Clock, name: str, monthly_quota: int | None = None) -> Tenant:
    """A new tenant, with nothing in it; raises InvalidInput for an empty or overlong name."""
    check_name(name)
    _check_quota(monthly_quota)
    tenant = Tenant(new_id("ten", clock), name, clock.now(), monthly_quota=monthly_quota)
    await tx.execute(
        f"insert into tenants ({_COLUMNS}) values ($1, $2, $3, $4, $5, '{{}}')",  # noqa: S608
        tenant.id,
        tenant.name,
        to_us(tenant.created_at),
        tenant.status.value,
        tenant.monthly_quota,
    )
    data = {"tenant": tenant.id, "name": name}
    await log.append(
        tx, clock, EventKind.TENANT_CREATED, tenant_id=tenant.id, data=data, after=_brief(tenant)
    )
    return tenant


async def update(tx: Transaction, clock: Clock, tenant_id: str, changes: TenantChanges) -> Tenant:
    """The tenant with what `changes` names; raises NotFound, InvalidInput."""
    before = await get(tx, tenant_id)
    given = _given(changes)
    if isinstance(changes.settings, SettingsChanges):
        given["settings"] = structs.replace(before.settings, **_given(changes.settings))
    after = replace(before, **given)
    check_name(after.name)
    _check_quota(after.monthly_quota)
    _check_settings(after.settings)
    await tx.execute(
        "update tenants set name = $1, status = $2, monthly_quota = $3, settings = $4, updated_at = $5"
        " where id = $6",
        after.name,
        after.status.value,
        after.monthly_quota,
        msgspec.json.encode(after.settings).decode(),
        to_us(clock.now()),
        after.id,
    )
    data = {"tenant": after.id, "name": after.name, "status": after.status.value, "changed": [*given]}
    await log.append(
        tx,
        clock,
        EventKind.TENANT_UPDATED,
        tenant_id=after.id,
        data=data,
        before=_brief(before),
        after=_brief(after),
    )
    return after


async def find(reader: Reader, tenant_id: str) -> Tenant | None:
    row = await reader.fetch_one(f"{_SELECT} where id = $1", tenant_id)
    return _from_row(row) if row else None


async def get(reader: Reader, tenant_id: str) -> Tenant:
    """The tenant of that id; raises NotFound."""
    found = await find(reader, tenant_id)
    if found is None:
        raise NotFound(f"no tenant {tenant_id}")
    return found


async def list_all(reader: Reader) -> list[Tenant]:
    """Every tenant, oldest first."""
    return [_from_row(row) for row in await reader.fetch_all(f"{_SELECT} order by created_at, id")]


async def page(reader: Reader, *, limit: int, before_id: str | None = None) -> list[Tenant]:
    """Tenants by falling id, the newest first; `before_id` is the last one of the page before."""
    rows = await reader.fetch_all(
        f"{_SELECT} where ($1 = '' or id < $1) order by id desc limit $2", before_id or "", limit
    )
    return [_from_row(row) for row in rows]


def check_name(name: str) -> None:
    """Raise InvalidInput unless `name` can stand in a list for people; it may be empty nowhere."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInput(f"a name has 1 to {MAX_NAME} printable characters", "name")


def check_words(text: str, longest: int, field: str) -> None:
    """Raise InvalidInput unless these can be words below a mail, on one line or several."""
    if len(text) > longest or _CONTROL.search(text):
        raise InvalidInput(f"has up to {longest} characters, and no control characters", field)


def _check_quota(quota: int | None) -> None:
    if quota is not None and not 0 <= quota <= MAX_QUOTA:
        raise InvalidInput(f"is a number of recipients from 0 to {MAX_QUOTA}", "monthly_quota")


def _check_settings(settings: Settings) -> None:
    for name, longest in (
        ("footer_html", MAX_FOOTER),
        ("footer_text", MAX_FOOTER),
        ("postal_address", MAX_POSTAL_ADDRESS),
    ):
        check_words(getattr(settings, name), longest, f"settings.{name}")


def _given(changes: msgspec.Struct) -> dict[str, Any]:
    values = {name: getattr(changes, name) for name in changes.__struct_fields__}
    return {name: value for name, value in values.items() if value is not UNSET}


def _brief(tenant: Tenant) -> Mapping[str, Any]:
    """What the audit log says of it."""
    return {
        "name": tenant.name,
        "status": tenant.status.value,
        "monthly_quota": tenant.monthly_quota,
        "settings": msgspec.to_builtins(tenant.settings),
    }


def _from_row(row: Row) -> Tenant:
    return Tenant(
        row["id"],
        row["name"],
        from_us(row["created_at"]),
        TenantStatus(row["status"]),
        row["monthly_quota"],
        msgspec.json.decode(row["settings"], type=Settings),
    )
