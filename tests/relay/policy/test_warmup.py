"""A plan grows as it says, never back, and never past its ceiling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import WarmupPlan
from relay.config.warmup import PLANS
from relay.errors import InvalidInput
from relay.policy import days
from relay.policy.warmup import (
    cap_after,
    counts,
    day_after,
    days_until_full,
    parse_plan,
    sending_days,
    steps_of,
)

plans = st.builds(
    WarmupPlan,
    start=st.integers(1, 10_000),
    factor=st.floats(1.0001, 10),
    ceiling=st.integers(1, 1_000_000_000),
)


def test_growth_is_start_times_factor_for_each_day() -> None:
    plan = WarmupPlan(start=20, factor=1.5, ceiling=100)
    assert [cap_after(plan, days) for days in range(6)] == [20, 30, 45, 67, 100, 100]
    assert steps_of(plan) == 4


def test_rounding_does_not_lose_what_decimals_promise() -> None:
    assert cap_after(WarmupPlan(start=100, factor=1.15), 1) == 115
    assert cap_after(WarmupPlan(start=50, factor=1.4), 2) == 98


def test_a_table_is_taken_as_it_is_and_its_last_entry_stays() -> None:
    plan = WarmupPlan(table=(5, 10, 5000))
    assert [cap_after(plan, days) for days in range(5)] == [5, 10, 5000, 5000, 5000]
    assert steps_of(plan) == 2


def test_a_ceiling_below_the_start_holds_from_the_first_day() -> None:
    assert cap_after(WarmupPlan(start=50, ceiling=10), 0) == 10


@given(plan=plans, days=st.integers(0, 400_000))
def test_a_plan_never_shrinks_and_ends_at_its_ceiling(plan: WarmupPlan, days: int) -> None:
    here, upcoming = cap_after(plan, days), cap_after(plan, days + 1)
    assert 1 <= here <= upcoming <= plan.ceiling
    assert cap_after(plan, steps_of(plan)) == plan.ceiling


def test_only_the_plans_weekdays_are_sending_days() -> None:
    week = [f"2026-03-{day:02}" for day in range(2, 9)]
    assert sending_days(WarmupPlan(), week) == 7
    assert sending_days(WarmupPlan(weekdays=("mon", "fri")), week) == 2


def test_plans_are_written_as_names_settings_caps_or_json() -> None:
    assert parse_plan("gentle") == PLANS["gentle"]
    assert parse_plan("start=20, factor=1.3, ceiling=200") == WarmupPlan(start=20, factor=1.3, ceiling=200)
    assert parse_plan("start=20,weekdays=mon+tue") == WarmupPlan(start=20, weekdays=("mon", "tue"))
    assert parse_plan("5,10,20") == WarmupPlan(table=(5, 10, 20))
    assert parse_plan('{"start": 3, "table": [1, 2]}') == WarmupPlan(start=3, table=(1, 2))


def test_configured_plans_stand_before_ours() -> None:
    ours = WarmupPlan(start=1)
    assert parse_plan("gentle", {"gentle": ours}) == ours
    assert parse_plan("mine", {"mine": ours}) == ours


@pytest.mark.parametrize(
    "text", ["", "quick", "start=0", "factor=0.9", "strat=3", "weekdays=mo", "{", "5,0", "1;2"]
)
def test_what_is_no_plan_is_refused_with_the_names_that_are(text: str) -> None:
    with pytest.raises(InvalidInput, match="gentle, standard"):
        parse_plan(text)


@given(
    plan=st.one_of(plans, st.builds(WarmupPlan, table=st.lists(st.integers(1, 50), min_size=1).map(tuple))),
    done=st.integers(0, 300),
    daily_cap=st.integers(1, 5000),
)
def test_a_plan_is_full_after_as_many_days_as_it_says_and_not_before(
    plan: WarmupPlan, done: int, daily_cap: int
) -> None:
    target = min(daily_cap, cap_after(plan, steps_of(plan)))
    full = done + days_until_full(plan, done, daily_cap)
    assert full == done or cap_after(plan, full) >= target
    assert full == done or cap_after(plan, full - 1) < target


@given(
    weekdays=st.sets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])),
    first=st.integers(0, 6),
    wanted=st.integers(0, 40),
)
def test_the_day_after_so_many_sending_days_is_found_as_by_walking(
    weekdays: set[str], first: int, wanted: int
) -> None:
    plan = WarmupPlan(weekdays=tuple(weekdays))  # type: ignore[arg-type]
    start = walked = days.later("2026-03-02", first)
    rest = wanted
    while rest:
        rest -= counts(plan, walked)
        walked = days.later(walked)
    assert day_after(plan, start, wanted) == walked


def test_a_day_beyond_the_calendar_is_none() -> None:
    assert day_after(WarmupPlan(), "2026-03-02", 10**9) is None
