"""How soon, and how many a second, are events posted to one endpoint while mail is taken?

smtp-source hands messages in on kept connections, as in `bench.api`; each is
accepted and delivered, and an endpoint in a process of its own is told of
both. It answers after a delay, as one that is not next door. Printed are how
many were posted a second from the first message to the last post, and how long
after its event each came. A post that came twice, or not at all, ends the run.

    python -m bench.webhooks [--messages 1000] [--delays 0 50 200] [--connections 10] [--dir /var/tmp]
"""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bench.api import CLOCK, Doors, rests, running
from bench.peers.machine import describe
from bench.process import cpu_seconds
from relay.clock import SystemClock
from tests.fakes.api_client import api_client
from tests.fakes.daemon import ROOT

KINDS = ("message.accepted", "message.delivered")
MOST_SECONDS = 600.0
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Endpoint:
    """Answers 204 after `delay` seconds; `lags` are seconds between an event and its post, by its id."""

    delay: float
    lags: dict[str, float] = field(default_factory=dict)
    twice: int = 0
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def has(self, count: int) -> None:
        """Return when so many events were told."""
        while len(self.lags) < count:
            self._more.clear()
            await self._more.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                found = _LENGTH.search(await reader.readuntil(b"\r\n\r\n"))
                assert found is not None
                self._note(json.loads(await reader.readexactly(int(found[1]))))
                await asyncio.sleep(self.delay)
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (OSError, EOFError):
            writer.close()

    def _note(self, event: dict[str, str]) -> None:
        self.twice += event["id"] in self.lags
        self._more.set()
        happened = datetime.fromisoformat(event["timestamp"])
        self.lags.setdefault(event["id"], (SystemClock().now() - happened).total_seconds())


async def listen(delay: float) -> None:
    """Say the port; for each number in the input, what has come when there are so many events."""
    endpoint = Endpoint(delay)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while count := await asyncio.to_thread(sys.stdin.readline):
        await endpoint.has(int(count))
        print(json.dumps([sorted(endpoint.lags.values()), endpoint.twice]), flush=True)


@asynccontextmanager
async def listener(delay: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """The endpoint, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.webhooks", "--listen", str(delay)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        limit=1 << 26,
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def told(process: asyncio.subprocess.Process, count: int) -> tuple[list[float], int]:
    """The lags of so many events, when they have come, and how many posts were not the first of theirs."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{count}\n".encode())
    lags, twice = json.loads(await process.stdout.readline())
    return lags, twice


async def measure(doors: Doors, delay: float, messages: int, connections: int) -> str:
    """A row of the table."""
    async with listener(delay) as process, api_client(doors.daemon, doors.key) as api:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(await process.stdout.readline())}/"
        await api.post("/v1/webhooks", {"url": url, "events": list(KINDS)})
        cpu, wanted = cpu_seconds(doors.daemon.pid), messages * len(KINDS)
        await doors.smtp(messages, connections)
        accepted = CLOCK.monotonic() - doors.began
        async with asyncio.timeout(MOST_SECONDS):
            await told(process, wanted)
        took = CLOCK.monotonic() - doors.began
        await rests(doors.daemon.pid)
        lags, twice = await told(process, wanted)
        if twice or len(lags) != wanted:
            raise RuntimeError(f"{len(lags)} events of {wanted}, {twice} posts too many")
        cpu = (cpu_seconds(doors.daemon.pid) - cpu) * 1000 / messages
    p50, p99 = lags[len(lags) // 2], lags[len(lags) * 99 // 100]
    return (
        f"| {delay * 1000:.0f} | {messages / accepted:.0f} | {wanted / took:.0f}"
        f" | {p50:.2f} | {p99:.2f} | {cpu:.2f} |"
    )


async def run(arguments: argparse.Namespace) -> None:
    """Print the table."""
    print("\n".join(describe(arguments.dir)))
    print("\n| answers after ms | accepted/s | posted/s | lag p50 s | p99 s | CPU s per 1,000 messages |")
    print("|---|---|---|---|---|---|")
    settings = {"webhooks.allow_private_networks": True}
    for delay in arguments.delays:
        async with running(arguments.dir, settings=settings) as doors:
            await doors.smtp(100, arguments.connections)
            await rests(doors.daemon.pid)
            print(await measure(doors, delay / 1000, arguments.messages, arguments.connections), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--delays", type=float, nargs="+", default=[0, 50, 200], metavar="MS")
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--listen", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    asyncio.run(run(arguments) if arguments.listen is None else listen(arguments.listen))


if __name__ == "__main__":
    main()
