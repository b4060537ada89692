"""API keys: create, list, update, revoke; the key itself is told once."""

from dataclasses import replace
from typing import Any

from msgspec import UNSET, UnsetType

from relay.control.context import Context
from relay.control.instants import read_instant
from relay.control.operations import mailboxes
from relay.control.registry import Arguments, operation
from relay.estate import domains
from relay.tenants import api_keys, key_changes, tenants
from relay.tenants.api_keys import ApiKey
from relay.tenants.key_changes import KeyChanges, NewKey
from relay.tenants.reach import Reach, reach_of

PAGE = 200


class CreateKey(Arguments, frozen=True):
    """`expires` is an instant (RFC 3339) or a duration from now, such as 90d; `tenant` whose key it is."""

    name: str
    test: bool = False
    scopes: tuple[str, ...] = (api_keys.EVERYTHING,)
    inboxes: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    expires: str | None = None
    requests_per_minute: int | None = None
    burst: int | None = None
    root: bool = False
    tenant: str | None = None


class ListKeys(Arguments, frozen=True):
    """Of one tenant; else of the first."""

    tenant: str | None = None


class NamedKey(Arguments, frozen=True):
    """Whosever it is."""

    id: str


class UpdateKey(Arguments, frozen=True):
    """What is not given stays; an empty list binds it to nothing, None leaves its pace to the house."""

    id: str
    name: str | UnsetType = UNSET
    inboxes: tuple[str, ...] | UnsetType = UNSET
    domains: tuple[str, ...] | UnsetType = UNSET
    cidrs: tuple[str, ...] | UnsetType = UNSET
    requests_per_minute: int | UnsetType | None = UNSET
    burst: int | UnsetType | None = UNSET


@operation("key.create", CreateKey)
async def create(context: Context, wanted: CreateKey) -> dict[str, Any]:
    """The new key, with `key` this once. Raises InvalidInput, NotFound for inbox, domain or tenant."""
    tenant_id = (await tenants.get(context.db, wanted.tenant)).id if wanted.tenant else context.tenant_id
    context = replace(context, tenant_id=tenant_id)
    new = NewKey(
        name=wanted.name,
        mode="test" if wanted.test else "live",
        scopes=wanted.scopes,
        mailboxes=[await mailboxes.get(context, inbox) for inbox in wanted.inboxes],
        domains=[await domains.get(context.db, tenant_id, name) for name in wanted.domains],
        cidrs=wanted.cidrs,
        expires_at=read_instant(context.clock, wanted.expires) if wanted.expires else None,
        requests_per_minute=wanted.requests_per_minute,
        burst=wanted.burst,
        is_root=wanted.root,
    )
    fresh = await context.station.directory.change(
        lambda tx: key_changes.create(tx, context.clock, context.tenant_id, new)
    )
    return {**_as_dict(fresh.key), "key": fresh.secret}


@operation("key.list", ListKeys)
async def list_keys(context: Context, wanted: ListKeys) -> list[dict[str, Any]]:
    """Every key of the tenant, newest first, also those that do not work any more."""
    tenant_id = (await tenants.get(context.db, wanted.tenant)).id if wanted.tenant else context.tenant_id
    found: list[dict[str, Any]] = []
    page = await api_keys.list_of_tenant(context.db, tenant_id, limit=PAGE)
    while page:
        found += [_as_dict(key) for key in page]
        page = await api_keys.list_of_tenant(context.db, tenant_id, limit=PAGE, before_id=page[-1].id)
    return found


@operation("key.update", UpdateKey)
async def update(context: Context, wanted: UpdateKey) -> dict[str, Any]:
    """The key as it is from its next request on. Raises NotFound, InvalidInput."""
    context = replace(context, tenant_id=await api_keys.owner_of(context.db, wanted.id))
    changes = KeyChanges(
        name=wanted.name,
        reach=await _reach(context, wanted),
        cidrs=wanted.cidrs,
        requests_per_minute=wanted.requests_per_minute,
        burst=wanted.burst,
    )
    return _as_dict(
        await context.station.directory.change(
            lambda tx: key_changes.update(tx, context.clock, context.tenant_id, wanted.id, changes)
        )
    )


@operation("key.revoke", NamedKey)
async def revoke(context: Context, wanted: NamedKey) -> dict[str, Any]:
    """The key works no more; one that did not already stays as it is. Raises NotFound."""
    tenant_id = await api_keys.owner_of(context.db, wanted.id)
    await context.station.directory.change(
        lambda tx: key_changes.revoke(tx, context.clock, tenant_id, wanted.id)
    )
    return _as_dict(await api_keys.get(context.db, tenant_id, wanted.id))


async def _reach(context: Context, wanted: UpdateKey) -> Reach | UnsetType | None:
    """What is given, beside what stays."""
    if wanted.inboxes is UNSET and wanted.domains is UNSET:
        return UNSET
    has = (await api_keys.get(context.db, context.tenant_id, wanted.id)).reach or Reach()
    inboxes = has.inboxes if wanted.inboxes is UNSET else wanted.inboxes
    names = has.domains if wanted.domains is UNSET else wanted.domains
    return reach_of(
        [await mailboxes.get(context, inbox) for inbox in inboxes],
        [(await domains.get(context.db, context.tenant_id, name)).name for name in names],
    )


def _as_dict(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "mode": key.mode,
        "hint": key.hint,
        "scopes": list(key.scopes),
        "tenant_id": key.tenant_id,
        "inbox_id": key.reach.only_inbox if key.reach else None,
        "inboxes": list(key.reach.inboxes) if key.reach else [],
        "domains": list(key.reach.domains) if key.reach else [],
        "requests_per_minute": key.requests_per_minute,
        "burst": key.burst,
        "is_root": key.is_root,
        "cidrs": [str(network) for network in key.cidrs],
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }
