"""The warm-up schedule: how many sending days are done → how much may go today.

A sending day is a day of `cap_timezone` for which the mailbox reserved
allowance, on one of the plan's weekdays. On any other day the plan stands
still: its present cap holds, so that nothing is refused for being Sunday's
mail, and nothing grows for it. Everything here is a pure function.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from relay.config import WarmupPlan
from relay.config.warmup import PLANS
from relay.errors import InvalidInput
from relay.policy import days
from relay.policy.days import weekday_of
from relay.tenants.mailboxes import Warmup


def cap_after(plan: WarmupPlan, sending_days: int) -> int:
    """The plan's cap when `sending_days` of them are done; 0 is its first day."""
    if plan.table:
        return plan.table[min(sending_days, len(plan.table) - 1)]
    if sending_days >= steps_of(plan):
        return plan.ceiling
    # A hair more, because 100 * 1.15 is 114.99999999999999.
    return min(plan.ceiling, math.floor(plan.start * plan.factor**sending_days + 1e-9))


def steps_of(plan: WarmupPlan) -> int:
    """After how many sending days the plan grows no more."""
    if plan.table:
        return len(plan.table) - 1
    if plan.start >= plan.ceiling:
        return 0
    return math.ceil(math.log(plan.ceiling / plan.start) / math.log(plan.factor))


def counts(plan: WarmupPlan, day: str) -> bool:
    """Whether a day with mail brings the plan forward."""
    return not plan.weekdays or weekday_of(day) in plan.weekdays


def grows_on(warmup: Warmup, day: str) -> bool:
    """Whether a day with mail brings the mailbox forward in its plan."""
    return not warmup.is_paused and counts(warmup.plan, day)


def days_until_full(plan: WarmupPlan, done: int, daily_cap: int) -> int:
    """How many sending days more until the plan limits no more than the daily cap, or grows no more."""
    target = min(daily_cap, cap_after(plan, steps_of(plan)))
    # The cap never falls while a plan grows by a factor; a table may say anything.
    if plan.table:
        steps = (step for step in range(len(plan.table)) if plan.table[step] >= target)
        full = next(steps, len(plan.table) - 1)
    else:
        full = _first_step(plan, target)
    return max(full - done, 0)


def _first_step(plan: WarmupPlan, target: int) -> int:
    """The first step whose cap is at least `target`: between two ends that come together."""
    low, high = 0, steps_of(plan)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if cap_after(plan, middle) >= target else (middle + 1, high)
    return low


def day_after(plan: WarmupPlan, first: str, sending_days: int) -> str | None:
    """The first day from `first` on with so many sending days before it; None beyond the calendar."""
    try:
        if not plan.weekdays or not sending_days:
            return days.later(first, sending_days)
        # Whole weeks at once; the last of the sending days ends somewhere in a week.
        weeks, rest = divmod(sending_days - 1, len(set(plan.weekdays)))
        day = days.later(first, weeks * 7)
        while rest >= 0:
            rest -= counts(plan, day)
            day = days.later(day)
    except OverflowError:
        return None
    return day


def sending_days(plan: WarmupPlan, days_with_mail: Iterable[str]) -> int:
    """How many of the days with mail bring the plan forward."""
    return sum(counts(plan, day) for day in days_with_mail)


def parse_plan(text: str, plans: Mapping[str, WarmupPlan] | None = None) -> WarmupPlan:
    """A plan as people write it: a name, `start=20,factor=1.3,ceiling=200`, `5,10,20,40`, or JSON.

    `plans` are the configured ones, which stand before ours of the same name.
    Raises InvalidInput, which lists the names.
    """
    known = {**PLANS, **(plans or {})}
    text = text.strip()
    if text in known:
        return known[text]
    try:
        return msgspec.convert(_read_plan(text), WarmupPlan, strict=False)
    except (msgspec.MsgspecError, ValueError) as error:
        names = ", ".join(sorted(known))
        raise InvalidInput(
            f"{text!r} is no warm-up plan ({error}): give one of {names},"
            " or start=20,factor=1.3,ceiling=200, or the caps themselves as 5,10,20,40"
        ) from error


def _read_plan(text: str) -> dict[str, Any]:
    if text.startswith("{"):
        plan: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        return plan
    parts = [part.strip() for part in text.split(",")]
    if all(part.isdecimal() for part in parts):
        return {"table": parts}
    fields: dict[str, Any] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} is not name=value")
        # weekdays=mon+tue, because the comma is taken
        fields[name.strip()] = value.strip().split("+") if name.strip() == "weekdays" else value.strip()
    return fields
