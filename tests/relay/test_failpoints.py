"""A place that is not named costs nothing and does nothing; a name that is none of ours is told at once."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from relay import failpoints
from relay.failpoints import POINTS, VARIABLE

ROOT = Path(__file__).parents[2]
_REACHED = re.compile(r"reach(?:_soon|_within)?\(\s*\"([a-z.]+)\"")

LIVES_ON = """
from relay.failpoints import reach
for number in range(1, 6):
    reach("smtp.dot")
    reach("smtp.mail")
    print(number, flush=True)
"""


def reached(wanted: str) -> tuple[int, list[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", LIVES_ON],
        env={**os.environ, VARIABLE: wanted, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.split(), done.stderr


def test_every_place_is_come_to_somewhere() -> None:
    sources = [file for package in ("relay", "inbound", "api") for file in (ROOT / package).rglob("*.py")]
    found = [
        name for file in sources for name in _REACHED.findall(file.read_text()) if file.stem != "failpoints"
    ]
    assert sorted(found) == sorted(POINTS)


def test_nothing_is_armed_here() -> None:
    assert failpoints.ARMED == ""
    for name in POINTS:
        failpoints.reach(name)


def test_the_process_ends_when_its_turn_has_come() -> None:
    code, said, _ = reached("smtp.mail:3")
    assert (code, said) == (-signal.SIGKILL, ["1", "2"])


@pytest.mark.parametrize("wanted", ["smtp.male", "smtp.mail:x", ":3"])
def test_a_place_that_there_is_not_is_refused(wanted: str) -> None:
    code, _, trouble = reached(wanted)
    assert code == 1
    assert "there is no place" in trouble
