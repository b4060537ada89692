"""Tenants: add, list, show with what each has used, change, suspend and let go on."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from relay.control.context import Context
from relay.control.registry import Arguments, Nothing, operation
from relay.errors import InvalidInput
from relay.estate import tenants as estate
from relay.policy.usage import Used
from relay.tenants import tenants
from relay.tenants.tenants import SettingsChanges, Tenant, TenantChanges, TenantStatus


class AddTenant(Arguments, frozen=True):
    name: str
    monthly_quota: int | None = None


class NamedTenant(Arguments, frozen=True):
    id: str


class SetTenant(Arguments, frozen=True):
    """What is not given stays; `no_quota` takes the quota away, an empty text what stands below all mail."""

    id: str
    name: str | None = None
    monthly_quota: int | None = None
    no_quota: bool = False
    paused: bool | None = None
    footer_html: str | None = None
    footer_text: str | None = None
    postal_address: str | None = None


@operation("tenant.add", AddTenant)
async def add(context: Context, wanted: AddTenant) -> dict[str, Any]:
    """The new tenant. Raises InvalidInput."""
    work = estate.adding(context.station, wanted.name, wanted.monthly_quota)
    return _as_dict(await context.station.directory.change(work))


@operation("tenant.list", Nothing)
async def list_tenants(context: Context, _: Nothing) -> list[dict[str, Any]]:
    """Every tenant, oldest first."""
    return [_as_dict(tenant) for tenant in await tenants.list_all(context.db)]


@operation("tenant.show", NamedTenant)
async def show(context: Context, wanted: NamedTenant) -> dict[str, Any]:
    """The tenant with what it has used today and this month. Raises NotFound."""
    tenant = await tenants.get(context.db, wanted.id)
    usage = await estate.used(context.station, tenant)
    return {
        **_as_dict(tenant),
        "used_today": _used(usage.today),
        "used_this_month": _used(usage.this_month),
        "quota_left": usage.quota.left if usage.quota else None,
        "resets_at": usage.quota.resets_at if usage.quota else None,
    }


@operation("tenant.set", SetTenant)
async def change(context: Context, wanted: SetTenant) -> dict[str, Any]:
    """The tenant as it is now. Raises NotFound, InvalidInput."""
    if wanted.no_quota and wanted.monthly_quota is not None:
        raise InvalidInput("a quota and none at all cannot both be meant")
    quota = None if wanted.no_quota else wanted.monthly_quota
    changes = TenantChanges(
        name=UNSET if wanted.name is None else wanted.name,
        monthly_quota=UNSET if wanted.monthly_quota is None and not wanted.no_quota else quota,
        status=UNSET if wanted.paused is None else _status(wanted.paused),
        settings=_settings(wanted),
    )
    return await _change(context, wanted.id, changes)


@operation("tenant.suspend", NamedTenant)
async def suspend(context: Context, wanted: NamedTenant) -> dict[str, Any]:
    """Its keys open nothing and it sends nothing new; what waits goes out. Raises NotFound."""
    return await _change(context, wanted.id, TenantChanges(status=TenantStatus.SUSPENDED))


@operation("tenant.resume", NamedTenant)
async def resume(context: Context, wanted: NamedTenant) -> dict[str, Any]:
    """It goes on as before. Raises NotFound."""
    return await _change(context, wanted.id, TenantChanges(status=TenantStatus.ACTIVE))


async def _change(context: Context, tenant_id: str, changes: TenantChanges) -> dict[str, Any]:
    work = estate.changing(context.station, tenant_id, changes)
    return _as_dict(await context.station.directory.change(work))


def _settings(wanted: SetTenant) -> SettingsChanges | UnsetType:
    given = {name: getattr(wanted, name) for name in SettingsChanges.__struct_fields__}
    given = {name: value for name, value in given.items() if value is not None}
    return SettingsChanges(**given) if given else UNSET


def _status(paused: bool) -> TenantStatus:
    return TenantStatus.PAUSED if paused else TenantStatus.ACTIVE


def _used(used: Used) -> dict[str, Any]:
    doors = {door: recipients for door, (_, recipients) in used.by_door.items()}
    return {"messages": used.messages, "recipients": used.recipients, "by_door": doors}


def _as_dict(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "name": tenant.name,
        "status": tenant.status.value,
        "monthly_quota": tenant.monthly_quota,
        "settings": msgspec.to_builtins(tenant.settings),
        "created_at": tenant.created_at,
    }
