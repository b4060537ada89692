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
NOT_HERE = """
import pytest
pytest.skip("asyncpg is not installed", allow_module_level=True)
"""
# Nothing of this repository's settings, and nothing written into it.
ALONE = ["-p", "no:cacheprovider", "-c", "/dev/null"]
ONE, TWO = ["-n", "0"], ["-n", "2", "--dist", "worksteal"]
in_one_and_two_processes = pytest.mark.parametrize("processes", [ONE, TWO], ids=["one", "two"])


def run(directory: Path, tests: str, processes: list[str], **environ: str) -> tuple[int, list[str]]:
    (directory / "peers").mkdir()
    (directory / "peers" / "test_it.py").write_text(tests)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "xdist.plugin",
        "-p",
        "tests.skips",
        "--rootdir",
        str(directory),
        str(directory),
    ]
    clean = {name: value for name, value in os.environ.items() if name not in ("CI", "CHECK_FAILED")}
    done = subprocess.run(
        [*command, *processes, *ALONE, "--basetemp", directory / "scratch"],
        cwd=ROOT,
        env={**clean, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


@in_one_and_two_processes
@pytest.mark.parametrize(("ci", "status"), [("", 0), ("false", 0), ("true", 1)])
def test_a_skipped_group_is_named_and_fails_in_ci_only(
    tmp_path: Path, ci: str, status: int, processes: list[str]
) -> None:
    returned, lines = run(tmp_path, TESTS, processes, CI=ci)
    assert returned == status
    assert any(line.endswith("peers: 1 skipped: postfix is not installed") for line in lines)
    assert "1 passed, 1 skipped" in lines[-1]


@in_one_and_two_processes
@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_a_file_that_is_skipped_is_named_once(
    tmp_path: Path, ci: str, status: int, processes: list[str]
) -> None:
    (tmp_path / "test_other.py").write_text("def test_ours(): ...")
    returned, lines = run(tmp_path, NOT_HERE, processes, CI=ci)
    assert returned == status
    assert any(line.endswith("peers: 1 skipped: asyncpg is not installed") for line in lines)
    assert "1 passed, 1 skipped" in lines[-1]


@in_one_and_two_processes
def test_a_step_that_failed_before_the_tests_fails_the_check(tmp_path: Path, processes: list[str]) -> None:
    returned, lines = run(tmp_path, "def test_ours(): ...", processes, CHECK_FAILED="lint, types")
    assert returned == 1
    assert "lint, types" in lines
    assert "1 passed" in lines[-1]


def test_a_test_that_ends_its_process_fails_the_check(tmp_path: Path) -> None:
    returned, lines = run(tmp_path, "import os\ndef test_ours(): os.abort()", TWO)
    assert returned == 1
    assert "1 failed" in lines[-1]
