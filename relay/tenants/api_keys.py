"""The keys by which programs use the HTTP API. Owns the table `api_keys`.

A key is shown once, when it is made; kept is its SHA-256, which is enough
for 200 bits of chance. It may be narrowed to scopes, to networks, to mailboxes
and domains, and in time. A root key may make tenants and act in any of them.
"""

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hmac import compare_digest
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from relay.clock import Clock, from_us, span_us, to_us
from relay.errors import InvalidInput, NotFound
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction
from relay.tenants import guards, tenants
from relay.tenants import reach as reaches
from relay.tenants.domains import Domain
from relay.tenants.guards import Guards
from relay.tenants.mailboxes import Mailbox
from relay.tenants.reach import Reach

Mode: TypeAlias = Literal["live", "test"]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

EVERYTHING = "*"
TOUCH_INTERVAL = timedelta(minutes=1)
MAX_RATE = 1_000_000

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_KEY = re.compile(r"ph_(?:live|test)_[0-9a-hjkmnp-tv-z]{40}\Z")
_SCOPE = re.compile(r"(?:\*|[a-z][a-z_-]{0,40}(?::(?:\*|[a-z][a-z_-]{0,40}))?)\Z")
_COLUMNS = (
    "id, tenant_id, name, mode, hash, hint, scopes, cidrs, created_at, expires_at, revoked_at,"
    " last_used_at, guards, reach, requests_per_minute, burst, is_root"
)
# As `_read` takes them; the digest only finds the row.
_NAMES = tuple(name for name in _COLUMNS.replace(",", "").split() if name != "hash")
_SELECT = f"select {_COLUMNS} from api_keys"  # noqa: S608 - the columns are ours


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`hint` is the last four digits. Without `cidrs` a key works from anywhere, without `reach` on all.

    `guards`: what is sent with it goes only so. Without `requests_per_minute`
    the configuration says how many; `burst` of them may come at once, by
    default a minute's worth.
    """

    id: str
    tenant_id: str
    name: str
    mode: Mode
    hint: str
    scopes: tuple[str, ...]
    cidrs: tuple[Network, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    guards: Guards | None = None
    reach: Reach | None = None
    requests_per_minute: int | None = None
    burst: int | None = None
    is_root: bool = False

    def is_usable(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def allows(self, scope: str) -> bool:
        """Whether it may do what needs `scope`, such as `emails:send`."""
        area, _, _ = scope.partition(":")
        return not {scope, f"{area}:{EVERYTHING}", EVERYTHING}.isdisjoint(self.scopes)

    def allows_from(self, ip: IpAddress) -> bool:
        """Whether it may be used from `ip`; an IPv4 address inside IPv6 is the IPv4 address."""
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        return not self.cidrs or any((mapped or ip) in network for network in self.cidrs)


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
    await _insert(tx, key, _hash(secret))
    await _tell(tx, clock, EventKind.KEY_CREATED, key)
    return FreshKey(key, secret)


async def find_by_secret(reader: Reader, secret: str) -> ApiKey | None:
    """The key that a caller shows, also a revoked or expired one; None for what is no key of ours."""
    if not _KEY.match(secret):
        return None
    digest = _hash(secret)
    row = await reader.look_up(f"{_SELECT} where hash = $1", digest)
    return _from_row(row) if row is not None and compare_digest(row["hash"], digest) else None


async def list_of_tenant(
    reader: Reader,
    tenant_id: str,
    *,
    limit: int = 200,
    before_id: str | None = None,
    mode: Mode | None = None,
) -> list[ApiKey]:
    """The tenant's keys, newest first; `before_id` is the last one of the page before.

    With `mode` only those of it.
    """
    rows = await reader.fetch_all(
        f"{_SELECT} where tenant_id = $1 and ($2 = '' or id < $2)"
        " and ($3 = '' or mode = $3) order by id desc limit $4",
        tenant_id,
        before_id or "",
        mode or "",
        limit,
    )
    return [_from_row(row) for row in rows]


async def get(reader: Reader, tenant_id: str, key_id: str) -> ApiKey:
    """The tenant's key by id; raises NotFound, also for somebody else's."""
    row = await reader.fetch_one(f"{_SELECT} where tenant_id = $1 and id = $2", tenant_id, key_id)
    if row is None:
        raise NotFound(f"no key {key_id}")
    return _from_row(row)


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


async def note_use(tx: Transaction, clock: Clock, key: ApiKey) -> None:
    """Remember that the key was used, at most once in TOUCH_INTERVAL."""
    now = to_us(clock.now())
    await tx.execute(
        "update api_keys set last_used_at = $1 where id = $2 and coalesce(last_used_at, 0) <= $3",
        now,
        key.id,
        now - span_us(TOUCH_INTERVAL),
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


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
        f"insert into api_keys ({_COLUMNS})"  # noqa: S608
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


def _from_row(row: Row) -> ApiKey:
    return _read(*[row[name] for name in _NAMES])


@lru_cache(maxsize=1024)  # a row seldom changes, and is read for each request
def _read(
    id_: str,
    tenant_id: str,
    name: str,
    mode: Mode,
    hint: str,
    scopes: str,
    cidrs: str,
    created_at: int,
    expires_at: int | None,
    revoked_at: int | None,
    last_used_at: int | None,
    guards_: str | None,
    reach: str | None,
    requests_per_minute: int | None,
    burst: int | None,
    is_root: int,
) -> ApiKey:
    return ApiKey(
        id=id_,
        tenant_id=tenant_id,
        name=name,
        mode=mode,
        hint=hint,
        scopes=msgspec.json.decode(scopes, type=tuple[str, ...]),
        cidrs=_networks(msgspec.json.decode(cidrs, type=list[str])),
        created_at=from_us(created_at),
        expires_at=_instant(expires_at),
        revoked_at=_instant(revoked_at),
        last_used_at=_instant(last_used_at),
        guards=guards.unpack(guards_),
        reach=reaches.from_json(reach),
        requests_per_minute=requests_per_minute,
        burst=burst,
        is_root=bool(is_root),
    )


def _instant(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)
