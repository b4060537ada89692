"""Time, room and open files."""

import asyncio
import resource
from datetime import timedelta
from pathlib import Path

import pytest

from relay.config import Config
from relay.doctor.finding import Finding, Grade, run_checks
from relay.doctor.machine import (
    check_clock,
    check_disk,
    check_file_limit,
    files_wanted,
    judge_inodes,
    judge_space,
    kernel_clock_is_synchronised,
)
from tests.fakes.clock import FakeClock

MIB = 1 << 20


@pytest.mark.parametrize(
    ("synchronised", "grade"), [(True, Grade.OK), (False, Grade.WARNING), (None, Grade.UNKNOWN)]
)
def test_the_kernel_tells_whether_somebody_keeps_the_clock(
    clock: FakeClock, synchronised: bool | None, grade: Grade
) -> None:
    assert check_clock(clock.now(), synchronised=synchronised, last_write=None).grade is grade


def test_a_clock_behind_the_stores_last_write_is_wrong(clock: FakeClock) -> None:
    written = clock.now() + timedelta(hours=1)
    assert check_clock(clock.now(), synchronised=True, last_write=written).grade is Grade.PROBLEM
    written = clock.now() + timedelta(seconds=5)
    assert check_clock(clock.now(), synchronised=True, last_write=written).grade is Grade.OK


def test_asking_the_kernel_needs_no_privilege() -> None:
    assert kernel_clock_is_synchronised() in (True, False, None)


@pytest.mark.parametrize(
    ("free", "grade"),
    [
        (255 * MIB, Grade.PROBLEM),
        (256 * MIB, Grade.WARNING),
        (1023 * MIB, Grade.WARNING),
        (1 << 30, Grade.OK),
    ],
)
def test_free_space_is_measured_against_the_reserve(free: int, grade: Grade) -> None:
    assert judge_space(free, 256 * MIB).grade is grade


@pytest.mark.parametrize(
    ("total", "free", "grade"),
    [(1000, 10, Grade.PROBLEM), (10**6, 1000, Grade.WARNING), (10**6, 10**5, Grade.OK), (0, 0, Grade.OK)],
)
def test_inodes_run_out_too(total: int, free: int, grade: Grade) -> None:
    assert judge_inodes(total, free).grade is grade


def test_this_disk_can_be_looked_at_and_a_missing_directory_is_said(tmp_path: Path) -> None:
    assert [finding.what for finding in check_disk(tmp_path, 0)] == ["disk", "inodes"]
    [finding] = check_disk(tmp_path / "missing", 0)
    assert finding.grade is Grade.PROBLEM


def test_open_files_must_reach_for_every_session() -> None:
    wanted = files_wanted(Config())
    assert check_file_limit(wanted, wanted).grade is Grade.OK
    assert check_file_limit(wanted, 1024).grade is Grade.WARNING
    assert check_file_limit(wanted, resource.RLIM_INFINITY).grade is Grade.OK
    assert check_file_limit(1).grade is Grade.OK


async def test_checks_run_side_by_side_and_neither_failure_nor_silence_stops_the_others() -> None:
    meeting = asyncio.Barrier(2)

    async def meets() -> list[Finding]:
        await meeting.wait()
        return [Finding("meets", Grade.OK, "", "")]

    async def breaks() -> list[Finding]:
        raise ValueError("no")

    async def hangs() -> list[Finding]:
        await asyncio.Event().wait()
        return []

    checks = [("hangs", hangs), ("meets", meets), ("breaks", breaks), ("meets", meets)]
    found = await run_checks(checks, timedelta(milliseconds=300))
    assert [(finding.what, finding.grade) for finding in found] == [
        ("hangs", Grade.UNKNOWN),
        ("meets", Grade.OK),
        ("breaks", Grade.UNKNOWN),
        ("meets", Grade.OK),
    ]
    assert "ValueError: no" in found[2].found
