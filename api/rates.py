"""How often somebody may ask: a steady rate, and so many at once (GCRA), kept in memory.

One number for each key: when its allowance would be whole again.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass

from api.fields import Fields
from relay.clock import Clock

MINUTE = 60.0
CAPACITY = 100_000


@dataclass(frozen=True, slots=True)
class RateStanding:
    """`reset` is in how many seconds the allowance is whole; `wait` in how many one more is granted."""

    limit: int
    remaining: int
    reset: int
    wait: int

    @property
    def fields(self) -> Fields:
        """As an answer tells it."""
        return (
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset),
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """So many a minute, of which `burst` may come at once: a minute's worth where nobody says otherwise."""

    per_minute: int
    burst: int

    @classmethod
    def of(cls, per_minute: int, burst: int | None = None) -> "Pace":
        return cls(per_minute, burst or per_minute)

    @property
    def step(self) -> float:
        """How long one takes to come back, in seconds."""
        return MINUTE / self.per_minute

    @property
    def depth(self) -> float:
        """How long a whole burst takes to come back."""
        return self.burst * self.step


class Rates:
    """`per_minute` requests for each key of at most CAPACITY, which are forgotten oldest first.

    A key may have a pace of its own.
    """

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self._clock = clock
        self._pace = Pace.of(per_minute)
        self._whole_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str, pace: Pace | None = None) -> RateStanding | None:
        """Count one; how it stands afterwards, or None when there is none left, and nothing is counted."""
        now, pace = self._clock.monotonic(), pace or self._pace
        whole_at = max(now, self._whole_at.get(key, now)) + pace.step
        if whole_at - now > pace.depth + pace.step / 1000:
            return None
        self._whole_at[key] = whole_at
        self._whole_at.move_to_end(key)
        if len(self._whole_at) > CAPACITY:
            self._whole_at.popitem(last=False)
        return self.standing(key, pace)

    def standing(self, key: str, pace: Pace | None = None) -> RateStanding:
        """How it stands; counts nothing."""
        now, pace = self._clock.monotonic(), pace or self._pace
        used = max(0.0, self._whole_at.get(key, now) - now)
        remaining = max(0, math.floor((pace.depth - used) / pace.step + 0.001))
        wait = 0 if remaining else max(1, math.ceil(used + pace.step - pace.depth))
        return RateStanding(pace.burst, remaining, math.ceil(used), wait)
