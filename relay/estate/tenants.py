"""The tenants themselves: made, changed, suspended, and what each has used.

A tenant's mailboxes, keys and all else carry its id; here is what holds for
all of them. What changes is seen at once by this node, by others within
seconds.
"""

from relay.policy import days, quota, usage
from relay.policy.usage import TenantUsage, UsageCounter
from relay.station import Station
from relay.store.database import Transaction, Work
from relay.tenants import tenants
from relay.tenants.tenants import Tenant, TenantChanges


def adding(station: Station, name: str, monthly_quota: int | None = None) -> Work[Tenant]:
    """The work that adds a tenant. Run it through `directory.change`. Raises InvalidInput."""

    async def work(tx: Transaction) -> Tenant:
        return await tenants.add(tx, station.clock, name, monthly_quota)

    return work


def changing(station: Station, tenant_id: str, changes: TenantChanges) -> Work[Tenant]:
    """The work that changes what is given. Run it through `directory.change`. Raises NotFound, InvalidInput.

    A quota that is set where there was none counts what the month has used already.
    """

    async def work(tx: Transaction) -> Tenant:
        before = await tenants.get(tx, tenant_id)
        after = await tenants.update(tx, station.clock, tenant_id, changes)
        if before.monthly_quota is None and after.monthly_quota is not None:
            today = days.day_of(station.clock.now(), station.config.policy.cap_timezone)
            await quota.begin(tx, tenant_id, quota.month_of(today))
        return after

    return work


async def used(station: Station, tenant: Tenant) -> TenantUsage:
    """What the tenant has used today and this month, to this moment."""
    zone = station.config.policy.cap_timezone
    await UsageCounter(station.db, zone).catch_up()
    return await usage.usage_of(station.db, station.clock, tenant, zone)
