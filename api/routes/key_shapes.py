"""A key as the API tells it, and what it is made and changed by."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from api.shapes import Body, Shape
from relay.tenants.api_keys import ApiKey, Mode
from relay.tenants.key_changes import MAX_RATE, FreshKey

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Instant = Annotated[datetime, Meta(tz=True)]
InboxName = Annotated[str, Meta(min_length=1, max_length=400, description="id or address")]
DomainName = Annotated[str, Meta(min_length=1, max_length=300)]
Rate = Annotated[int, Meta(ge=1, le=MAX_RATE)]


class NewKey(Body, frozen=True):
    """What is left out is as the key has it that asks."""

    name: Name
    mode: Mode | None = None
    scopes: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)] | None = None
    inbox: Annotated[str, Meta(max_length=400, description="id or address: only this inbox")] | None = None
    inboxes: Annotated[tuple[InboxName, ...], Meta(max_length=100, description="only these inboxes")] = ()
    domains: Annotated[tuple[DomainName, ...], Meta(max_length=100, description="only inboxes of these")] = ()
    cidrs: Annotated[tuple[str, ...], Meta(max_length=100, description="only from these networks")] = ()
    expires_at: Instant | None = None
    requests_per_minute: Rate | None = None
    burst: Annotated[int, Meta(ge=1, le=MAX_RATE, description="how many may come at once")] | None = None


class PatchKey(Body, frozen=True):
    """What is left out stays. An empty list, or null, is as the key has it that asks."""

    name: Name | UnsetType = UNSET
    inboxes: Annotated[tuple[InboxName, ...], Meta(max_length=100)] | UnsetType = UNSET
    domains: Annotated[tuple[DomainName, ...], Meta(max_length=100)] | UnsetType = UNSET
    cidrs: Annotated[tuple[str, ...], Meta(max_length=100)] | UnsetType = UNSET
    requests_per_minute: Rate | UnsetType | None = UNSET
    burst: Rate | UnsetType | None = UNSET


class KeyShape(Shape, frozen=True):
    """`hint` is the last four digits; `key` the whole secret, in the answer that makes it alone.

    Without inboxes and domains it reaches everything of the tenant; `inbox_id`
    is there where it is bound to one inbox and nothing else.
    """

    id: str
    name: str
    mode: Mode
    hint: str
    scopes: tuple[str, ...]
    inbox_id: str | None
    inboxes: tuple[str, ...]
    domains: tuple[str, ...]
    cidrs: tuple[str, ...]
    requests_per_minute: int | None
    burst: int | None
    is_root: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    key: str | UnsetType = UNSET


KEY_EXAMPLE: dict[str, Any] = {
    "id": "key_01hw3k9v8g2e4r6t8y0a2s4d",
    "name": "billing",
    "mode": "live",
    "hint": "k3fz",
    "scopes": ["messages:read", "messages:send"],
    "inbox_id": None,
    "inboxes": [],
    "domains": [],
    "cidrs": ["192.0.2.0/24"],
    "requests_per_minute": 120,
    "burst": 20,
    "is_root": False,
    "created_at": "2026-03-02T09:00:00Z",
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": "2026-03-02T09:30:00Z",
}


def key_shape(key: ApiKey) -> KeyShape:
    return KeyShape(
        id=key.id,
        name=key.name,
        mode=key.mode,
        hint=key.hint,
        scopes=key.scopes,
        inbox_id=key.reach.only_inbox if key.reach else None,
        inboxes=key.reach.inboxes if key.reach else (),
        domains=key.reach.domains if key.reach else (),
        requests_per_minute=key.requests_per_minute,
        burst=key.burst,
        is_root=key.is_root,
        cidrs=tuple(map(str, key.cidrs)),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )


def fresh_shape(fresh: FreshKey) -> KeyShape:
    """With its secret, this once."""
    shape = key_shape(fresh.key)
    return KeyShape(
        **{name: getattr(shape, name) for name in shape.__struct_fields__} | {"key": fresh.secret}
    )
