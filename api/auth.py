"""Who calls: the API key of the Authorization field, looked up anew for every request.

So a revoked key stops at once. A key that works is never shut out because of
others at its address: only what fails is counted there.
"""

import contextlib
from dataclasses import dataclass
from functools import lru_cache

from starlette.types import Scope

from api.fields import Fields
from api.house import House
from api.problems import Problem
from api.rates import Pace, Rates, RateStanding
from relay.clock import to_us
from relay.errors import StoreUnavailable
from relay.smtp_server.session import IpAddress, neighbourhood, unmapped
from relay.tenants import api_keys
from relay.tenants.api_keys import TOUCH_INTERVAL, ApiKey, Mode
from relay.tenants.reach import Reach
from relay.tenants.tenants import TenantStatus

TENANT_FIELD = b"x-tenant"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is. A root key may ask for another tenant than its own: `tenant_id` is whose."""

    key: ApiKey
    tenant_id: str

    @property
    def mode(self) -> Mode:
        return self.key.mode

    @property
    def scopes(self) -> tuple[str, ...]:
        return self.key.scopes

    @property
    def reach(self) -> Reach | None:
        """What the key is bound to; None where it reaches everything of the tenant."""
        return self.key.reach

    @property
    def only_inbox(self) -> str | None:
        """The one inbox that it is bound to, which need not be named then."""
        return self.key.reach.only_inbox if self.key.reach else None


class Gatekeeper:
    """Lets callers in, and counts: requests by key, failures by address (IPv6 by /64).

    A key may have a pace of its own.
    """

    def __init__(self, house: House) -> None:
        limits = house.config.limits
        self._house = house
        self._per_minute = limits.api_requests_per_minute
        self._requests = Rates(house.clock, limits.api_requests_per_minute)
        self._failures = Rates(house.clock, limits.auth_failures_per_minute)

    async def admit(self, scope: Scope, needed: str) -> Caller:
        """The caller, who may do what needs the scope `needed`; raises Problem (401, 403, 429)."""
        key = await self._find(scope)
        self._count(scope, key)
        if key.cidrs and not _comes_from(scope, key):
            raise Problem(403, "ip_not_allowed", "This key may not be used from this address.")
        if not key.allows(needed):
            raise Problem(403, "insufficient_scope", f"This key lacks the scope {needed}.")
        await self._check_tenant(key)
        await self._note_use(key)
        return Caller(key, await self._tenant(scope, key))

    def fields_of_rate(self, scope: Scope) -> Fields:
        """What is left: of the key's requests, or of the address's failures where there is no key."""
        standing: RateStanding = scope.get("rate") or self._failures.standing(_place(scope))
        return standing.fields

    async def _find(self, scope: Scope) -> ApiKey:
        secret = _bearer(scope)
        key = await api_keys.find_by_secret(self._house.db, secret) if secret else None
        if key is not None and key.is_usable(self._house.clock.now()):
            return key
        if self._failures.take(_place(scope)) is None:
            wait = self._failures.standing(_place(scope)).wait
            raise _too_many("Too many requests without a valid key from this address.", wait)
        challenge = 'Bearer realm="posthouse"' + (', error="invalid_token"' if secret else "")
        text = "This key is not valid." if secret else "An API key is needed: Authorization: Bearer ph_…"
        raise Problem(401, "unauthorized", text, headers={"WWW-Authenticate": challenge})

    def _count(self, scope: Scope, key: ApiKey) -> None:
        pace = Pace.of(key.requests_per_minute or self._per_minute, key.burst)
        granted = self._requests.take(key.id, pace)
        standing = granted or self._requests.standing(key.id, pace)
        scope["rate"] = standing
        if granted is None:
            raise _too_many("This key has asked too often.", standing.wait)

    async def _check_tenant(self, key: ApiKey) -> None:
        tenant = await self._house.directory.tenant(key.tenant_id)
        if tenant is not None and tenant.status is TenantStatus.SUSPENDED:
            raise Problem(403, "tenant_suspended", "The account of this key is suspended.")

    async def _tenant(self, scope: Scope, key: ApiKey) -> str:
        """Whose things are asked for: the key's own tenant's, or those that a root key names."""
        given = [value.decode("latin-1").strip() for name, value in scope["headers"] if name == TENANT_FIELD]
        if not given or given == [key.tenant_id]:
            return key.tenant_id
        if not key.is_root:
            raise Problem(403, "insufficient_scope", "Only a root key acts in another tenant than its own.")
        tenant = await self._house.directory.tenant(given[0]) if len(given) == 1 else None
        if tenant is None:
            raise Problem(403, "insufficient_scope", "X-Tenant names no tenant that is here.")
        return tenant.id

    async def _note_use(self, key: ApiKey) -> None:
        """Once a minute; a store that cannot be written is no reason to refuse a question."""
        clock, last = self._house.clock, key.last_used_at
        if last is not None and to_us(clock.now()) - to_us(last) < TOUCH_INTERVAL.total_seconds() * 1e6:
            return
        with contextlib.suppress(StoreUnavailable):
            await self._house.db.transact(lambda tx: api_keys.note_use(tx, clock, key))


def client_of(scope: Scope) -> IpAddress | None:
    """The client's address, as far as it is known; IPv4 inside IPv6 is IPv4."""
    client = scope.get("client")
    return _read_address(client[0]) if client else None


@lru_cache(maxsize=4096)  # who asks once asks again
def _read_address(text: str) -> IpAddress | None:
    try:
        return unmapped(text)
    except ValueError:  # a UNIX socket has none
        return None


def _comes_from(scope: Scope, key: ApiKey) -> bool:
    client = client_of(scope)
    return client is not None and key.allows_from(client)


def _place(scope: Scope) -> str:
    client = client_of(scope)
    return neighbourhood(client) if client else ""


def _bearer(scope: Scope) -> str | None:
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, secret = given[0].decode("latin-1").strip().partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None


def _too_many(text: str, wait: int) -> Problem:
    return Problem(429, "rate_limited", text, headers={"Retry-After": str(max(1, wait))})
