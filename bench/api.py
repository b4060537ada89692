"""How fast is mail taken over HTTP, singly and in batches, beside submission over SMTP in the same run?

Starts `posthouse serve` on a fresh store with smtp-sink as its smarthost and
loads it in turn: smtp-source on kept connections, then as many kept HTTP
connections with `POST /v1/emails`, then two with `POST /v1/emails/batch`, 500
at once; the same size of text, one recipient. How long a request takes is
measured apart, by one client for all ways, since smtp-source does not tell.
Everything runs on this machine and shares its cores.

    python -m bench.api [--messages 1500] [--connections 10] [--rounds 2] [--dir /var/tmp]

It differs from a default installation in this: the mailbox's daily cap,
limits.connections_per_ip, http_connections_per_ip and api_requests_per_minute are raised, and
loopback is a trusted network, so SMTP has neither TLS nor AUTH. HTTP has its
key, its Idempotency-Key and its answer, and files the letter with the message.
"""

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers.cases import SIZES, Case
from bench.peers.contender import free_port
from bench.peers.load import hand_in
from bench.peers.machine import describe
from bench.process import Peak, Sink, cpu_seconds
from relay.clock import SystemClock
from relay.control.operations.keys import CreateKey
from tests.fakes.daemon import ROOT, Daemon, prepare_daemon

CLOCK = SystemClock()
SIZE = "4 KB"
WARM_UP = 100
BATCHES_AT_ONCE = 2
_REST = 0.5  # seconds in which less than a twentieth of a core is used


@dataclass(slots=True)
class Doors:
    """A daemon with its sink, and the next number of a message. `began`: when the last load did."""

    daemon: Daemon
    sink: Sink
    key: str
    number: int = 0

    began: float = 0.0

    async def smtp(self, messages: int, connections: int) -> None:
        case = Case(SIZE, connections, True, messages)
        self.began = CLOCK.monotonic()
        await hand_in(self.daemon.ports["submission"], case, messages)

    async def singly(self, messages: int, connections: int) -> None:
        await self.post("email", messages, connections)

    async def in_batches(self, messages: int, connections: int) -> None:
        await self.post("batch", messages, min(connections, BATCHES_AT_ONCE))

    async def post(self, way: str, messages: int, connections: int) -> list[float]:
        """How long each request took, in seconds."""
        first, self.number = self.number, self.number + messages
        door = "submission" if way == "smtp" else "http"
        poster = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.poster", way, str(self.daemon.ports[door])),
            *map(str, (connections, first, messages, SIZES[SIZE])),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert poster.stdin is not None
        assert poster.stdout is not None
        poster.stdin.write(self.key.encode() + b"\n")
        await poster.stdout.readline()  # it is ready
        self.began = CLOCK.monotonic()
        told, _ = await poster.communicate(b"go\n")
        if poster.returncode:
            raise RuntimeError(f"a message was not taken ({way})")
        took: list[float] = json.loads(told)
        return took


@dataclass(frozen=True, slots=True)
class Result:
    """Of one load: rates, CPU until the server rests again, memory."""

    accepted: float
    delivered: float
    cpu: float
    peak_mb: float


@asynccontextmanager
async def running(
    base: Path,
    *,
    wrapper: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> AsyncIterator[Doors]:
    """A daemon with an empty store, its sink, and a key; `wrapper` is a program that runs it."""
    directory = Path(tempfile.mkdtemp(prefix="api-", dir=base))
    sink = await Sink.start(free_port())
    for_load = {
        "delivery.smarthost": f"127.0.0.1:{sink.port}",
        "submission.trusted_networks": ["127.0.0.0/8"],
        "limits.connections_per_ip": 1000,
        "limits.http_connections_per_ip": 1000,
        "limits.api_requests_per_minute": 1_000_000,
    }
    daemon = await prepare_daemon(directory, for_load | dict(settings or {}), daily_cap=10**9)
    try:
        daemon.launch(environ=environ, wrapper=wrapper)
        await daemon.manager.hears("READY=1")
        made = await daemon.do("key.create", CreateKey(name="bench"))
        yield Doors(daemon, sink, made["key"])
        await daemon.stop()
    finally:
        daemon.close()
        await sink.stop()
        shutil.rmtree(directory)


async def measure(
    doors: Doors, load: Callable[[int, int], Awaitable[None]], messages: int, connections: int
) -> Result:
    """Hand in so many messages and wait until all have come out and the server rests."""
    pid, wanted = doors.daemon.pid, doors.sink.taken + messages
    cpu = cpu_seconds(pid)
    async with Peak((pid,)) as peak:
        delivered = asyncio.create_task(doors.sink.takes(wanted))
        await load(messages, connections)
        accepted_in = CLOCK.monotonic() - doors.began
        await delivered
        delivered_in = CLOCK.monotonic() - doors.began
        await rests(pid)
    used = cpu_seconds(pid) - cpu
    return Result(messages / accepted_in, messages / delivered_in, used * 1000 / messages, peak.megabytes)


async def rests(pid: int) -> None:
    """The letters of sent mail are filed some seconds after it."""
    before, quiet = cpu_seconds(pid), 0
    while quiet < 12:
        await asyncio.sleep(_REST)
        now = cpu_seconds(pid)
        quiet = quiet + 1 if now - before < 0.05 * _REST else 0
        before = now


async def run(arguments: argparse.Namespace) -> None:
    """Print the table and the ratio."""
    print("\n".join(describe(arguments.dir)))
    print("\n| way | accepted/s | delivered/s | CPU s per 1,000 | peak PSS MB |")
    print("|---|---|---|---|---|")
    async with running(arguments.dir) as doors:
        ways = {"SMTP": doors.smtp, "HTTP": doors.singly, "HTTP, batches": doors.in_batches}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for load in ways.values():
            await measure(doors, load, WARM_UP, arguments.connections)
        for _ in range(arguments.rounds):
            for name, load in ways.items():
                result = await measure(doors, load, arguments.messages, arguments.connections)
                rates[name].append(result.accepted)
                print(_row(name, result), flush=True)
        print("\n| way | requests | p50 ms | p99 ms |\n|---|---|---|---|")
        for way in ("smtp", "email", "batch"):
            connections = BATCHES_AT_ONCE if way == "batch" else arguments.connections
            took = await doors.post(way, arguments.messages, connections)
            print(f"| {way} | {len(took)} | {_percentile(took, 50):.1f} | {_percentile(took, 99):.1f} |")
            await rests(doors.daemon.pid)
    for name, goal in (("HTTP", 0.7), ("HTTP, batches", 1.5)):
        ratios = [one / smtp for one, smtp in zip(rates[name], rates["SMTP"], strict=True)]
        print(f"\n{name}: {statistics.median(ratios):.2f} times as fast as SMTP (goal: {goal}).")


def _row(name: str, result: Result) -> str:
    rates = f"{result.accepted:.0f} | {result.delivered:.0f}"
    return f"| {name} | {rates} | {result.cpu:.2f} | {result.peak_mb:.0f} |"


def _percentile(took: Sequence[float], percent: int) -> float:
    """In milliseconds."""
    return sorted(took)[min(len(took) - 1, len(took) * percent // 100)] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=1500)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
