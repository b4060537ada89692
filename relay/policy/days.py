"""Days of the calendar in `policy.cap_timezone`: the spans over which a cap is counted.

A day is its ISO date, so days sort as texts. It lasts from one local midnight
to the next, which is 23 or 25 hours where clocks change; where midnight
itself is skipped it begins with the first instant after it.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_ONE = timedelta(days=1)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def day_of(instant: datetime, zone: ZoneInfo) -> str:
    """The day in which an aware instant lies."""
    return instant.astimezone(zone).date().isoformat()


@lru_cache(maxsize=1024)  # of the same few days is asked all the time
def start_of(day: str, zone: ZoneInfo) -> datetime:
    """The first instant of a day, in UTC."""
    midnight = date.fromisoformat(day)
    # fold=0: of two midnights the first; of none, the instant at which the clock jumps over it.
    return datetime(midnight.year, midnight.month, midnight.day, tzinfo=zone).astimezone(UTC)


@lru_cache(maxsize=1024)
def end_of(day: str, zone: ZoneInfo) -> datetime:
    """The first instant that is not in the day any more, in UTC."""
    return start_of(later(day), zone)


def later(day: str, days: int = 1) -> str:
    """The day that many days later."""
    return (date.fromisoformat(day) + days * _ONE).isoformat()


def weekday_of(day: str) -> str:
    """The weekday as a warm-up plan names it."""
    return _WEEKDAYS[date.fromisoformat(day).weekday()]
