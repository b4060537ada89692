"""What each tenant had accepted on each day, by door: counted from the event log. Owns `tenant_days`.

A day is one of `policy.cap_timezone`, and the day on which we took the mail
on. Trials and our own reports are not counted. The counts and the place up to
which the log was read are written in one transaction, so that nothing is
counted twice however often we die here, and whoever else counts.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from relay.clock import Clock, from_us
from relay.events import log
from relay.events.kinds import EventKind
from relay.policy import allowances, days, quota
from relay.policy.quota import MonthStanding
from relay.store.database import Database, Reader, Row, Transaction
from relay.tenants.tenants import Tenant

CURSOR = "usage"
# Events looked at in one step.
SPAN = 50_000
# Every time zone is off by a multiple of this.
_QUARTER = 15 * 60 * 1_000_000

_COUNTED = (
    "select tenant_id, at / $4 as quarter, {json_text:data,source} as door, count(*) as messages,"
    " sum(cast({json_text:data,recipients} as {bigint})) as recipients from events"
    " where seq > $1 and seq <= $2 and kind = $3 and {json_text:data,allowance_day} is not null"
    " group by tenant_id, at / $4, {json_text:data,source}"
)


@dataclass(frozen=True, slots=True)
class Used:
    """Messages and recipients by door, over some days."""

    messages: int
    recipients: int
    by_door: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """`reserved_today` is what is used of the mailboxes' day; `quota` is None for a tenant without one."""

    day: str
    month: str
    today: Used
    this_month: Used
    reserved_today: int
    reserved_this_month: int
    quota: MonthStanding | None


@dataclass(slots=True)
class UsageCounter:
    """Reads the log after a cursor of its own."""

    db: Database
    zone: ZoneInfo

    async def catch_up(self) -> None:
        """Count everything that is in the log."""
        while await self.step():
            pass

    async def step(self) -> bool:
        """Count on from the cursor, for SPAN at most; returns whether there may be more."""
        seq, last = await log.read_cursor(self.db, CURSOR), await log.last_seq(self.db)
        upto = min(last, seq + SPAN)
        if upto <= seq:
            return False
        rows = await self.db.fetch_all(_COUNTED, seq, upto, EventKind.MESSAGE_ACCEPTED.value, _QUARTER)
        counted = self._by_day(rows)

        async def work(tx: Transaction) -> None:
            if await log.read_cursor(tx, CURSOR) == seq:  # else somebody has counted these
                await _add(tx, counted)
                await log.move_cursor(tx, CURSOR, upto)

        await self.db.transact(work)
        return upto < last

    def _by_day(self, rows: Sequence[Row]) -> Mapping[tuple[str, str, str], tuple[int, int]]:
        sums: defaultdict[tuple[str, str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
        for row in rows:
            day = days.day_of(from_us(row["quarter"] * _QUARTER), self.zone)
            key = row["tenant_id"], day, row["door"]
            messages, recipients = sums[key]
            sums[key] = messages + row["messages"], recipients + int(row["recipients"] or 0)
        return sums


async def usage_of(reader: Reader, clock: Clock, tenant: Tenant, zone: ZoneInfo) -> TenantUsage:
    """What the tenant has used today and this month, as far as it is counted."""
    day = days.day_of(clock.now(), zone)
    month = quota.month_of(day)
    first, last = f"{month}-01", f"{month}-31"
    limit = tenant.monthly_quota
    return TenantUsage(
        day=day,
        month=month,
        today=await _between(reader, tenant.id, day, day),
        this_month=await _between(reader, tenant.id, first, last),
        reserved_today=await allowances.used_of_tenant(reader, tenant.id, day, day),
        reserved_this_month=await allowances.used_of_tenant(reader, tenant.id, first, last),
        quota=None if limit is None else await quota.standing(reader, tenant.id, limit, month, zone),
    )


async def _between(reader: Reader, tenant_id: str, first: str, last: str) -> Used:
    rows = await reader.fetch_all(
        "select door, sum(messages) as messages, sum(recipients) as recipients from tenant_days"
        " where tenant_id = $1 and day >= $2 and day <= $3 group by door order by door",
        tenant_id,
        first,
        last,
    )
    by_door = {row["door"]: (int(row["messages"]), int(row["recipients"])) for row in rows}
    return Used(
        sum(messages for messages, _ in by_door.values()),
        sum(recipients for _, recipients in by_door.values()),
        by_door,
    )


async def _add(tx: Transaction, counted: Mapping[tuple[str, str, str], tuple[int, int]]) -> None:
    for (tenant_id, day, door), (messages, recipients) in counted.items():
        await tx.execute(
            "insert into tenant_days (tenant_id, day, door, messages, recipients) values ($1, $2, $3, $4, $5)"
            " on conflict (tenant_id, day, door) do update"
            " set messages = tenant_days.messages + excluded.messages,"
            " recipients = tenant_days.recipients + excluded.recipients",
            tenant_id,
            day,
            door,
            messages,
            recipients,
        )
