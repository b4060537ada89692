"""When to try again: the schedule is a list, so that it can be read."""

import random
from collections.abc import Sequence
from datetime import timedelta

JITTER = 0.1


def wait_before_next(schedule: Sequence[timedelta], attempts_made: int, rng: random.Random) -> timedelta:
    """How long to wait after the `attempts_made`-th attempt, counted from 1.

    The entry of that number, the last one again and again afterwards, spread
    by a tenth either way: an outage of one destination must not end in one
    instant of retries.
    """
    entry = schedule[min(attempts_made, len(schedule)) - 1]
    return entry * (1 + rng.uniform(-JITTER, JITTER))
