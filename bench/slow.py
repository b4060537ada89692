"""How long do honest clients wait while a thousand slow ones hold each door? At the default limits.

The slow ones come from many addresses of loopback, say a part of a command or
a request, then an octet every few seconds, and come again when they are sent
away. Honest clients hand a message to the MX and ask the API, each on a
connection of its own, from an address of their own. The rounds alternate
between quiet and crowded; printed are percentiles and memory.

    python -m bench.slow [--slow 1000] [--honest 200] [--rounds 2] [--dir /var/tmp]
"""

import argparse
import asyncio
import itertools
import os
import resource
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bench.process import memory_mb, tree
from relay.clock import SystemClock
from tests.fakes.api_client import make_key
from tests.fakes.daemon import APPLICATION, Daemon, prepare_daemon
from tests.relay.smtp_server.client import Client

CLOCK = SystemClock()
SETTLE_SECONDS = 12.0
MESSAGE = b"From: ann@far.example\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
BEGINNINGS = {
    "inbound": [b"", b"EH", b"EHLO slow.example\r\n", b"EHLO x\r\nMAIL FROM:<a@far.example>\r\n"],
    "http": [
        b"",
        b"GE",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
        b"POST /v1/keys HTTP/1.1\r\nHost: a\r\n",
    ],
}


async def be_slow(port: int, source: str, beginning: bytes, every: float) -> None:
    """One slow client: it trickles, and connects anew when it is sent away."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            writer.write(beginning)
            while not writer.is_closing():
                await asyncio.sleep(every)
                writer.write(b"x")
                await writer.drain()
        except OSError:
            await asyncio.sleep(every)


async def be_a_crowd(ports: dict[str, int], count: int) -> None:
    """So many slow clients at each door, twenty from an address, until the process is ended."""
    await asyncio.gather(
        *(
            be_slow(ports[door], f"127.{net}.0.{n // 20 + 1}", beginnings[n % len(beginnings)], 5.0)
            for net, (door, beginnings) in enumerate(BEGINNINGS.items(), 50)
            for n in range(count)
        )
    )


@asynccontextmanager
async def crowd(daemon: Daemon, count: int) -> AsyncIterator[None]:
    """The crowd as a process of its own, settled when the block begins."""
    if not count:
        yield
        return
    ports = [str(daemon.ports[door]) for door in BEGINNINGS]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.slow", "--slow", str(count), "--crowd", *ports
    )
    try:
        await asyncio.sleep(SETTLE_SECONDS)
        yield
    finally:
        process.kill()
        await process.wait()


async def hand_in(daemon: Daemon) -> None:
    async with await Client.open(daemon.ports["inbound"], source=next(_SOURCES)) as client:
        assert client.greeting.startswith("220"), client.greeting
        await client.start_mail(APPLICATION)
        assert (await client.data(MESSAGE)).startswith("250 ")


async def ask(daemon: Daemon, key: str) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", daemon.ports["http"], local_addr=(next(_SOURCES), 0)
    )
    fields = f"Host: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
    writer.write(f"GET /v1/account HTTP/1.1\r\n{fields}\r\n".encode())
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def timed(work: Callable[[], Awaitable[None]], times: int) -> list[float]:
    """Milliseconds of each, one after another."""
    took = []
    for _ in range(times):
        began = CLOCK.monotonic()
        await work()
        took.append((CLOCK.monotonic() - began) * 1000)
    return took


async def run(base: Path, slow: int, honest: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(dir=base) as directory:
        settings = {"inbound.greeting_delay": "0s", "limits.api_requests_per_minute": 1_000_000}
        daemon = await prepare_daemon(Path(directory) / "daemon", settings, receives=True)
        key = await make_key(daemon)
        await daemon.start()
        try:
            await _measure(daemon, key, slow, honest, rounds)
        finally:
            await daemon.stop()
            daemon.manager.close()


async def _measure(daemon: Daemon, key: str, slow: int, honest: int, rounds: int) -> None:
    print(f"{os.cpu_count()} cores, {slow} slow clients at each door, {honest} honest ones after another\n")
    print("| round | slow clients | SMTP p50 / p95 ms | HTTP p50 / p95 ms | PSS MB |\n|---|---|---|---|---|")
    ratios: dict[str, list[float]] = {"SMTP": [], "HTTP": []}
    for number in range(1, rounds + 1):
        p95: dict[str, float] = {}
        for count in (0, slow):
            async with crowd(daemon, count):
                found = {
                    "SMTP": await timed(lambda: hand_in(daemon), honest),
                    "HTTP": await timed(lambda: ask(daemon, key), honest),
                }
                memory = memory_mb(tree(daemon.pid))
            cells = []
            for name, took in found.items():
                cuts = statistics.quantiles(took, n=20)
                cells.append(f"{statistics.median(took):.1f} / {cuts[-1]:.1f}")
                if count:
                    ratios[name].append(cuts[-1] / p95[name])
                p95[name] = cuts[-1]
            print(f"| {number} | {count} | {' | '.join(cells)} | {memory:.0f} |", flush=True)
    told = ", ".join(f"{name} {statistics.median(found):.2f}" for name, found in ratios.items())
    print(f"\np95 beside the crowd against p95 without it: {told} (median of {rounds}).")


_SOURCES = itertools.cycle(f"127.99.{net}.{host}" for net in range(4) for host in range(1, 250))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--slow", type=int, default=1000)
    parser.add_argument("--honest", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--crowd", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.crowd:
        asyncio.run(be_a_crowd(dict(zip(BEGINNINGS, options.crowd, strict=True)), options.slow))
        return
    asyncio.run(run(options.dir, options.slow, options.honest, options.rounds))


if __name__ == "__main__":
    main()
