"""The schedule as it is written, spread by a tenth."""

import random
from datetime import timedelta

import pytest

from relay.queue.retry import wait_before_next

SCHEDULE = [timedelta(minutes=minutes) for minutes in (5, 10, 60)]


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 5), (2, 10), (3, 60), (4, 60), (400, 60)])
def test_the_entry_of_that_attempt_holds_and_the_last_repeats(attempts: int, minutes: int) -> None:
    rng = random.Random(1)
    waits = [wait_before_next(SCHEDULE, attempts, rng) / timedelta(minutes=1) for _ in range(500)]
    assert min(waits) >= minutes * 0.9
    assert max(waits) <= minutes * 1.1
    assert max(waits) - min(waits) > minutes * 0.15
