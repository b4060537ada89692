"""One allowance for each mailbox and day, whichever door the mail comes through.

Allowance is reserved, not checked: one conditional statement in the
transaction that takes the mail on, so that however many come at once,
exactly as many recipients pass as the cap says.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from relay.clock import Clock, from_us
from relay.events import log
from relay.events.kinds import EventKind
from relay.policy import allowances, days, quota, warmup
from relay.policy.allowances import forget
from relay.policy.quota import MonthStanding, QuotaExceeded
from relay.policy.standing import DailyCapReached, Reservation, Standing, WarmupCapReached, WarmupStep
from relay.store.database import Reader, Transaction
from relay.tenants import mailboxes
from relay.tenants.mailboxes import Mailbox

__all__ = [
    "Caps",
    "DailyCapReached",
    "QuotaExceeded",
    "Reservation",
    "Standing",
    "WarmupCapReached",
    "WarmupStep",
    "forget",
    "give_back",
]

logger = logging.getLogger("posthouse.caps")

THRESHOLD_PERCENT = 80
# What `warned` remembers, so that each is said once a day.
_TOLD_THRESHOLD = 1
_TOLD_REACHED = 2


@dataclass(frozen=True, slots=True)
class Caps:
    """The rules of the house. `default_daily_cap` holds where a mailbox has none of its own."""

    clock: Clock
    default_daily_cap: int
    zone: ZoneInfo

    def today(self) -> str:
        return self.day_of(self.clock.now())

    def day_of(self, instant: datetime) -> str:
        """The day whose allowance mail that is released at `instant` draws on."""
        return days.day_of(instant, self.zone)

    def start_of(self, day: str) -> datetime:
        """When mail that waits for `day` may be released."""
        return days.start_of(day, self.zone)

    def end_of(self, day: str) -> datetime:
        """When the next day begins."""
        return days.end_of(day, self.zone)

    async def standing(self, reader: Reader, mailbox: Mailbox, day: str | None = None) -> Standing:
        """The mailbox's allowance on `day`, today if None."""
        day = day or self.today()
        done = await self.sending_days_before(reader, mailbox, day)
        return self._standing(mailbox, day, done, await allowances.used_on(reader, mailbox.id, day))

    async def left_of_quota(self, reader: Reader, mailbox: Mailbox, day: str) -> MonthStanding | None:
        """How the tenant stands in the month of `day`; None, and nothing is read, where it has no quota."""
        if mailbox.tenant_quota is None:
            return None
        month = quota.month_of(day)
        return await quota.standing(reader, mailbox.tenant_id, mailbox.tenant_quota, month, self.zone)

    async def left_of_all(self, reader: Reader) -> int:
        """What all mailboxes together may still send today, by their daily caps; warm-up may allow less."""
        return await allowances.left_of_all(reader, self.today(), self.default_daily_cap)

    async def check(self, reader: Reader, mailbox: Mailbox, day: str, count: int) -> Standing:
        """Raise DailyCapReached if `count` recipients would not pass now; nothing is reserved."""
        standing = await self.standing(reader, mailbox, day)
        if count > standing.left:
            raise DailyCapReached.of(mailbox, standing, count)
        return standing

    async def reserve(self, tx: Transaction, mailbox: Mailbox, day: str, count: int) -> Reservation:
        """Take allowance for `count` recipients on `day`: all of it, or raise DailyCapReached.

        With it the events at 80 % and at the cap, each once a mailbox and day.
        Where the tenant has a quota, its month pays too, or QuotaExceeded is
        raised. Whatever is raised, nothing is taken.
        """
        if count < 1:
            standing = await self.standing(tx, mailbox, day)
            return Reservation(day, standing.used, standing.cap)
        done = await self.sending_days_before(tx, mailbox, day)
        standing = self._standing(mailbox, day, done, 0)
        taken = await allowances.take(tx, mailbox, day, count, standing.cap)
        if taken is None:
            standing = replace(standing, used=await allowances.used_on(tx, mailbox.id, day))
            raise DailyCapReached.of(mailbox, standing, count)
        used, told = taken
        await self._take_quota(tx, mailbox, day, count)
        return await self._tell(tx, mailbox, replace(standing, used=used), told)

    async def next_free_day(
        self, reader: Reader, mailbox: Mailbox, count: int, from_day: str, horizon: timedelta
    ) -> str | None:
        """The first day from `from_day` on with allowance for `count`, within `horizon` of it; else None."""
        last = days.later(from_day, horizon.days)
        used = await allowances.used_between(reader, mailbox.id, from_day, last)
        done = await self.sending_days_before(reader, mailbox, from_day)
        day = from_day
        while day <= last:
            taken, is_stalled = used.get(day, (0, False))
            if count <= self._standing(mailbox, day, done, taken).left:
                return day
            if taken and not is_stalled and mailbox.warmup and warmup.grows_on(mailbox.warmup, day):
                done += 1
            day = days.later(day)
        return None

    async def pick_from_pool(
        self,
        reader: Reader,
        tenant_id: str,
        pool: str,
        count: int,
        day: str,
        suits: Callable[[Mailbox], bool] = lambda _: True,
    ) -> Mailbox | None:
        """The active mailbox of the pool with the most left on `day`, if that is enough for `count`.

        Only those that suit are asked: who may not write from the message's
        addresses cannot take it over.
        """
        best: tuple[int, Mailbox] | None = None
        for mailbox in filter(suits, await mailboxes.of_pool(reader, tenant_id, pool)):
            left = (await self.standing(reader, mailbox, day)).left
            if left >= count and (best is None or left > best[0]):
                best = (left, mailbox)
        return best[1] if best else None

    def _standing(self, mailbox: Mailbox, day: str, sending_days: int, used: int) -> Standing:
        daily_cap = self.default_daily_cap if mailbox.daily_cap is None else mailbox.daily_cap
        step = None
        if mailbox.warmup is not None:
            plan = mailbox.warmup.plan
            cap, upcoming = warmup.cap_after(plan, sending_days), warmup.cap_after(plan, sending_days + 1)
            grows = not mailbox.warmup.is_paused and sending_days < warmup.steps_of(plan)
            step = WarmupStep(sending_days + 1, cap, upcoming if grows else None)
        return Standing(
            day=day,
            daily_cap=daily_cap,
            cap=min(daily_cap, step.cap) if step else daily_cap,
            used=used,
            resets_at=days.end_of(day, self.zone),
            step=step,
        )

    async def sending_days_before(self, reader: Reader, mailbox: Mailbox, day: str) -> int:
        """How many sending days of its plan lie before `day`; no more are read than the plan is long."""
        if mailbox.warmup is None:
            return 0
        if mailbox.warmup.is_paused:
            return mailbox.warmup.done
        plan = mailbox.warmup.plan
        enough = (warmup.steps_of(plan) + 1) * (7 if plan.weekdays else 1)
        since = self.day_of(from_us(mailbox.warmup.since))
        with_mail = await allowances.days_with_mail(reader, mailbox.id, since, day, enough)
        return mailbox.warmup.done + warmup.sending_days(plan, with_mail)

    async def _take_quota(self, tx: Transaction, mailbox: Mailbox, day: str, count: int) -> None:
        if mailbox.tenant_quota is None:
            return
        try:
            await quota.take(tx, self.clock, mailbox, mailbox.tenant_quota, day, count, self.zone)
        except QuotaExceeded:
            # Others of the same transaction may go on.
            await allowances.give_back(tx, mailbox.id, day, count)
            raise

    async def _tell(self, tx: Transaction, mailbox: Mailbox, standing: Standing, told: int) -> Reservation:
        news = _crossed(standing) & ~told
        if news:
            await allowances.note_told(tx, mailbox.id, standing.day, told | news)
        reservation = Reservation(
            standing.day,
            standing.used,
            standing.cap,
            crossed_threshold=bool(news & _TOLD_THRESHOLD),
            reached_cap=bool(news & _TOLD_REACHED),
        )
        if reservation.crossed_threshold:
            await self._raise(tx, EventKind.USAGE_THRESHOLD, mailbox, standing)
        if reservation.reached_cap:
            await self._raise(tx, EventKind.MAILBOX_CAP_REACHED, mailbox, standing)
        return reservation

    async def _raise(self, tx: Transaction, kind: EventKind, mailbox: Mailbox, standing: Standing) -> None:
        logger.warning(
            "%s: %s: %d of %d recipients used on %s",
            kind.value,
            mailbox,
            standing.used,
            standing.cap,
            standing.day,
        )
        data = {
            "address": str(mailbox.address),
            "day": standing.day,
            "cap": standing.cap,
            "used": standing.used,
            "percent": standing.used * 100 // standing.cap,
            "resets_at": standing.resets_at,
            "warmup": standing.is_warming_up,
        }
        await log.append(tx, self.clock, kind, tenant_id=mailbox.tenant_id, mailbox_id=mailbox.id, data=data)


async def give_back(tx: Transaction, mailbox_id: str, day: str, count: int) -> None:
    """Return the allowance of `count` recipients that will not be sent on `day`, to mailbox and tenant."""
    await allowances.give_back(tx, mailbox_id, day, count)
    await quota.give_back(tx, mailbox_id, day, count)


def _crossed(standing: Standing) -> int:
    if not standing.used:
        return 0
    crossed = 0
    if standing.used * 100 >= standing.cap * THRESHOLD_PERCENT:
        crossed |= _TOLD_THRESHOLD
    if standing.used >= standing.cap:
        crossed |= _TOLD_REACHED
    return crossed
