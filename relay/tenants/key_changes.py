"""Making, changing and revoking API keys, each with its event. Writes `api_keys`.

Whatever a key is bound to belongs to its own tenant, or the change is refused.
"""

import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from relay.clock import Clock, to_us
from relay.errors import InvalidInput, NotFound
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Transaction
from relay.tenants import guards, tenants
from relay.tenants import reach as reaches
from relay.tenants.api_keys import COLUMNS, EVERYTHING, ApiKey, Mode, Network, digest_of, get
from relay.tenants.domains import Domain
from relay.tenants.guards import Guards
from relay.tenants.mailboxes import Mailbox
from relay.tenants.reach import Reach

MAX_RATE = 1_000_000

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_SCOPE = re.compile(r"(?:\*|[a-z][a-z_-]{0,40}(?::(?:\*|[a-z][a-z_-]{0,40}))?)\Z")


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key is made from; `create` checks it."""

    name: str
    mode: Mode = "live"
    scopes: Sequence[str] = (EVERYTHING,)
    mailboxes: Sequence[Mailbox] = ()
    domains: Sequence[Domain] = ()
    cidrs: Sequence[str] = ()
    expires_at: datetime | None = None
    guards: Guards | None = None
    requests_per_minute: int | None = None
    burst: int | None = None
    is_root: bool = False


class KeyChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What `update` is to change; what is not given stays."""

    name: str | UnsetType = UNSET
    reach: Reach | UnsetType | None = UNSET
    cidrs: Sequence[str] | UnsetType = UNSET
    requests_per_minute: int | UnsetType | None = UNSET
    burst: int | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class FreshKey:
    """A key that was just made, with the one chance to see it."""

    key: ApiKey
    secret: str = field(repr=False)


async def create(tx: Transaction, clock: Clock, tenant_id: str, wanted: NewKey) -> FreshKey:
    """Make a key; raises InvalidInput for a name, scope, network or time that cannot be."""
    tenants.check_name(wanted.name)
    if wanted.expires_at is not None and wanted.expires_at <= clock.now():
        raise InvalidInput("a key cannot expire in the past", "expires_at")
    for mailbox in wanted.mailboxes:
        if mailbox.tenant_id != tenant_id:
            raise NotFound(f"no mailbox {mailbox.id}")
    for domain in wanted.domains:
        if domain.tenant_id != tenant_id:
            raise NotFound(f"no domain {domain.name}")
    if wanted.is_root and (wanted.mailboxes or wanted.domains):
        raise InvalidInput("a root key is bound to nothing")
    secret = f"ph_{wanted.mode}_" + "".join(secrets.choice(_DIGITS) for _ in range(40))
    key = ApiKey(
        id=new_id("key", clock),
        tenant_id=tenant_id,
        name=wanted.name,
        mode=wanted.mode,
        hint=secret[-4:],
        scopes=_scopes(wanted.scopes),
        cidrs=_networks(wanted.cidrs),
        created_at=clock.now(),
        expires_at=wanted.expires_at,
        revoked_at=None,
        last_used_at=None,
        guards=guards.checked(wanted.guards),
        reach=reaches.reach_of(wanted.mailboxes, [domain.name for domain in wanted.domains]),
        requests_per_minute=_rate(wanted.requests_per_minute, "requests_per_minute"),
        burst=_rate(wanted.burst, "burst"),
        is_root=wanted.is_root,
    )
    await _insert(tx, key, digest_of(secret))
    await _tell(tx, clock, EventKind.KEY_CREATED, key)
    return FreshKey(key, secret)


async def revoke(tx: Transaction, clock: Clock, tenant_id: str, key_id: str) -> bool:
    """Let the key work no longer; False when it did not already. Raises NotFound."""
    key = await get(tx, tenant_id, key_id)
    revoked = await tx.execute(
        "update api_keys set revoked_at = $1 where id = $2 and revoked_at is null",
        to_us(clock.now()),
        key.id,
    )
    if revoked:
        await _tell(tx, clock, EventKind.KEY_REVOKED, key)
    return bool(revoked)


async def update(tx: Transaction, clock: Clock, tenant_id: str, key_id: str, changes: KeyChanges) -> ApiKey:
    """The key with what is given, from the next request on; raises NotFound, InvalidInput."""
    before = await get(tx, tenant_id, key_id)
    given = {name: getattr(changes, name) for name in changes.__struct_fields__}
    if changes.cidrs is not UNSET:
        given["cidrs"] = _networks(changes.cidrs)
    key = replace(before, **{name: value for name, value in given.items() if value is not UNSET})
    tenants.check_name(key.name)
    if key.is_root and key.reach is not None:
        raise InvalidInput("a root key is bound to nothing", "inboxes")
    await tx.execute(
        "update api_keys set name = $1, reach = $2, cidrs = $3, requests_per_minute = $4, burst = $5"
        " where id = $6",
        key.name,
        reaches.to_json(key.reach),
        msgspec.json.encode([str(network) for network in key.cidrs]).decode(),
        _rate(key.requests_per_minute, "requests_per_minute"),
        _rate(key.burst, "burst"),
        key.id,
    )
    await _tell(tx, clock, EventKind.KEY_UPDATED, key, before=before)
    return key


async def set_guards(
    tx: Transaction, clock: Clock, tenant_id: str, key_id: str, wanted: Guards | None
) -> ApiKey:
    """From now on these hold for what is sent with the key; raises NotFound, InvalidInput."""
    before = await get(tx, tenant_id, key_id)
    key = replace(before, guards=guards.checked(wanted))
    await tx.execute("update api_keys set guards = $1 where id = $2", guards.pack(key.guards), key.id)
    await _tell(tx, clock, EventKind.KEY_UPDATED, key, before=before)
    return key


def _scopes(texts: Sequence[str]) -> tuple[str, ...]:
    if not texts:
        raise InvalidInput("a key without any scope can do nothing")
    for text in texts:
        if not _SCOPE.match(text):
            raise InvalidInput(f"{text!r} is no scope such as emails:send, emails:* or *")
    return tuple(sorted(set(texts)))


def _networks(texts: Sequence[str]) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(text.strip()) for text in texts)
    except ValueError as error:
        raise InvalidInput(f"not a network such as 192.0.2.0/24: {error}") from error


def _rate(wanted: int | None, field: str) -> int | None:
    if wanted is not None and not 1 <= wanted <= MAX_RATE:
        raise InvalidInput(f"is a number of requests from 1 to {MAX_RATE}", field)
    return wanted


async def _insert(tx: Transaction, key: ApiKey, digest: str) -> None:
    await tx.execute(
        f"insert into api_keys ({COLUMNS})"  # noqa: S608
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, null, null, $11, $12, $13, $14, $15)",
        key.id,
        key.tenant_id,
        key.name,
        key.mode,
        digest,
        key.hint,
        msgspec.json.encode(key.scopes).decode(),
        msgspec.json.encode([str(network) for network in key.cidrs]).decode(),
        to_us(key.created_at),
        None if key.expires_at is None else to_us(key.expires_at),
        guards.pack(key.guards),
        reaches.to_json(key.reach),
        key.requests_per_minute,
        key.burst,
        int(key.is_root),
    )


async def _tell(
    tx: Transaction, clock: Clock, kind: EventKind, key: ApiKey, *, before: ApiKey | None = None
) -> None:
    data = {"key_id": key.id, "name": key.name, "mode": key.mode, "hint": key.hint}
    inbox = key.reach.only_inbox if key.reach else None
    await log.append(
        tx,
        clock,
        kind,
        tenant_id=key.tenant_id,
        mailbox_id=inbox,
        data=data,
        before=None if before is None else _brief(before),
        after=None if kind is EventKind.KEY_REVOKED else _brief(key),
    )


def _brief(key: ApiKey) -> dict[str, Any]:
    """What it may do, as the audit log tells it."""
    return {
        "name": key.name,
        "scopes": key.scopes,
        "reach": None if key.reach is None else msgspec.to_builtins(key.reach),
        "cidrs": [str(network) for network in key.cidrs],
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        "requests_per_minute": key.requests_per_minute,
        "burst": key.burst,
        "is_root": key.is_root,
        "guards": None if key.guards is None else msgspec.to_builtins(key.guards),
    }
