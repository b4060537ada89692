"""One allowance for each tenant and month, where the tenant has a quota. Owns the table `tenant_months`.

It counts what the mailboxes' days count: recipients accepted for release, in
the month of their release day. It is reserved with that day, by one
conditional statement in the same transaction, so that however many come at
once exactly as many pass. For tenants without a quota nothing is counted:
when one is set, the month is summed up from the days.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from relay.clock import Clock
from relay.errors import PolicyRefusal
from relay.events import log
from relay.events.kinds import EventKind
from relay.policy import days
from relay.replies import SmtpReply
from relay.store.database import Reader, Transaction
from relay.tenants.mailboxes import Mailbox

THRESHOLD_PERCENT = 80


@dataclass(frozen=True, slots=True)
class MonthStanding:
    """A tenant's month, in recipients. `resets_at` is when the next one begins."""

    month: str
    quota: int
    used: int
    resets_at: datetime

    @property
    def left(self) -> int:
        return max(self.quota - self.used, 0)


class QuotaExceeded(PolicyRefusal):
    """The tenant has not enough left of its month."""

    code = "quota_exceeded"

    def __init__(self, tenant_id: str, standing: MonthStanding, asked: int) -> None:
        used = f"{standing.used} of {standing.quota} recipients used"
        asked_too = f", {asked} more asked for" if standing.left else ""
        until = f"{standing.resets_at:%Y-%m-%dT%H:%M:%SZ}"
        super().__init__(
            f"{tenant_id}: {used} in {standing.month}{asked_too}, more at {until}",
            SmtpReply(451, "4.7.1", f"Monthly quota reached: {used}{asked_too}; more at {until}"),
        )
        self.standing = standing
        self.resets_at = standing.resets_at

    def rate_headers(self, now: datetime) -> Mapping[str, str]:
        """What is left of the month, as a client reads it."""
        wait = math.ceil((self.resets_at - now).total_seconds())
        return {
            "RateLimit-Limit": str(self.standing.quota),
            "RateLimit-Remaining": str(self.standing.left),
            "RateLimit-Reset": str(max(0, wait)),
        }


def month_of(day: str) -> str:
    """The month of a day, such as 2026-11."""
    return day[:7]


def end_of(month: str, zone: ZoneInfo) -> datetime:
    """The first instant that is not in the month any more, in UTC."""
    return days.start_of(f"{month_of(days.later(f'{month}-01', 31))}-01", zone)


async def standing(reader: Reader, tenant_id: str, quota: int, month: str, zone: ZoneInfo) -> MonthStanding:
    """How the tenant stands in `month`."""
    row = await reader.fetch_one(
        "select used from tenant_months where tenant_id = $1 and month = $2", tenant_id, month
    )
    return MonthStanding(month, quota, row["used"] if row else 0, end_of(month, zone))


async def take(
    tx: Transaction, clock: Clock, mailbox: Mailbox, quota: int, day: str, count: int, zone: ZoneInfo
) -> None:
    """Reserve `count` recipients in the month of `day`: all of them, or raise QuotaExceeded.

    With it the event at 80 %, once a month.
    """
    tenant_id, month = mailbox.tenant_id, month_of(day)
    row = None
    if count <= quota:
        row = await tx.fetch_one(
            "insert into tenant_months (tenant_id, month, used, warned) values ($1, $2, $3, 0)"
            " on conflict (tenant_id, month) do update set used = tenant_months.used + excluded.used"
            " where tenant_months.used + excluded.used <= $4 returning used, warned",
            tenant_id,
            month,
            count,
            quota,
        )
    if row is None:
        raise QuotaExceeded(tenant_id, await standing(tx, tenant_id, quota, month, zone), count)
    if not row["warned"] and row["used"] * 100 >= quota * THRESHOLD_PERCENT:
        await _warn(tx, clock, tenant_id, MonthStanding(month, quota, row["used"], end_of(month, zone)))


async def give_back(tx: Transaction, mailbox_id: str, day: str, count: int) -> None:
    """Return `count` recipients that will not be sent on `day` after all."""
    await tx.execute(
        "update tenant_months set used = case when used > $1 then used - $1 else 0 end"
        " where tenant_id = (select tenant_id from mailboxes where id = $2) and month = $3",
        count,
        mailbox_id,
        month_of(day),
    )


async def begin(tx: Transaction, tenant_id: str, month: str) -> None:
    """From now on this month and those after it are counted: what the days say of them is used already."""
    await tx.execute("delete from tenant_months where tenant_id = $1 and month >= $2", tenant_id, month)
    await tx.execute(
        "insert into tenant_months (tenant_id, month, used, warned)"
        " select tenant_id, substr(day, 1, 7), sum(used), 0 from allowances"
        " where tenant_id = $1 and day >= $2 group by tenant_id, substr(day, 1, 7)",
        tenant_id,
        f"{month}-01",
    )


async def _warn(tx: Transaction, clock: Clock, tenant_id: str, now: MonthStanding) -> None:
    await tx.execute(
        "update tenant_months set warned = 1 where tenant_id = $1 and month = $2", tenant_id, now.month
    )
    data = {
        "tenant": tenant_id,
        "month": now.month,
        "quota": now.quota,
        "used": now.used,
        "percent": now.used * 100 // now.quota,
        "resets_at": now.resets_at,
    }
    await log.append(tx, clock, EventKind.USAGE_THRESHOLD, tenant_id=tenant_id, data=data)
