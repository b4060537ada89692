"""Figures as the API shows them, and how a span of time is asked for."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from api.problems import invalid
from api.shapes import Query, Shape
from relay.analytics.buckets import ERROR
from relay.analytics.judging import rounded
from relay.analytics.reading import Figures

Instant = Annotated[datetime, Meta(tz=True)]
Period = Annotated[
    str, Meta(pattern=r"^[0-9]{1,4}[hd]$", description="hours or days until now or `until`: 24h, 7d")
]
Value = Annotated[str, Meta(min_length=1, max_length=400)]
Inbox = Annotated[str, Meta(min_length=1, max_length=400, description="id or address")]
_PERIOD: Final = re.compile(r"([0-9]{1,4})([hd])\Z")
LONGEST: Final = timedelta(days=1100)


class Asked(Query, frozen=True):
    """When, and of which mail: all, or that of one domain, provider, tag, template or mailbox."""

    period: Period | None = None
    since: Instant | None = None
    until: Instant | None = None
    domain: Value | None = None
    provider: Value | None = None
    tag: Value | None = None
    template: Value | None = None
    mailbox: Inbox | None = None


class AskedSeries(Asked, frozen=True, kw_only=True):
    """By hour or day; `by` has a series for each of the `top` values that most was sent to."""

    interval: Literal["hour", "day"] = "day"
    by: Literal["domain", "provider", "tag", "template", "mailbox"] | None = None
    top: Annotated[int, Meta(ge=1, le=50)] = 10


class Rates(Shape, frozen=True):
    """Shares from 0 to 1 of what happened in the span, null where there was nothing.

    Deliveries and bounces are of `sent`, all others of `delivered`.
    """

    delivery: float | None
    bounce: float | None
    complaint: float | None
    open: float | None
    click: float | None
    unsubscribe: float | None


class DeliveryTime(Shape, frozen=True):
    """Seconds from when the mail began to travel; off by `error` of itself at most."""

    median: float | None
    p95: float | None
    error: float = ERROR


class FiguresShape(Shape, frozen=True):
    """Recipients. `sent` counts each once, at the first attempt; what people do once each, machines not."""

    accepted: int
    sent: int
    delivered: int
    deferred: int
    bounced: int
    expired: int
    suppressed: int
    canceled: int
    complained: int
    opened: int
    clicked: int
    unsubscribed: int
    rates: Rates
    time_to_delivery: DeliveryTime


class Summary(FiguresShape, frozen=True):
    """Of whole hours, or whole days where hours are not kept any more: `since` and `until` say which.

    `counted_until` is when the last event happened that is in it.
    """

    since: datetime
    until: datetime
    counted_until: datetime | None


class PointShape(FiguresShape, frozen=True):
    """One hour or day, from `at` on."""

    at: datetime


class SeriesShape(Shape, frozen=True):
    """One value, or all mail (null): its sum, and every hour or day in order, also empty ones."""

    value: str | None
    total: FiguresShape
    points: list[PointShape]


class SeriesAnswer(Shape, frozen=True):
    """`data` is ordered by what was sent, the most first; what had too many values is `(others)`."""

    interval: Literal["hour", "day"]
    by: str | None
    since: datetime
    until: datetime
    counted_until: datetime | None
    data: list[SeriesShape]


def span_of(asked: Asked, now: datetime, *, default: timedelta) -> tuple[datetime, datetime]:
    """From when to when; raises Problem (422)."""
    until = _in_range(asked.until, "?until") if asked.until else now
    if asked.period is not None and asked.since is not None:
        raise invalid("?period", "stands beside ?since: give one of them")
    span = _length(asked.period) if asked.period is not None else default
    since = _in_range(asked.since, "?since") if asked.since else until - span
    if since >= until:
        raise invalid("?since", "is not before the end")
    if until - since > LONGEST:
        raise invalid("?since" if asked.since else "?period", f"is more than {LONGEST.days} days")
    return since, until


def _length(period: str) -> timedelta:
    found = _PERIOD.match(period)
    length = timedelta(**{"hours" if found[2] == "h" else "days": int(found[1])}) if found else timedelta()
    if not length:
        raise invalid("?period", "is a number of hours or days, such as 24h or 7d")
    return length


def _in_range(instant: datetime, path: str) -> datetime:
    """In UTC; only what the store can say, with room for a period before it."""
    try:
        moved = instant.astimezone(UTC)
    except OverflowError as error:
        raise invalid(path, "is beyond the calendar") from error
    if not 1980 <= moved.year <= 9000:
        raise invalid(path, "is beyond the years 1980 to 9000")
    return moved


def fields_of(figures: Figures) -> dict[str, Any]:
    """What every shape of figures has."""
    return {
        **figures.counts,
        "rates": Rates(
            delivery=rounded(figures.rate("delivered", "sent")),
            bounce=rounded(figures.rate("bounced", "sent")),
            complaint=rounded(figures.rate("complained", "delivered")),
            open=rounded(figures.rate("opened", "delivered")),
            click=rounded(figures.rate("clicked", "delivered")),
            unsubscribe=rounded(figures.rate("unsubscribed", "delivered")),
        ),
        "time_to_delivery": DeliveryTime(median=figures.took(0.5), p95=figures.took(0.95)),
    }


FIGURES_EXAMPLE: dict[str, Any] = {
    "accepted": 410,
    "sent": 400,
    "delivered": 390,
    "deferred": 12,
    "bounced": 8,
    "expired": 0,
    "suppressed": 10,
    "canceled": 0,
    "complained": 0,
    "opened": 156,
    "clicked": 39,
    "unsubscribed": 2,
    "rates": {
        "delivery": 0.975,
        "bounce": 0.02,
        "complaint": 0.0,
        "open": 0.4,
        "click": 0.1,
        "unsubscribe": 0.00513,
    },
    "time_to_delivery": {"median": 1.4, "p95": 6.2, "error": 0.05},
}
