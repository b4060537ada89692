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
from relay.policy.days import weekday_of


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
