"""How often somebody may ask: a steady rate with a minute's worth at once (GCRA), kept in memory.

One number for each key: when its allowance would be whole again.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass

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
    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


class Rates:
    """`per_minute` requests for each key of at most CAPACITY, which are forgotten oldest first."""

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self._clock = clock
        self._limit = per_minute
        self._step = MINUTE / per_minute
        self._whole_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str) -> RateStanding | None:
        """Count one; how it stands afterwards, or None when there is none left, and nothing is counted."""
        now = self._clock.monotonic()
        whole_at = max(now, self._whole_at.get(key, now)) + self._step
        if whole_at - now > MINUTE + self._step / 1000:
            return None
        self._whole_at[key] = whole_at
        self._whole_at.move_to_end(key)
        if len(self._whole_at) > CAPACITY:
            self._whole_at.popitem(last=False)
        return self.standing(key)

    def standing(self, key: str) -> RateStanding:
        """How it stands; counts nothing."""
        now = self._clock.monotonic()
        used = max(0.0, self._whole_at.get(key, now) - now)
        remaining = max(0, math.floor((MINUTE - used) / self._step + 0.001))
        wait = 0 if remaining else max(1, math.ceil(used + self._step - MINUTE))
        return RateStanding(self._limit, remaining, math.ceil(used), wait)
