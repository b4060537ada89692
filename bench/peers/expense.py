"""What a server's processes cost, ended ones included: by a cgroup, or by /proc where none can be made.

A cgroup counts to the microsecond and misses nobody who was born in it. The
sum over /proc counts ended children once their parent has waited for them.
Threads of the kernel (the journal of the file system) are in neither.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.process import cpu_seconds, tree


@dataclass(slots=True)
class Expense:
    """CPU seconds of the trees that were entered."""

    group: Path | None
    roots: list[int] = field(default_factory=list)

    def enter(self, roots: tuple[int, ...]) -> None:
        """Count these processes, their descendants, and whoever they will start."""
        self.roots += roots
        for pid in (pid for root in roots for pid in tree(root)):
            if self.group is not None:
                # Parents come first, so a child is listed after its parent moved, or is born inside.
                self._move(pid)

    def seconds(self) -> float:
        if self.group is None:
            return sum(cpu_seconds(root) for root in self.roots)
        if (usage := self.group / "cpuacct.usage").exists():
            return int(usage.read_text()) / 1e9
        return int((self.group / "cpu.stat").read_text().split()[1]) / 1e6

    def _move(self, pid: int) -> None:
        assert self.group is not None
        try:
            (self.group / "cgroup.procs").write_text(str(pid))
        except ProcessLookupError:
            return
        except PermissionError:
            self.group = None  # we may make groups but not move processes


@contextmanager
def counting(name: str) -> Iterator[Expense]:
    """An account for the servers started in the block; processes that outlive it are ended by their ids."""
    group = _make_group(name)
    try:
        yield Expense(group)
    finally:
        if group is not None:
            _empty(group)
            group.rmdir()


def method() -> str:
    """How `counting` counts on this machine, in words; found out with a process of its own."""
    with counting("probe") as account:
        probe = subprocess.Popen(["sleep", "60"])
        try:
            account.enter((probe.pid,))
        finally:
            probe.kill()
            probe.wait()
    if account.group is None:
        return "user and system time in /proc of the process tree, waited-for children included"
    return "a cgroup for each server"


def _make_group(name: str) -> Path | None:
    for parent in _own_groups():
        group = parent / f"posthouse-bench-{os.getpid()}-{name}"
        with suppress(OSError):
            group.mkdir()
            if (group / "cpu.stat").exists() or (group / "cpuacct.usage").exists():
                return group
            group.rmdir()
    return None


def _own_groups() -> Iterator[Path]:
    """Where this process stands in the hierarchies that count CPU, the unified one first."""
    own = [line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    places = {controllers: place.lstrip("/") for controllers, place in own}
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup2" and "" in places:
            yield Path(mount, places[""])
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        named = [names for names in places if "cpuacct" in names.split(",")]
        if kind == "cgroup" and "cpuacct" in options.split(",") and named:
            yield Path(mount, places[named[0]])


def _empty(group: Path) -> None:
    """Wait ten seconds for the last to end, then end them."""
    for attempt in range(120):
        left = [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
        if not left:
            return
        if attempt == 100:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
