"""API keys: create, list, revoke; the key itself is told once."""

from typing import Any

from relay.control.context import Context
from relay.control.instants import read_instant
from relay.control.operations import mailboxes
from relay.control.registry import Arguments, Nothing, operation
from relay.tenants import api_keys
from relay.tenants.api_keys import ApiKey, NewKey

PAGE = 200


class CreateKey(Arguments, frozen=True):
    """`expires` is an instant (RFC 3339) or a duration from now, such as 90d."""

    name: str
    test: bool = False
    scopes: tuple[str, ...] = (api_keys.EVERYTHING,)
    inbox: str | None = None
    cidrs: tuple[str, ...] = ()
    expires: str | None = None


class NamedKey(Arguments, frozen=True):
    id: str


@operation("key.create", CreateKey)
async def create(context: Context, wanted: CreateKey) -> dict[str, Any]:
    """The new key, with `key` this once. Raises InvalidInput, NotFound for the inbox."""
    inbox = await mailboxes.get(context, wanted.inbox) if wanted.inbox else None
    new = NewKey(
        name=wanted.name,
        mode="test" if wanted.test else "live",
        scopes=wanted.scopes,
        mailbox=inbox,
        cidrs=wanted.cidrs,
        expires_at=read_instant(context.clock, wanted.expires) if wanted.expires else None,
    )
    fresh = await context.station.directory.change(
        lambda tx: api_keys.create(tx, context.clock, context.tenant_id, new)
    )
    return {**_as_dict(fresh.key), "key": fresh.secret}


@operation("key.list", Nothing)
async def list_keys(context: Context, _: Nothing) -> list[dict[str, Any]]:
    """Every key, newest first, also those that do not work any more."""
    found: list[dict[str, Any]] = []
    page = await api_keys.list_of_tenant(context.db, context.tenant_id, limit=PAGE)
    while page:
        found += [_as_dict(key) for key in page]
        page = await api_keys.list_of_tenant(context.db, context.tenant_id, limit=PAGE, before_id=page[-1].id)
    return found


@operation("key.revoke", NamedKey)
async def revoke(context: Context, wanted: NamedKey) -> dict[str, Any]:
    """The key works no more; one that did not already stays as it is. Raises NotFound."""
    await context.station.directory.change(
        lambda tx: api_keys.revoke(tx, context.clock, context.tenant_id, wanted.id)
    )
    return _as_dict(await api_keys.get(context.db, context.tenant_id, wanted.id))


def _as_dict(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "mode": key.mode,
        "hint": key.hint,
        "scopes": list(key.scopes),
        "inbox_id": key.mailbox_id,
        "cidrs": [str(network) for network in key.cidrs],
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }
