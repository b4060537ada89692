"""A day is a day of the time zone, also where clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.days import day_of, end_of, later, start_of, weekday_of

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Africa/Cairo", "America/Havana"]


@given(
    instant=st.integers(1_420_000_000, 2_050_000_000).map(lambda at: datetime.fromtimestamp(at, UTC)),
    name=st.sampled_from(ZONES),
)
def test_every_instant_lies_in_its_day_and_days_touch(instant: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    day = day_of(instant, zone)
    assert start_of(day, zone) <= instant < end_of(day, zone)
    assert day_of(start_of(day, zone), zone) == day
    assert day_of(end_of(day, zone) - timedelta(microseconds=1), zone) == day
    assert end_of(day, zone) == start_of(later(day), zone)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)])
def test_days_on_which_clocks_change_are_shorter_and_longer(day: str, hours: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert end_of(day, berlin) - start_of(day, berlin) == timedelta(hours=hours)


def test_where_midnight_is_skipped_the_day_begins_with_the_first_instant_after_it() -> None:
    cairo = ZoneInfo("Africa/Cairo")  # 2026-04-24 00:00 becomes 01:00
    start = start_of("2026-04-24", cairo)
    assert start.astimezone(cairo).hour == 1
    assert day_of(start - timedelta(seconds=1), cairo) == "2026-04-23"


def test_an_hour_that_comes_twice_stays_in_its_day() -> None:
    new_york = ZoneInfo("America/New_York")
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # 01:30 EDT, and an hour later 01:30 EST
    assert day_of(first, new_york) == day_of(first + timedelta(hours=1), new_york) == "2026-11-01"


def test_weekdays_are_named_as_plans_name_them() -> None:
    names = [weekday_of(later("2026-03-02", days)) for days in range(7)]
    assert names == ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
