"""A mailbox's warm-up: where it stands, begun, moved, paused, resumed and ended.

The rules are `policy.warmup`, what is used of each day `policy.allowances`,
and whether it may grow `policy.health`, by figures of the last days.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from relay.clock import to_us
from relay.config import WarmupPlan
from relay.errors import InvalidInput, NotFound
from relay.policy import allowances, days, health, warmup
from relay.policy.caps import Caps, Standing
from relay.policy.health import Health
from relay.station import Station
from relay.store.database import Reader, Transaction, Work
from relay.tenants import mailbox_changes, mailboxes
from relay.tenants.mailboxes import Mailbox, Warmup

# `growing`: each sending day brings more. `standing_still`: not today, for its health.
Progress = Literal["growing", "standing_still", "paused", "full"]


@dataclass(frozen=True, slots=True)
class WarmupView:
    """Where a mailbox stands in its plan today; `full_on` is None while it is paused, or for ever."""

    mailbox: Mailbox
    warmup: Warmup
    standing: Standing
    progress: Progress
    done: int
    days: int
    full_on: str | None
    health: Health


class NotWarming(NotFound):
    """The mailbox has no warm-up plan."""

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(f"{mailbox} has no warm-up plan")


async def describe(station: Station, reader: Reader, mailbox: Mailbox) -> WarmupView:
    """As it stands now; raises NotWarming."""
    if mailbox.warmup is None:
        raise NotWarming(mailbox)
    caps = _caps(station)
    today = caps.today()
    done = await caps.sending_days_before(reader, mailbox, today)
    standing = await caps.standing(reader, mailbox, today)
    needed = warmup.days_until_full(mailbox.warmup.plan, done, standing.daily_cap)
    is_stalled = await allowances.is_stalled(reader, mailbox.id, today)
    return WarmupView(
        mailbox=mailbox,
        warmup=mailbox.warmup,
        standing=standing,
        progress=_progress(mailbox.warmup, needed, is_stalled=is_stalled),
        done=done,
        days=done + needed,
        full_on=_full_on(mailbox.warmup, days.later(today) if is_stalled else today, needed),
        health=await health.find(reader, mailbox.id),
    )


def beginning(
    station: Station, mailbox: Mailbox, plan: WarmupPlan, name: str | None, day: int
) -> Work[WarmupView]:
    """The work that has it follow a plan from the plan's `day` on, the first of which is 1."""
    done = _days_done(plan, day)

    async def change(_tx: Transaction, _current: Mailbox) -> Warmup:
        return Warmup(plan, to_us(station.clock.now()), name, done)

    return _changing(station, mailbox, change)


def moving(
    station: Station, mailbox: Mailbox, plan: tuple[WarmupPlan, str | None] | None, day: int | None
) -> Work[WarmupView]:
    """The work that gives it another plan, another place in it, or both; what is not given stays."""

    async def change(tx: Transaction, current: Mailbox) -> Warmup:
        now = await _frozen(station, tx, current)
        followed, name = plan if plan is not None else (now.plan, now.name)
        done = now.done if day is None else _days_done(followed, day)
        return Warmup(followed, now.since, name, done, now.paused_at)

    return _changing(station, mailbox, change)


def pausing(station: Station, mailbox: Mailbox) -> Work[WarmupView]:
    """The work that has it keep its present cap until it is resumed; paused already, nothing changes."""

    async def change(tx: Transaction, current: Mailbox) -> Warmup:
        now = await _frozen(station, tx, current)
        return Warmup(now.plan, now.since, now.name, now.done, now.paused_at or to_us(station.clock.now()))

    return _changing(station, mailbox, change)


def resuming(station: Station, mailbox: Mailbox) -> Work[WarmupView]:
    """The work that has it grow again, beginning with today; where it grows, nothing changes."""

    async def change(tx: Transaction, current: Mailbox) -> Warmup:
        now = await _frozen(station, tx, current)
        return Warmup(now.plan, now.since, now.name, now.done)

    return _changing(station, mailbox, change)


def ending(station: Station, mailbox: Mailbox) -> Work[None]:
    """The work that takes its plan away: from now on its daily cap alone holds."""

    async def work(tx: Transaction) -> None:
        current = await mailboxes.get(tx, mailbox.tenant_id, mailbox.id)
        _warming(current)
        await mailbox_changes.set_warmup(tx, station.clock, current, None)

    return work


def _changing(
    station: Station, mailbox: Mailbox, change: Callable[[Transaction, Mailbox], Awaitable[Warmup]]
) -> Work[WarmupView]:
    """Run it through `directory.change`. Raises NotFound, NotWarming, InvalidInput."""

    async def work(tx: Transaction) -> WarmupView:
        current = await mailboxes.get(tx, mailbox.tenant_id, mailbox.id)
        wanted = await change(tx, current)
        changed = await mailbox_changes.set_warmup(tx, station.clock, current, wanted)
        return await describe(station, tx, changed)

    return work


async def _frozen(station: Station, reader: Reader, mailbox: Mailbox) -> Warmup:
    """Its warm-up with the days behind it counted, so that it goes on from today whatever is changed."""
    before = _warming(mailbox)
    caps = _caps(station)
    done = await caps.sending_days_before(reader, mailbox, caps.today())
    return replace(before, since=to_us(station.clock.now()), done=done)


def _warming(mailbox: Mailbox) -> Warmup:
    if mailbox.warmup is None:
        raise NotWarming(mailbox)
    return mailbox.warmup


def _days_done(plan: WarmupPlan, day: int) -> int:
    days_of_plan = warmup.steps_of(plan) + 1
    if day > days_of_plan:
        raise InvalidInput(f"the plan has {days_of_plan} days", "day")
    return day - 1


def _progress(followed: Warmup, needed: int, *, is_stalled: bool) -> Progress:
    if needed == 0:
        return "full"
    if followed.is_paused:
        return "paused"
    return "standing_still" if is_stalled else "growing"


def _full_on(followed: Warmup, first: str, needed: int) -> str | None:
    """When it is full if mail goes every day from `first` on."""
    return None if followed.is_paused and needed else warmup.day_after(followed.plan, first, needed)


def _caps(station: Station) -> Caps:
    policy = station.config.policy
    return Caps(station.clock, policy.default_daily_cap, policy.cap_timezone)
