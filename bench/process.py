"""What a process tree costs: CPU and memory as the kernel counts them, and counters that programs print."""

import asyncio
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_TICK = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> Iterator[int]:
    """The process and its descendants that live."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree, ended children that were waited for included."""
    total = 0
    for each in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15])
    return total / _TICK


def memory_mb(pids: Iterable[int]) -> float:
    """Proportional set size of these processes together, in MB of 1,000,000 octets."""
    total = 0
    for each in pids:
        with suppress(OSError):
            found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{each}/smaps_rollup").read_text(), re.M)
            total += int(found[1]) * 1024 if found else 0
    return total / 1e6


@dataclass(slots=True)
class Peak:
    """The most memory of these processes and their descendants that was seen, every half second."""

    roots: tuple[int, ...]
    megabytes: float = 0.0
    _task: "asyncio.Task[None] | None" = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._look()
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _look(self) -> None:
        self.megabytes = max(self.megabytes, memory_mb(pid for root in self.roots for pid in tree(root)))

    async def _watch(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(0.5)


@dataclass(slots=True)
class Sink:
    """Postfix's smtp-sink, which counts what it takes and throws it away, or writes it into `dump`."""

    port: int
    process: asyncio.subprocess.Process
    taken: int = 0

    @classmethod
    async def start(cls, port: int, dump: Path | None = None) -> Self:
        options = ["-u", "nobody"] if os.geteuid() == 0 else []  # it does not run as root
        options += ["-d", f"{dump}/%M."] if dump else []
        process = await asyncio.create_subprocess_exec(
            *("smtp-sink", "-c", *options, f"127.0.0.1:{port}", "1024"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(port, process)

    async def takes(self, count: int, limit: float = 120) -> None:
        """Wait until it has taken `count` in all; TimeoutError after `limit` seconds."""
        assert self.process.stdout is not None
        async with asyncio.timeout(limit):
            while self.taken < count:
                octets = await self.process.stdout.read(65536)
                if not octets:
                    raise EOFError("smtp-sink has ended")
                if found := re.findall(rb"mesg=(\d+)", octets):
                    self.taken = max(self.taken, int(found[-1]))

    async def stop(self) -> None:
        with suppress(ProcessLookupError):
            self.process.terminate()
        await self.process.communicate()
