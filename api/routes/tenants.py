"""Tenants: a root key makes them, limits them and suspends them; everybody sees their own.

A root key acts in a tenant by naming it in `X-Tenant`; what it makes there,
a key above all, is that tenant's.
"""

from msgspec import UNSET

from api.call import Call
from api.operations import Operation
from api.paging import Paged, page
from api.problems import Problem
from api.routes.tenant_shapes import (
    TENANT_EXAMPLE,
    USAGE_EXAMPLE,
    NewTenant,
    TenantPatch,
    TenantShape,
    UsageShape,
    settings_of,
    status_of,
    tenant_shape,
    usage_shape,
)
from api.shapes import Page
from api.tenant_wide import check_tenant_wide
from relay.errors import NotFound
from relay.estate import tenants as estate
from relay.tenants import tenants
from relay.tenants.tenants import Tenant, TenantChanges, TenantStatus


async def create_tenant(call: Call, body: NewTenant) -> TenantShape:
    """The new tenant, with nothing in it."""
    _check_root(call)
    work = estate.adding(call.house.station, body.name, body.monthly_quota)
    return await call.once.run(work, tenant_shape, through=call.house.directory.change)


async def list_tenants(call: Call, query: Paged) -> Page[TenantShape]:
    """Every tenant for a root key, its own for every other."""
    if call.caller.key.is_root:
        rows = await tenants.page(call.house.db, limit=query.limit + 1, before_id=query.before)
    else:
        own = await tenants.get(call.house.db, call.tenant_id)
        rows = [own] if query.before is None else []
    return page(rows, query.limit, tenant_shape, lambda tenant: tenant.id)


async def get_tenant(call: Call) -> TenantShape:
    return tenant_shape(await _named(call))


async def get_tenant_usage(call: Call) -> UsageShape:
    """Today and this month, to this moment."""
    tenant = await _named(call)
    return usage_shape(tenant, await estate.used(call.house.station, tenant))


async def change_tenant(call: Call, body: TenantPatch) -> TenantShape:
    """The tenant as it is now; its own keys set its `settings` alone."""
    tenant = await _named(call)
    if any(each is not UNSET for each in (body.name, body.monthly_quota, body.paused)):
        _check_root(call)
    changes = TenantChanges(
        name=body.name,
        monthly_quota=body.monthly_quota,
        status=status_of(tenant, body.paused),
        settings=UNSET if body.settings is UNSET else settings_of(body.settings),
    )
    work = estate.changing(call.house.station, tenant.id, changes)
    return tenant_shape(await call.house.directory.change(work))


async def suspend_tenant(call: Call) -> TenantShape:
    """Its keys open nothing and it sends nothing new from now on; what waits goes out."""
    return await _set_status(call, TenantStatus.SUSPENDED)


async def resume_tenant(call: Call) -> TenantShape:
    """It is as it was before it was suspended or paused."""
    return await _set_status(call, TenantStatus.ACTIVE)


async def _set_status(call: Call, status: TenantStatus) -> TenantShape:
    tenant = await _named(call)
    _check_root(call)
    work = estate.changing(call.house.station, tenant.id, TenantChanges(status=status))
    return await call.once.run(work, tenant_shape, through=call.house.directory.change)


async def _named(call: Call) -> Tenant:
    """A tenant that the key may see; raises NotFound, Problem (403)."""
    tenant_id = call.path["tenant"]
    if not call.caller.key.is_root and tenant_id != call.tenant_id:
        raise NotFound(f"no tenant {tenant_id}")
    check_tenant_wide(call)
    return await tenants.get(call.house.db, tenant_id)


def _check_root(call: Call) -> None:
    if not call.caller.key.is_root:
        why = "Only a root key makes tenants, and changes more than their settings."
        raise Problem(403, "insufficient_scope", why)


_PATH = "/v1/tenants/{tenant}"

OPERATIONS = (
    Operation(
        "POST",
        "/v1/tenants",
        "tenants:write",
        "Make a tenant",
        create_tenant,
        body=NewTenant,
        answer=TenantShape,
        status=201,
        example={"name": "Acme", "monthly_quota": 10_000},
        answers=TENANT_EXAMPLE,
        description="For a root key. It acts there by `X-Tenant`, and makes keys for others.",
    ),
    Operation(
        "GET",
        "/v1/tenants",
        "tenants:read",
        "List the tenants",
        list_tenants,
        query=Paged,
        answer=Page[TenantShape],
        answers={"data": [TENANT_EXAMPLE], "has_more": False, "next_cursor": None},
        description="All of them for a root key; for every other, its own.",
    ),
    Operation(
        "GET",
        _PATH,
        "tenants:read",
        "One tenant",
        get_tenant,
        answer=TenantShape,
        answers=TENANT_EXAMPLE,
        errors=("not_found",),
    ),
    Operation(
        "PATCH",
        _PATH,
        "tenants:write",
        "Change a tenant",
        change_tenant,
        body=TenantPatch,
        answer=TenantShape,
        example={"monthly_quota": 20_000, "paused": False},
        answers={**TENANT_EXAMPLE, "monthly_quota": 20_000},
        errors=("not_found",),
        description=(
            "Every key of the tenant that is bound to no inbox sets its `settings`; the rest is for a root "
            "key. Who is paused sends nothing new, and still receives."
        ),
    ),
    Operation(
        "POST",
        _PATH + "/suspend",
        "tenants:write",
        "Suspend a tenant",
        suspend_tenant,
        answer=TenantShape,
        answers={**TENANT_EXAMPLE, "status": "suspended"},
        errors=("not_found",),
        description="For a root key. Its keys open nothing until it is resumed; what waits goes out.",
    ),
    Operation(
        "POST",
        _PATH + "/resume",
        "tenants:write",
        "Let a tenant go on",
        resume_tenant,
        answer=TenantShape,
        answers=TENANT_EXAMPLE,
        errors=("not_found",),
        description="For a root key.",
    ),
    Operation(
        "GET",
        _PATH + "/usage",
        "tenants:read",
        "What a tenant has used",
        get_tenant_usage,
        answer=UsageShape,
        answers=USAGE_EXAMPLE,
        errors=("not_found",),
        description="Today and this month, by door, and what is left of the month.",
    ),
)
