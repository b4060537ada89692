"""./check names what was skipped and what failed before, and CI takes both for a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest
@pytest.mark.skipif(True, reason="postfix is not installed")
def test_peer(): ...
def test_ours(): ...
"""


def run(directory: Path, tests: str, **environ: str) -> tuple[int, list[str]]:
    (directory / "peers").mkdir()
    (directory / "peers" / "test_it.py").write_text(tests)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.skips",
        "--rootdir",
        str(directory),
        str(directory),
    ]
    clean = {name: value for name, value in os.environ.items() if name not in ("CI", "CHECK_FAILED")}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-c", "/dev/null"],
        cwd=ROOT,
        env={**clean, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("false", 0), ("true", 1)])
def test_a_skipped_group_is_named_and_fails_in_ci_only(tmp_path: Path, ci: str, status: int) -> None:
    returned, lines = run(tmp_path, TESTS, CI=ci)
    assert returned == status
    assert any(line.endswith("peers: 1 skipped: postfix is not installed") for line in lines)
    assert "1 passed, 1 skipped" in lines[-1]


def test_a_step_that_failed_before_the_tests_fails_the_check(tmp_path: Path) -> None:
    returned, lines = run(tmp_path, "def test_ours(): ...", CHECK_FAILED="lint, types")
    assert returned == 1
    assert "lint, types" in lines
    assert "1 passed" in lines[-1]
