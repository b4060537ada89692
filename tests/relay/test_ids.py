"""Ids sort by age, never meet, and a child process makes none of its parent's."""

import re
import subprocess
import sys
from datetime import timedelta

from relay.ids import new_id, new_number
from tests.fakes.clock import FakeClock

_FORKS = """
import os, sys
from relay.clock import SystemClock
from relay.ids import new_id
new_id("msg", SystemClock())
read, write = os.pipe()
if child := os.fork():
    os.waitpid(child, 0)
    print(new_id("msg", SystemClock())[15:], os.read(read, 13).decode())
else:
    os.write(write, new_id("msg", SystemClock())[15:].encode())
    os._exit(0)
"""


def test_an_id_is_its_prefix_its_time_and_chance(clock: FakeClock) -> None:
    made = [new_id("msg", clock) for _ in range(10_000)]
    assert len(set(made)) == 10_000
    assert len({id_[:15] for id_ in made}) == 1  # the clock stands still
    assert all(re.fullmatch(r"msg_[0-9a-hjkmnp-tv-z]{24}", id_) for id_ in made)
    # 65 bits are 13 whole digits: each of the 32 stands in each place sooner or later.
    assert {id_[15] for id_ in made} == {id_[-1] for id_ in made} == set("0123456789abcdefghjkmnpqrstvwxyz")


def test_later_ids_sort_behind_earlier_ones(clock: FakeClock) -> None:
    made = []
    for _ in range(100):
        made.append(new_id("msg", clock))
        clock.advance(timedelta(microseconds=1))
    assert made == sorted(made)


def test_numbers_only_grow(clock: FakeClock) -> None:
    made = [new_number(clock) for _ in range(3000)]
    assert made == sorted(set(made))


def test_a_child_process_draws_its_own_chance() -> None:
    done = subprocess.run([sys.executable, "-c", _FORKS], capture_output=True, text=True, check=True)
    parents, childs = done.stdout.split()
    assert parents != childs
