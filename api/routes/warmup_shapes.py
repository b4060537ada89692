"""A warm-up as the API takes and shows it."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from api.routes.inbox_shapes import Plan
from api.shapes import Body, Shape
from relay.analytics.judging import rounded
from relay.clock import from_us
from relay.config.warmup import WarmupPlan
from relay.estate.warmups import Progress, WarmupView
from relay.policy.health import WINDOW, Rates, State

Day = Annotated[int, Meta(ge=1, le=100_000, description="of the plan; the first is 1")]


class NewWarmup(Body, frozen=True):
    """A plan by name, `start=20,factor=1.3,ceiling=200`, or `5,10,20,40`; from its first day or later."""

    plan: Plan
    day: Day = 1


class WarmupChanges(Body, frozen=True):
    """What is left out stays: another plan goes on after the days that are done."""

    plan: Plan | None = None
    day: Day | None = None


class PlanShape(Shape, frozen=True):
    """`name` is null for a plan that was spelled out. With a `table` the three numbers mean nothing."""

    name: str | None
    start: int
    factor: float
    ceiling: int
    table: tuple[int, ...]
    weekdays: tuple[str, ...]


class WarmupHealth(Shape, frozen=True):
    """The last `days`. A warm-up in bad health stands still; `bad_since` is null where it is well."""

    status: State
    bad_since: datetime | None
    days: int
    sent: int
    delivered: int
    bounced: int
    complained: int
    bounce_rate: float | None
    complaint_rate: float | None


class WarmupShape(Shape, frozen=True):
    """`day` of `days` until the plan limits no more than `daily_cap`.

    `cap` is today's, `next_cap` that of the next day with mail; null where it grows no more.
    `full_on` is the day from which on it is full, if mail goes out every day; null while it is paused.
    """

    inbox_id: str
    address: str
    status: Progress
    plan: PlanShape
    since: datetime
    paused_at: datetime | None
    day: int
    days: int
    cap: int
    used_today: int
    left_today: int
    next_cap: int | None
    daily_cap: int
    resets_at: datetime
    full_on: str | None
    health: WarmupHealth


def warmup_shape(view: WarmupView, rates: Rates) -> WarmupShape:
    standing = view.standing
    return WarmupShape(
        inbox_id=view.mailbox.id,
        address=str(view.mailbox.address),
        status=view.progress,
        plan=_plan(view.warmup.plan, view.warmup.name),
        since=from_us(view.warmup.since),
        paused_at=from_us(view.warmup.paused_at) if view.warmup.paused_at is not None else None,
        day=view.done + 1,
        days=view.days + 1,
        cap=standing.cap,
        used_today=standing.used,
        left_today=standing.left,
        next_cap=_next_cap(view),
        daily_cap=standing.daily_cap,
        resets_at=standing.resets_at,
        full_on=view.full_on,
        health=_health(view, rates),
    )


def _next_cap(view: WarmupView) -> int | None:
    following = view.standing.step.next_cap if view.standing.step else None
    if following is None:
        return None
    return view.standing.cap if view.progress == "standing_still" else min(following, view.standing.daily_cap)


def _plan(plan: WarmupPlan, name: str | None) -> PlanShape:
    return PlanShape(
        name=name,
        start=plan.start,
        factor=plan.factor,
        ceiling=plan.ceiling,
        table=plan.table,
        weekdays=plan.weekdays,
    )


def _health(view: WarmupView, rates: Rates) -> WarmupHealth:
    return WarmupHealth(
        status=view.health.state,
        bad_since=view.health.since if view.health.state == "bad" else None,
        days=WINDOW.days,
        sent=rates.sent,
        delivered=rates.delivered,
        bounced=rates.bounced,
        complained=rates.complained,
        bounce_rate=rounded(rates.bounce_rate),
        complaint_rate=rounded(rates.complaint_rate),
    )


WARMUP_EXAMPLE: dict[str, Any] = {
    "inbox_id": "inb_01hw3k9v8g2e4r6t8y0a2s4d",
    "address": "ann@example.com",
    "status": "growing",
    "plan": {
        "name": "gentle",
        "start": 10,
        "factor": 1.25,
        "ceiling": 1000,
        "table": [],
        "weekdays": [],
    },
    "since": "2026-03-02T09:00:00Z",
    "paused_at": None,
    "day": 3,
    "days": 11,
    "cap": 15,
    "used_today": 4,
    "left_today": 11,
    "next_cap": 19,
    "daily_cap": 75,
    "resets_at": "2026-03-05T00:00:00Z",
    "full_on": "2026-03-12",
    "health": {
        "status": "well",
        "bad_since": None,
        "days": 7,
        "sent": 26,
        "delivered": 25,
        "bounced": 1,
        "complained": 0,
        "bounce_rate": 0.03846,
        "complaint_rate": 0.0,
    },
}
