"""Caps and warm-up against an account that is kept by hand: whoever draws, gives back, changes or waits.

The account restates the rules: a day has what its cap leaves, the cap of a
mailbox that warms up is the plan's for the days with mail before it, nothing
is taken where it does not fit, and each warning is given once a day.
"""

import asyncio
import tempfile
from collections.abc import Coroutine
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from relay.config import WarmupPlan
from relay.events import log
from relay.policy import caps as caps_module
from relay.policy import days
from relay.policy.caps import Caps, DailyCapReached
from relay.store.sqlite import open_sqlite
from relay.tenants.directory import Directory
from tests.fakes.clock import FakeClock
from tests.fakes.fresh_store import NO_RESERVE, put_store
from tests.relay.tenants.house import House

T = TypeVar("T")
DEFAULT = 8
PLAN = WarmupPlan(table=(2, 3, 5, 9))


class Account(RuleBasedStateMachine):
    """`used` by day, and what was told."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.caps = Caps(self.clock, default_daily_cap=DEFAULT, zone=ZoneInfo("UTC"))
        self.used: dict[str, int] = {}
        self.told: list[tuple[str, str]] = []
        self.cap: int | None = None
        self.since: str | None = None
        self._run(self._open())

    async def _open(self) -> None:
        path = put_store(Path(self.directory.name) / "posthouse.db")
        db = open_sqlite(path, self.clock, reserve=NO_RESERVE, health_interval=None)
        self.house = House(db, self.clock, Directory(db, self.clock))
        await self.house.add_domain("example.test")
        self.mailbox = await self.house.add_mailbox("app@example.test")

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def _day(self, ahead: int) -> str:
        return days.later(self.caps.today(), ahead)

    def _allowed(self, day: str) -> int:
        most = DEFAULT if self.cap is None else self.cap
        if self.since is None:
            return most
        done = sum(1 for other, used in self.used.items() if used and self.since <= other < day)
        return min(most, PLAN.table[min(done, len(PLAN.table) - 1)])

    @rule(count=st.integers(0, 9), ahead=st.integers(0, 2))
    def reserve(self, count: int, ahead: int) -> None:
        day = self._day(ahead)
        before, allowed = self.used.get(day, 0), self._allowed(day)
        fits = not count or before + count <= allowed
        work = partial(self.caps.reserve, mailbox=self.mailbox, day=day, count=count)
        if not fits:
            with pytest.raises(DailyCapReached) as refused:
                self._run(self.house.db.transact(work))
            assert refused.value.standing.left == max(allowed - before, 0)
            return
        taken = self._run(self.house.db.transact(work))
        self.used[day] = before + count
        assert (taken.used, taken.cap) == (before + count, allowed)
        if not count:
            return
        for kind, reached in (
            ("usage.threshold", self.used[day] * 100 >= allowed * 80),
            ("mailbox.cap_reached", self.used[day] >= allowed),
        ):
            if reached and (kind, day) not in self.told:
                self.told.append((kind, day))

    @rule(count=st.integers(1, 9), ahead=st.integers(-1, 2))
    def give_back(self, count: int, ahead: int) -> None:
        day = self._day(ahead)
        work = partial(caps_module.give_back, mailbox_id=self.mailbox.id, day=day, count=count)
        self._run(self.house.db.transact(work))
        if day in self.used:
            self.used[day] = max(0, self.used[day] - count)

    @rule(count=st.integers(1, 9), horizon=st.integers(0, 4))
    def next_free_day(self, count: int, horizon: int) -> None:
        """The first on which a reservation would pass, were nothing else reserved before it."""
        today = self.caps.today()
        found = self._run(
            self.caps.next_free_day(self.house.db, self.mailbox, count, today, timedelta(days=horizon))
        )
        fitting = [
            day
            for day in (self._day(ahead) for ahead in range(horizon + 1))
            if self.used.get(day, 0) + count <= self._allowed(day)
        ]
        assert found == (fitting[0] if fitting else None)

    @rule(cap=st.integers(0, 10))
    def set_cap(self, cap: int) -> None:
        self.cap = cap
        self.mailbox = self._run(self.house.change(self.mailbox, daily_cap=cap))

    @rule()
    def warm_up(self) -> None:
        """It begins today; asked for again, it goes on."""
        if self.since is None:
            self.mailbox = self._run(self.house.change(self.mailbox, warmup=PLAN))
            self.since = self.caps.today()

    @rule(hours=st.sampled_from([1, 20, 24]))
    def time_passes(self, hours: int) -> None:
        self.clock.advance(hours=hours)

    @invariant()
    def all_is_as_the_account_says(self) -> None:
        for ahead in (-1, 0, 1, 2):
            day = self._day(ahead)
            standing = self._run(self.caps.standing(self.house.db, self.mailbox, day))
            used, allowed = self.used.get(day, 0), self._allowed(day)
            assert (standing.used, standing.cap) == (used, allowed)
            assert standing.left == max(0, allowed - used)
        events = self._run(log.after(self.house.db, 0, 1000))
        kinds = ("usage.threshold", "mailbox.cap_reached")
        told = [(str(event.kind), event.data["day"]) for event in events if event.kind in kinds]
        assert sorted(told) == sorted(self.told)

    def teardown(self) -> None:
        self.house.directory.close()
        self._run(self.house.db.close())
        self.runner.close()
        self.directory.cleanup()


def test_caps_and_warm_up_are_what_the_account_says() -> None:
    run_state_machine_as_test(
        Account,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
