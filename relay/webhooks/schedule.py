"""When a post that failed is made again: after 5 s, 5 min, 30 min, 2 h and so on, for three days in all."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
# After Standard Webhooks 1.0.
WAITS: Final[Sequence[timedelta]] = (
    *(timedelta(seconds=5), 5 * _MINUTE, 30 * _MINUTE),
    *(2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR),
)
ATTEMPTS: Final = len(WAITS) + 1
JITTER = 0.1


def wait_after(attempts_made: int, rng: random.Random) -> timedelta | None:
    """How long to wait after the `attempts_made`-th attempt, counted from 1; None: it was the last.

    Up to a tenth longer than the schedule says, so that what failed together
    does not come back together.
    """
    if attempts_made >= ATTEMPTS:
        return None
    return WAITS[attempts_made - 1] * (1 + rng.uniform(0, JITTER))
