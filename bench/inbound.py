"""How fast is mail received, and how fast is it read: judged, threaded, its new text found?

Starts `posthouse serve` on a fresh store with ten mailboxes and a DNS server of
its own, and hands in signed mail of strangers over SMTP: conversations of five
letters that quote each other, from twenty domains with SPF, DKIM (RSA-2048)
and DMARC. Every letter must have passed all three and stand in its thread, or
the run fails. Everything runs on this machine and shares its cores.

    python -m bench.inbound [--messages 2000] [--sessions 10] [--rounds 1] [--dir /var/tmp]

It differs from a default installation in this: loopback is an uncounted
network, and limits.connections_per_ip is raised.
"""

import argparse
import asyncio
import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.arriving.mail import LETTERS, MAILBOXES, Strangers
from bench.peers.machine import describe
from bench.process import Peak, cpu_seconds
from relay.clock import SystemClock
from tests.fakes.daemon import OURS, ROOT, Daemon, prepare_daemon

CLOCK = SystemClock()
WARM_UP = 20  # conversations
_STUCK = 300.0


@dataclass(frozen=True, slots=True)
class Result:
    """Of one load; times in seconds from its beginning."""

    messages: int
    received_in: float
    read_in: float
    cpu: float
    peak_mb: float


@asynccontextmanager
async def running(directory: Path, strangers: Strangers) -> AsyncIterator[Daemon]:
    """A daemon with an empty store and ten mailboxes, whose DNS knows the strangers."""
    async with _dns(directory, strangers) as nameserver:
        settings = {
            "dns.nameservers": [nameserver],
            "inbound.uncounted_networks": ["127.0.0.0/8"],
            "inbound.greeting_delay": "0s",
            "limits.connections_per_ip": 1000,
        }
        daemon = await prepare_daemon(directory / "server", settings, receives=True)
        try:
            for number in range(MAILBOXES):
                await daemon.add_mailbox(f"box{number}@{OURS}")
            await daemon.start()
            yield daemon
            await daemon.stop()
        finally:
            daemon.close()


@asynccontextmanager
async def _dns(directory: Path, strangers: Strangers) -> AsyncIterator[str]:
    zone = directory / "zone.json"
    zone.write_text(json.dumps(strangers.zone()))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.dns_server", str(zone)), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def load(daemon: Daemon, strangers: Strangers, conversations: int, sessions: int) -> Result:
    """Hand them in, and wait until all are read."""
    file = daemon.directory / "load"
    file.write_bytes(msgspec.msgpack.encode([strangers.conversation(OURS) for _ in range(conversations)]))
    before, messages = _letters(daemon), conversations * LETTERS
    cpu, began = cpu_seconds(daemon.pid), CLOCK.monotonic()
    async with Peak((daemon.pid,)) as peak:
        sender = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.arriving.sender"),
            *(str(daemon.ports["inbound"]), str(sessions), str(file)),
            cwd=ROOT,
        )
        if await sender.wait():
            raise RuntimeError("not all of it was received")
        received_in = CLOCK.monotonic() - began
        await _are_read(daemon, before + messages)
        read_in = CLOCK.monotonic() - began
    return Result(messages, received_in, read_in, cpu_seconds(daemon.pid) - cpu, peak.megabytes)


async def _are_read(daemon: Daemon, letters: int) -> None:
    async with asyncio.timeout(_STUCK):
        while _letters(daemon) < letters:  # noqa: ASYNC110 - another process files them
            await asyncio.sleep(0.05)


def check(daemon: Daemon) -> None:
    """Every letter passed SPF, DKIM and DMARC, and every conversation is one thread."""
    with closing(_look(daemon)) as store:
        of_thread = store.execute("select messages, count(*) from threads group by messages").fetchall()
        verdicts = store.execute(
            "select json_extract(authentication, '$.spf.verdict'),"
            " json_extract(authentication, '$.dkim[0].verdict'),"
            " json_extract(authentication, '$.dmarc.verdict'), count(*) from letters group by 1, 2, 3"
        ).fetchall()
        quotes = store.execute(
            "select count(*) from letters l join letter_texts t on t.message_id = l.message_id"
            " where l.in_reply_to is not null and length(t.extracted_text) * 1.5 > length(t.text)"
        ).fetchone()
    if [messages for messages, _ in of_thread] != [LETTERS] or quotes != (0,):
        raise RuntimeError(f"conversations are apart: {of_thread}; answers with their quotes: {quotes}")
    if [verdict[:3] for verdict in verdicts] != [("pass", "pass", "pass")]:
        raise RuntimeError(f"mail was not authenticated: {verdicts}")


def _letters(daemon: Daemon) -> int:
    with closing(_look(daemon)) as store:
        (count,) = store.execute("select count(*) from letters").fetchone()
        return int(count)


def _look(daemon: Daemon) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{daemon.config.server.data_dir}/posthouse.db?mode=ro", uri=True)


async def run(arguments: argparse.Namespace) -> None:
    """Print the table."""
    print("\n".join(describe(arguments.dir)))
    print("\n| sessions | messages | received/s | read/s | CPU s per 1,000 | peak PSS MB |")
    print("|---|---|---|---|---|---|")
    for _ in range(arguments.rounds):
        directory = Path(tempfile.mkdtemp(prefix="inbound-", dir=arguments.dir))
        try:
            strangers = Strangers()
            async with running(directory, strangers) as daemon:
                await load(daemon, strangers, WARM_UP, arguments.sessions)
                result = await load(daemon, strangers, arguments.messages // LETTERS, arguments.sessions)
                check(daemon)
        finally:
            shutil.rmtree(directory)
        rates = f"{result.messages / result.received_in:.0f} | {result.messages / result.read_in:.0f}"
        cpu = result.cpu * 1000 / result.messages
        print(
            f"| {arguments.sessions} | {result.messages} | {rates} | {cpu:.2f} | {result.peak_mb:.0f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
