"""The keys by which programs use the HTTP API, and how they are found. Owns the table `api_keys`.

A key is shown once, when it is made; kept is its SHA-256, which is enough
for 200 bits of chance. It may be narrowed to scopes, to networks, to mailboxes
and domains, and in time. A root key may make tenants and act in any of them.
What people decide about keys is in `key_changes`.
"""

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hmac import compare_digest
from typing import Literal, TypeAlias

import msgspec

from relay.clock import Clock, from_us, span_us, to_us
from relay.errors import NotFound
from relay.store.database import Reader, Row, Transaction
from relay.tenants import guards
from relay.tenants import reach as reaches
from relay.tenants.guards import Guards
from relay.tenants.reach import Reach

Mode: TypeAlias = Literal["live", "test"]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

EVERYTHING = "*"
TOUCH_INTERVAL = timedelta(minutes=1)
COLUMNS = (
    "id, tenant_id, name, mode, hash, hint, scopes, cidrs, created_at, expires_at, revoked_at,"
    " last_used_at, guards, reach, requests_per_minute, burst, is_root"
)

_KEY = re.compile(r"ph_(?:live|test)_[0-9a-hjkmnp-tv-z]{40}\Z")
# As `_read` takes them; the digest only finds the row.
_NAMES = tuple(name for name in COLUMNS.replace(",", "").split() if name != "hash")
_SELECT = f"select {COLUMNS} from api_keys"  # noqa: S608 - the columns are ours


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


def digest_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def find_by_secret(reader: Reader, secret: str) -> ApiKey | None:
    """The key that a caller shows, also a revoked or expired one; None for what is no key of ours."""
    if not _KEY.match(secret):
        return None
    digest = digest_of(secret)
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


async def owner_of(reader: Reader, key_id: str) -> str:
    """The id of the tenant whose key it is; raises NotFound."""
    row = await reader.fetch_one("select tenant_id from api_keys where id = $1", key_id)
    if row is None:
        raise NotFound(f"no key {key_id}")
    tenant_id: str = row["tenant_id"]
    return tenant_id


async def note_use(tx: Transaction, clock: Clock, key: ApiKey) -> None:
    """Remember that the key was used, at most once in TOUCH_INTERVAL."""
    now = to_us(clock.now())
    await tx.execute(
        "update api_keys set last_used_at = $1 where id = $2 and coalesce(last_used_at, 0) <= $3",
        now,
        key.id,
        now - span_us(TOUCH_INTERVAL),
    )


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
        cidrs=tuple(map(ipaddress.ip_network, msgspec.json.decode(cidrs, type=list[str]))),
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
