"""How fast does the daemon take mail and pass it on, and what does a message cost?

Starts `posthouse serve` on a fresh store with smtp-sink as its smarthost and
loads it with smtp-source (both are in Debian's postfix package): 4 KB
messages, one recipient, RSA and Ed25519 signatures, logs on. Everything runs
on this machine and shares its cores.

    python -m bench.relay [--seconds 12] [--dir /var/tmp]

It differs from a default installation in three things: the mailbox's daily
cap and limits.connections_per_ip are raised, and loopback is a trusted
network, so there is neither TLS nor AUTH.
"""

import argparse
import asyncio
import shutil
import socket
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.process import Peak, Sink, cpu_seconds
from relay.clock import SystemClock
from tests.fakes.daemon import APPLICATION, Daemon, prepare_daemon

CLOCK = SystemClock()
SIZE = 4096
CASES = [(1, False), (10, False), (50, False), (10, True), (50, True)]
WARM_UP = 50
LATENCY_MESSAGES = 100
RECIPIENT = "ann@far.example"


@dataclass(frozen=True, slots=True)
class Result:
    """Of one load; times in seconds."""

    messages: int
    accepted_in: float
    delivered_in: float
    cpu: float
    peak_mb: float


@asynccontextmanager
async def running(base: Path) -> AsyncIterator[tuple[Daemon, Sink]]:
    """A daemon with an empty store, and its sink."""
    directory = Path(tempfile.mkdtemp(prefix="relay-", dir=base))
    sink = await Sink.start(_free_port())
    daemon = await prepare_daemon(
        directory,
        {
            "delivery.smarthost": f"127.0.0.1:{sink.port}",
            "submission.trusted_networks": ["127.0.0.0/8"],
            "limits.connections_per_ip": 1000,
        },
        daily_cap=10**9,
    )
    try:
        await daemon.start()
        yield daemon, sink
        await daemon.stop()
    finally:
        daemon.close()
        await sink.stop()
        shutil.rmtree(directory)


async def load(daemon: Daemon, sink: Sink, sessions: int, messages: int, *, reuse: bool) -> Result:
    """Hand in so many messages and wait until all have come out."""
    before, cpu, began = sink.taken, cpu_seconds(daemon.pid), CLOCK.monotonic()
    async with Peak((daemon.pid,)) as peak:
        delivered = asyncio.create_task(sink.takes(before + messages))
        await _source(daemon, sessions, messages, reuse=reuse)
        accepted_in = CLOCK.monotonic() - began
        await delivered
        delivered_in = CLOCK.monotonic() - began
    return Result(messages, accepted_in, delivered_in, cpu_seconds(daemon.pid) - cpu, peak.megabytes)


async def latency(daemon: Daemon, sink: Sink) -> tuple[list[float], list[float]]:
    """Of single messages in an idle house, from connecting: until the 250, and until it has come out."""
    accepted, delivered = [], []
    for _ in range(LATENCY_MESSAGES):
        began, before = CLOCK.monotonic(), sink.taken
        out = asyncio.create_task(sink.takes(before + 1))
        await _one(daemon.ports["submission"])
        accepted.append(CLOCK.monotonic() - began)
        await out
        delivered.append(CLOCK.monotonic() - began)
    return accepted, delivered


async def run(base: Path, seconds: float) -> None:
    """Print the table."""
    print("| sessions | messages | accepted/s | delivered/s | CPU ms/message | peak PSS MB |")
    print("|---|---|---|---|---|---|")
    for sessions, reuse in CASES:
        async with running(base) as (daemon, sink):
            probe = await load(daemon, sink, sessions, WARM_UP * sessions, reuse=reuse)
            rate = probe.messages / probe.delivered_in
            result = await load(daemon, sink, sessions, max(100, int(rate * seconds)), reuse=reuse)
            print(_row(sessions, reuse, result), flush=True)
    async with running(base) as (daemon, sink):
        await load(daemon, sink, 1, WARM_UP, reuse=False)
        accepted, delivered = await latency(daemon, sink)
    print(f"\nIdle, {LATENCY_MESSAGES} single messages on new connections: 250 after {_spread(accepted)};")
    print(f"at the sink after {_spread(delivered)} (from connecting).")
    print("connections_per_ip and the daily cap were raised; loopback is a trusted network.")


def _row(sessions: int, reuse: bool, result: Result) -> str:
    name = f"{sessions}{', reused' if reuse else ''}"
    accepted, delivered = result.messages / result.accepted_in, result.messages / result.delivered_in
    cpu = result.cpu * 1000 / result.messages
    rates = f"{accepted:.0f} | {delivered:.0f}"
    return f"| {name} | {result.messages} | {rates} | {cpu:.2f} | {result.peak_mb:.0f} |"


def _spread(times: list[float]) -> str:
    ninety_five = statistics.quantiles(times, n=20)[-1]
    return f"{statistics.median(times) * 1000:.1f} ms (median), {ninety_five * 1000:.1f} ms (95 %)"


async def _source(daemon: Daemon, sessions: int, messages: int, *, reuse: bool) -> None:
    command = ["smtp-source", "-s", str(sessions), "-l", str(SIZE), "-m", str(messages)]
    command += ["-f", APPLICATION, "-t", RECIPIENT, "-M", "load.test", *(["-d"] if reuse else [])]
    process = await asyncio.create_subprocess_exec(*command, f"127.0.0.1:{daemon.ports['submission']}")
    if await process.wait():
        raise RuntimeError(f"smtp-source ended with {process.returncode}")


async def _one(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    message = (
        f"From: <{APPLICATION}>\r\nTo: <{RECIPIENT}>\r\nSubject: one\r\n"
        f"Message-ID: <{CLOCK.monotonic()}@load.test>\r\n\r\n" + f"{'x' * 78}\r\n" * (SIZE // 80)
    )
    for line, expected in (
        ("", b"220"),
        ("EHLO load.test\r\n", b"250"),
        (f"MAIL FROM:<{APPLICATION}>\r\n", b"250"),
        (f"RCPT TO:<{RECIPIENT}>\r\n", b"250"),
        ("DATA\r\n", b"354"),
        (message + ".\r\n", b"250"),
    ):
        writer.write(line.encode())
        while (reply := await reader.readline())[3:4] == b"-":
            pass
        if not reply.startswith(expected):
            raise RuntimeError(f"{line[:40]!r} was answered {reply!r}")
    writer.close()
    await writer.wait_closed()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=12, help="about how long each load takes")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    arguments = parser.parse_args()
    if missing := [name for name in ("smtp-source", "smtp-sink") if shutil.which(name) is None]:
        parser.error(f"{', '.join(missing)}: not found; they are in Debian's package postfix")
    asyncio.run(run(arguments.dir, arguments.seconds))


if __name__ == "__main__":
    main()
