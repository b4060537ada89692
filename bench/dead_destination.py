"""Do others keep their rate while 100,000 messages wait for a destination that is dead?

    python -m bench.dead_destination [--dead silent] [--queued 100000] [--messages 1000] [--rounds 10]

One daemon with an empty queue and one with so many messages for one dead
destination run side by side and take the same load for another in turn, from
smtp-source to smtp-sink (Debian's postfix package), kept connections; the
ratio of their rates is taken in each round. Dead means both: nobody listens (connections are
refused), and somebody listens and never says a word. The queue is filled by
copying the rows of one message that was accepted, and is due when the load
begins, so that what trying it costs is in the measure.
"""

import argparse
import asyncio
import shutil
import sqlite3
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from bench.peers.contender import free_port
from bench.process import Sink
from relay.clock import SystemClock, to_us
from relay.control.operations.messages import Send
from tests.fakes.daemon import APPLICATION, Daemon, keep_daemons
from tests.fakes.dns_server import FakeDns

CLOCK = SystemClock()
ALIVE, DEAD = "alive.example", "dead.example"
SIZE = 4096
WARM_UP = 200
WAYS = ("refuses", "silent")
# Columns that make a row its own; all others are as those of the one that was accepted.
_OWN = {
    "messages": {"id": "'msg_0' || printf('%09d', n)", "message_id": "'<' || n || '@dead.test>'"},
    "contents": {"message_id": "'msg_0' || printf('%09d', n)"},
    "recipients": {"id": "1000 + n", "message_id": "'msg_0' || printf('%09d', n)", "due_at": ":now"},
}


def fill(daemon: Daemon, count: int) -> None:
    """As many messages that wait as one that was accepted, and the day's allowance for them."""
    assert daemon.config.store_file is not None
    numbers = "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < :count)"
    with closing(sqlite3.connect(daemon.config.store_file, isolation_level=None)) as store:
        store.execute("begin")
        for table, own in _OWN.items():
            columns = [row[1] for row in store.execute(f"pragma table_info({table})")]
            values = ", ".join(own.get(column, f"x.{column}") for column in columns)
            where = "where x.direction = 'out'" if table == "messages" else ""
            store.execute(
                f"{numbers} insert into {table} ({', '.join(columns)})"  # noqa: S608
                f" select {values} from numbers, (select * from {table} x {where} limit 1) x",
                {"count": count, "now": to_us(CLOCK.now())},
            )
        store.execute("update allowances set used = used + ?", (count,))
        store.execute("commit")


async def rate(daemon: Daemon, sink: Sink, messages: int) -> float:
    """Messages a second, from the first connection until the last has come out."""
    before, began = sink.taken, CLOCK.monotonic()
    delivered = asyncio.create_task(sink.takes(before + messages))
    command = ["smtp-source", "-s", "10", "-d", "-l", str(SIZE), "-m", str(messages), "-M", "load.test"]
    command += ["-f", APPLICATION, "-t", f"ann@{ALIVE}", f"127.0.0.1:{daemon.ports['submission']}"]
    source = await asyncio.create_subprocess_exec(*command)
    if await source.wait():
        raise RuntimeError(f"smtp-source ended with {source.returncode}")
    await delivered
    return messages / (CLOCK.monotonic() - began)


@asynccontextmanager
async def silent(port: int) -> AsyncIterator[None]:
    """Somebody at 127.0.0.3 who takes connections and never says a word."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.3", port)
    try:
        yield
    finally:
        server.close()


async def measure(
    base: Path, how: str, queued: int, messages: int, rounds: int
) -> tuple[list[float], list[float]]:
    """The rates with an empty queue and with a full one, round by round."""
    empty, full = list[float](), list[float]()
    dns, sink = await FakeDns.start(), await Sink.start(free_port())
    for name, address in ((ALIVE, "127.0.0.1"), (DEAD, "127.0.0.3" if how == "silent" else "127.0.0.4")):
        dns.mx(name, (10, f"mx.{name}"))
        dns.address(f"mx.{name}", address)
    settings = {
        "dns.nameservers": [dns.nameserver],
        "delivery.port": sink.port,
        "submission.trusted_networks": ["127.0.0.0/8"],
        "limits.connections_per_ip": 1000,
    }
    try:
        async with silent(sink.port), keep_daemons(base) as make_daemon:
            idle = await make_daemon(settings, daily_cap=10**9)
            busy = await make_daemon(settings, daily_cap=10**9)
            await busy.do("message.send", Send(sender=APPLICATION, to=(f"bob@{DEAD}",), text="x" * 1000))
            fill(busy, queued)
            for daemon in (idle, busy):
                await daemon.start()
                await rate(daemon, sink, WARM_UP)
            for number in range(rounds):
                for daemon, rates in ((idle, empty), (busy, full))[:: 1 if number % 2 else -1]:
                    rates.append(await rate(daemon, sink, messages))
            for daemon, waits in ((idle, 0), (busy, queued + 1)):
                await daemon.stop()
                if (found := _waiting(daemon)) != waits:
                    raise RuntimeError(f"{found} wait instead of {waits}: {daemon.log[-2000:]}")
    finally:
        await sink.stop()
        await dns.stop()
    return empty, full


def _waiting(daemon: Daemon) -> int:
    with closing(sqlite3.connect(f"file:{daemon.config.store_file}?mode=ro", uri=True)) as store:
        (found,) = store.execute("select count(*) from recipients where settled_at is null").fetchone()
    return int(found)


async def run(base: Path, ways: list[str], queued: int, messages: int, rounds: int) -> None:
    """Print the table."""
    print("| the dead one | queued for it | others, empty queue, 1/s | others, full queue, 1/s | ratio |")
    print("|---|---|---|---|---|")
    for how in ways:
        directory = Path(tempfile.mkdtemp(prefix="dead-", dir=base))
        try:
            empty, full = await measure(directory, how, queued, messages, rounds)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        ratio = statistics.median(one / other for one, other in zip(full, empty, strict=True))
        shown = f"{statistics.median(empty):.0f} | {statistics.median(full):.0f} | {ratio:.2f}"
        print(f"| {how} | {queued} | {shown} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--queued", type=int, default=100_000, help="messages for the dead destination")
    parser.add_argument("--messages", type=int, default=1000, help="messages for the other, in each load")
    parser.add_argument("--dead", choices=WAYS, action="append", help="this way alone; may be repeated")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    arguments = parser.parse_args()
    if missing := [name for name in ("smtp-source", "smtp-sink") if shutil.which(name) is None]:
        parser.error(f"{', '.join(missing)}: not found; they are in Debian's package postfix")
    ways = arguments.dead or list(WAYS)
    asyncio.run(run(arguments.dir, ways, arguments.queued, arguments.messages, arguments.rounds))


if __name__ == "__main__":
    main()
