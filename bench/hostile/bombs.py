"""What each bomb costs who reads it: the daemon's own time and memory, and its reading children's."""

import asyncio
import os
import resource
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.hostile.running import running
from bench.peers.machine import describe
from bench.process import tree
from tests.fakes.daemon import APPLICATION, Daemon
from tests.hostile.bombs import BOMBS
from tests.hostile.post import SETTINGS, all_are_read

CPU_LIMIT = 2.0
# Of the message; the smaller ones may take what the interpreter takes for anything.
MEMORY_LIMIT = 3.0
LEAST_MB = 25 * 1.048576
_TICK = os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS = 0.01
_SETTLED_SECONDS = 0.3
_SIGNATURE = b"DKIM-Signature: v=1; a=rsa-sha256; d=far.example; s=k; h=from; bh=AA; b=A\r\n"
_WARM = b"From: ann@far.example\r\n" + _SIGNATURE + b"Content-Type: text/html\r\n\r\n<p>x\r\n.\r\n"


@dataclass(slots=True)
class Cost:
    """Of one process: processor seconds, and MB above what it had at rest."""

    cpu: float = 0.0
    megabytes: float = 0.0


class Watch:
    """Looks at the daemon and its children every few milliseconds, from `begin` to `end`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._at_rest: dict[int, tuple[float, float]] = {}
        self._now: dict[int, tuple[float, float]] = {}

    def begin(self) -> None:
        self._at_rest, self._now = {each: _use(each) for each in tree(self._pid)}, {}

    async def look(self) -> None:
        while True:
            for each in tree(self._pid):
                cpu, size = _use(each)
                self._now[each] = (cpu, max(size, self._now.get(each, (0.0, 0.0))[1]))
            await asyncio.sleep(_LOOK_SECONDS)

    def costs(self) -> tuple[Cost, Cost]:
        """The daemon's, and the dearest child's: a message is read by one of them."""
        costs = {
            each: Cost(cpu - self._at_rest.get(each, (0, 0))[0], size - self._at_rest.get(each, (0, size))[1])
            for each, (cpu, size) in self._now.items()
        }
        daemon = costs.pop(self._pid, Cost())
        return daemon, max(costs.values(), key=lambda cost: cost.cpu, default=Cost())


async def measure(directory: Path, names: Sequence[str], megabytes: float) -> int:
    """Print the table; how many are beyond a limit."""
    if unknown := set(names) - set(BOMBS):
        print(f"no such bomb: {', '.join(sorted(unknown))}; there are: {', '.join(BOMBS)}")
        return 2
    print("\n".join(describe(directory)))
    print("\n| bomb | MB | daemon CPU s | daemon MB | child CPU s | child MB | beyond |")
    print("|---|---|---|---|---|---|---|")
    beyond = 0
    settings = {**SETTINGS, "limits.message_size": "64MiB", "limits.data_per_minute": "100GiB"}
    async with running(directory, settings) as daemon:
        for _ in range(3):
            await _post(daemon, _WARM)
            await all_are_read(daemon)
        for name in names or BOMBS:
            header, body = BOMBS[name](int(megabytes * 2**20) - 4096)
            octets = header + b"\r\n" + body.replace(b"\r\n.", b"\r\n..")
            daemon_cost, child_cost, reply = await _one(daemon, octets + b"\r\n.\r\n")
            size = len(octets) / 1e6
            allowed = MEMORY_LIMIT * max(size, LEAST_MB)
            words = [] if reply.startswith(b"250") else [reply[:9].decode()]
            for cost, who in ((daemon_cost, "daemon"), (child_cost, "child")):
                words += [f"{who} CPU"] * (cost.cpu > CPU_LIMIT) + [f"{who} MB"] * (cost.megabytes > allowed)
            beyond += any("CPU" in word or "MB" in word for word in words)
            print(
                f"| {name} | {size:.1f} | {daemon_cost.cpu:.2f} | {daemon_cost.megabytes:.0f}"
                f" | {child_cost.cpu:.2f} | {child_cost.megabytes:.0f} | {', '.join(words)} |",
                flush=True,
            )
    limits = f"{CPU_LIMIT:.0f} CPU s or {MEMORY_LIMIT:.0f} times the size"
    print(f"\n{beyond} of {len(names or BOMBS)} beyond {limits}")
    return min(beyond, 100)


async def _one(daemon: Daemon, octets: bytes) -> tuple[Cost, Cost, bytes]:
    watch = Watch(daemon.pid)
    watch.begin()
    looking = asyncio.create_task(watch.look())
    try:
        reply = await _post(daemon, octets)
        await all_are_read(daemon)
        await asyncio.sleep(_SETTLED_SECONDS)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    return *watch.costs(), reply


async def _post(daemon: Daemon, octets: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.ports["inbound"])
    opening = f"EHLO x\r\nMAIL FROM:<ann@far.example>\r\nRCPT TO:<{APPLICATION}>\r\nDATA\r\n"
    await reader.readline()
    writer.write(opening.encode())
    while not (line := await reader.readline()).startswith((b"354", b"5", b"4")):
        pass
    if not line.startswith(b"354"):
        raise RuntimeError(f"no content was asked for: {line!r}")
    for start in range(0, len(octets), 1 << 18):
        writer.write(octets[start : start + (1 << 18)])
        await writer.drain()
    reply = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return reply


def _use(pid: int) -> tuple[float, float]:
    """Processor seconds of the process itself, and its resident megabytes."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK, int(fields[21]) * resource.getpagesize() / 1e6
    return 0.0, 0.0
