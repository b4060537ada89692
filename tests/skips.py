"""A pytest plugin for ./check: name what was skipped and why, and what failed before the tests.

In CI nothing may be skipped: what a group needs is installed there.
"""

import os
from collections import Counter
from pathlib import PurePosixPath

import pytest

_skipped: Counter[tuple[str, str]] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _note(report.nodeid, report.longrepr)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _note(report.nodeid, report.longrepr)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and (_failed_before() or (_skipped and _is_ci())):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _skipped:
        terminalreporter.section("skipped groups" + (": a failure in CI" if _is_ci() else ""))
        for (group, reason), count in sorted(_skipped.items()):
            terminalreporter.line(f"{group}: {count} skipped: {reason}")
    if _failed_before():
        terminalreporter.section("failed before the tests", red=True)
        terminalreporter.line(_failed_before())


def _note(nodeid: str, longrepr: object) -> None:
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    _skipped[(_group(nodeid), str(reason).removeprefix("Skipped: "))] += 1


def _group(nodeid: str) -> str:
    """The directory of the tests: `tests/peers`."""
    return str(PurePosixPath(nodeid.partition("::")[0]).parent)


def _failed_before() -> str:
    return os.environ.get("CHECK_FAILED", "")


def _is_ci() -> bool:
    return os.environ.get("CI", "") not in ("", "false", "0")
