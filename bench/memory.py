"""What waits, and what it costs: idle connections, a long queue, large messages.

Starts `posthouse serve` on a fresh store for each question and prints a table:

- `connections`: so many SMTP connections that have said EHLO and say no more.
  PSS of the process tree for each, and the CPU to greet one.
- `queue`: so many recipients at a destination where nobody answers. What one
  more costs to take in, what all of them cost while they wait, and what a
  message to somebody else costs meanwhile. If the last two do not grow with
  the queue, a million queued is no dearer than a thousand.
- `large`: ten messages of 24 MiB at once, all but their last line. PSS above
  what the server had before.

    python -m bench.memory [connections|queue|large …] [--connections 10000] [--queued 1000 10000 100000]

`--queued 1000000` takes some minutes and 2 GB of disk. Everything is on
loopback; limits.connections, connections_per_ip, the daily cap and
the file descriptors of both processes are raised.
"""

import argparse
import asyncio
import resource
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.peers.cases import Case
from bench.peers.contender import find, free_port
from bench.peers.machine import describe
from bench.process import Peak, Sink, cpu_seconds, memory_mb, tree
from relay.clock import SystemClock
from tests.fakes.daemon import APPLICATION, Daemon, prepare_daemon
from tests.fakes.dns_server import FakeDns

CLOCK = SystemClock()
DEAD, LIVE = "dead.example", "live.example"
RECIPIENTS = 1000  # of a message that fills the queue
ELSEWHERE = 300
LARGE = 24 * 1024 * 1024
AT_ONCE = 10
_LINE = b"X" * 76 + b"\r\n"
_GREETED_AT_ONCE = 100


class Talk:
    """An SMTP session that expects yes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def begin(cls, port: int) -> "Talk":
        talk = cls(*await asyncio.open_connection("127.0.0.1", port, limit=4096))
        await talk.expect(b"220")
        await talk.say(b"EHLO load.test", b"250")
        return talk

    async def say(self, line: bytes, code: bytes) -> None:
        self.writer.write(line + b"\r\n")
        await self.expect(code)

    async def expect(self, code: bytes) -> None:
        while (line := await self.reader.readline())[3:4] == b"-":
            pass
        if not line.startswith(code):
            raise RuntimeError(f"{line!r} instead of {code.decode()}")

    async def envelope(self, recipients: Sequence[str]) -> None:
        """Up to the 354, all of it in one go (RFC 2920)."""
        lines = [f"MAIL FROM:<{APPLICATION}>", *(f"RCPT TO:<{each}>" for each in recipients), "DATA"]
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        for _ in lines[:-1]:
            await self.expect(b"250")
        await self.expect(b"354")
        self.writer.write(f"From: <{APPLICATION}>\r\nTo: <x@{DEAD}>\r\nSubject: x\r\n\r\n".encode())

    async def end(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@asynccontextmanager
async def running(base: Path, settings: Mapping[str, Any]) -> AsyncIterator[Daemon]:
    """A daemon with an empty store."""
    directory = Path(tempfile.mkdtemp(prefix="memory-", dir=base))
    raised = {
        "submission.trusted_networks": ["127.0.0.0/8"],
        "limits.connections": 20_000,
        "limits.connections_per_ip": 20_000,
        "limits.command_timeout": "30m",
        **settings,
    }
    daemon = await prepare_daemon(directory, raised, daily_cap=10**9)
    try:
        await daemon.start()
        yield daemon
        await daemon.stop()
    finally:
        daemon.close()
        shutil.rmtree(directory)


def pss(daemon: Daemon) -> float:
    return memory_mb(tree(daemon.pid))


async def connections(base: Path, count: int) -> None:
    """Open them, a hundred at a time, and leave them alone."""
    print("\n| idle connections | PSS MB | KB each | CPU ms to greet one | CPU ms a second while idle |")
    print("|---|---|---|---|---|")
    async with running(base, {}) as daemon:
        await (await Talk.begin(daemon.ports["submission"])).end()
        before, talks = pss(daemon), list[Talk]()
        for wanted in (count // 10, count):
            cpu, had = cpu_seconds(daemon.pid), len(talks)
            while len(talks) < wanted:
                more = min(_GREETED_AT_ONCE, wanted - len(talks))
                talks += await asyncio.gather(*(Talk.begin(daemon.ports["submission"]) for _ in range(more)))
            greeted = (cpu_seconds(daemon.pid) - cpu) * 1000 / (len(talks) - had)
            idle = await at_rest(daemon)
            each = (pss(daemon) - before) * 1000 / len(talks)
            print(
                f"| {len(talks)} | {pss(daemon):.0f} | {each:.1f} | {greeted:.2f} | {idle:.1f} |", flush=True
            )
        await asyncio.gather(*(talk.say(b"NOOP", b"250") for talk in talks))
        await asyncio.gather(*(talk.end() for talk in talks))


async def queue(base: Path, sizes: Sequence[int]) -> None:
    """Each size in a fresh store."""
    print(
        "\n| queued | CPU ms a recipient to take in | at rest: CPU ms a second | PSS MB"
        " | elsewhere: CPU ms a message | elsewhere/s | store MB |"
    )
    print("|---|---|---|---|---|---|---|")
    for count in sizes:
        async with _far() as (settings, sink), running(base, settings) as daemon:
            await _elsewhere(daemon, sink, 50)
            print(await _row(daemon, sink, count), flush=True)


@asynccontextmanager
async def _far() -> AsyncIterator[tuple[Mapping[str, Any], Sink]]:
    """A sink that one domain leads to, another domain where nobody answers, and the settings that say so."""
    dns, sink = await FakeDns.start(), await Sink.start(free_port())
    # The sink listens at 127.0.0.1 alone: at 127.0.0.9 nobody answers.
    for domain, address in ((DEAD, "127.0.0.9"), (LIVE, "127.0.0.1")):
        dns.mx(domain, (10, f"mx.{domain}"))
        dns.address(f"mx.{domain}", address)
    try:
        yield {"dns.nameservers": [dns.nameserver], "delivery.port": sink.port}, sink
    finally:
        await sink.stop()
        await dns.stop()


async def _row(daemon: Daemon, sink: Sink, count: int) -> str:
    cpu = cpu_seconds(daemon.pid)
    async with Peak((daemon.pid,)) as peak:
        await _fill(daemon, count)
        resting = await at_rest(daemon)
        filled = (cpu_seconds(daemon.pid) - cpu) * 1000 / count
        elsewhere, rate = await _elsewhere(daemon, sink, ELSEWHERE)
    size = sum(file.stat().st_size for file in daemon.config.server.data_dir.glob("posthouse.db*")) >> 20
    return (
        f"| {count} | {filled:.3f} | {resting:.1f} | {pss(daemon):.0f} (peak {peak.megabytes:.0f})"
        f" | {elsewhere:.2f} | {rate:.0f} | {size} |"
    )


async def _fill(daemon: Daemon, count: int) -> None:
    talk = await Talk.begin(daemon.ports["submission"])
    for start in range(0, count, RECIPIENTS):
        await talk.envelope([f"r{number}@{DEAD}" for number in range(start, min(start + RECIPIENTS, count))])
        await talk.say(b"Hello.\r\n.", b"250")
    await talk.end()


async def _elsewhere(daemon: Daemon, sink: Sink, count: int) -> tuple[float, float]:
    """CPU ms a message to somebody who answers, and how many a second."""
    cpu, began, wanted = cpu_seconds(daemon.pid), CLOCK.monotonic(), sink.taken + count
    program = find("smtp-source")
    assert program is not None
    case = Case("4 KB", 10, True, count)
    process = await asyncio.create_subprocess_exec(
        *(program, "-s", str(case.sessions), "-l", "4096", "-m", str(count), "-d"),
        *("-f", APPLICATION, "-t", f"ann@{LIVE}", "-M", "load.test"),
        f"127.0.0.1:{daemon.ports['submission']}",
    )
    if await process.wait():
        raise RuntimeError("not all of it was taken")
    await sink.takes(wanted)
    return (cpu_seconds(daemon.pid) - cpu) * 1000 / count, count / (CLOCK.monotonic() - began)


async def at_rest(daemon: Daemon, seconds: float = 5, limit: float = 120) -> float:
    """CPU milliseconds a second once it has settled down: the first time that it grows no less."""
    last, began = float("inf"), CLOCK.monotonic()
    while CLOCK.monotonic() - began < limit:
        before = cpu_seconds(daemon.pid)
        await asyncio.sleep(seconds)
        now = (cpu_seconds(daemon.pid) - before) * 1000 / seconds
        if now >= 0.8 * last or now < 10:
            return now
        last = now
    return last


async def large(base: Path) -> None:
    """All of them under way at once."""
    print("\n| large messages under way | MiB each | PSS MB before | PSS MB | MB each |")
    print("|---|---|---|---|---|")
    async with _far() as (settings, _), running(base, settings) as daemon:
        await (await Talk.begin(daemon.ports["submission"])).end()
        before, talks = pss(daemon), [await Talk.begin(daemon.ports["submission"]) for _ in range(AT_ONCE)]
        async with Peak((daemon.pid,)) as peak:
            await asyncio.gather(*map(_all_but_the_end, talks))
            await asyncio.sleep(1)
        each = (peak.megabytes - before) / AT_ONCE
        print(f"| {AT_ONCE} | {LARGE >> 20} | {before:.0f} | {peak.megabytes:.0f} | {each:.1f} |", flush=True)
        async with Peak((daemon.pid,)) as peak:
            await asyncio.gather(*(talk.say(b".", b"250") for talk in talks))
            await at_rest(daemon)
        print(f"\nPeak while they were stored, tried in vain and read: {peak.megabytes:.0f} MB")
        await asyncio.gather(*(talk.end() for talk in talks))


async def _all_but_the_end(talk: Talk) -> None:
    await talk.envelope([f"ann@{DEAD}"])
    piece = _LINE * 840
    for _ in range(LARGE // len(piece)):
        talk.writer.write(piece)
        await talk.writer.drain()


async def run(arguments: argparse.Namespace) -> None:
    """Print what is wanted."""
    print("\n".join(describe(arguments.dir)))
    if "connections" in arguments.what:
        await connections(arguments.dir, arguments.connections)
    if "queue" in arguments.what:
        await queue(arguments.dir, arguments.queued)
    if "large" in arguments.what:
        await large(arguments.dir)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    everything = ["connections", "queue", "large"]
    parser.add_argument("what", nargs="*", default=everything, metavar="|".join(everything))
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--queued", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    arguments = parser.parse_args()
    if unknown := set(arguments.what) - set(everything):
        parser.error(f"{', '.join(unknown)}: one of {', '.join(everything)}")
    # The daemon inherits it.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < arguments.connections + 200:
        parser.error(f"the kernel allows {most} files to a process; --connections {most - 200} at most")
    asyncio.run(run(arguments))


if __name__ == "__main__":
    main()
