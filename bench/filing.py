"""What does it cost to file mail that was sent: its letter, its thread, its words?

Fills the spool of a fresh store with mail that went out over SMTP and has the
reader of the log file it, with nothing else going on. Prints CPU milliseconds
a message (user and system, all threads and reading children) and how many
the reader files a second.

    python -m bench.filing [--messages 3000] [--dir /var/tmp]
"""

import argparse
import asyncio
import random
import resource
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.words import prose
from inbound.assembly import build_way_in
from inbound.reading.bench import ReadingBench
from inbound.sent import SentMail
from relay.address import parse_address
from relay.clock import SystemClock, to_us
from relay.config import build_config
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.station import Station, open_station
from relay.store.database import Transaction
from relay.tenants import domain_changes, mailbox_changes
from relay.tenants.mailbox_changes import NewMailbox
from relay.tenants.tenants import DEFAULT_TENANT

CLOCK = SystemClock()
OURS = "app@ours.test"


@dataclass(frozen=True, slots=True)
class Written:
    """One message as it was handed in."""

    message_id: str
    header: bytes
    body: bytes


def load(number: int, _: random.Random) -> Written:
    """What smtp-source sends: one word, again and again."""
    return _written(number, b"X" * 78 + b"\r\n", 52)


def words(number: int, rng: random.Random) -> Written:
    """4 KB that people could have written."""
    return _written(number, prose(rng, 4096).encode(), 1)


def notes(number: int, rng: random.Random) -> Written:
    """A few lines, as most mail of programs is."""
    return _written(number, prose(rng, 400).encode(), 1)


def pages(number: int, rng: random.Random) -> Written:
    """The same words as plain text and as a page."""
    text = prose(rng, 2000)
    page = "".join(f"<p style='color:#333'>{line}</p>\r\n" for line in text.splitlines())
    body = (
        f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
        f"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>{page}</body></html>\r\n--b--\r\n"
    )
    return _written(
        number, body.encode(), 1, "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n"
    )


def answers(number: int, rng: random.Random) -> Written:
    """Each answers the one before, in threads of ten."""
    before = f"In-Reply-To: <{number - 1}@ours.test>\r\n" if number % 10 else ""
    return _written(number, prose(rng, 400).encode(), 1, before)


KINDS: dict[str, Callable[[int, random.Random], Written]] = {
    "as smtp-source writes, 4 KB": load,
    "words, 4 KB": words,
    "words, 400 octets": notes,
    "text and HTML, 6 KB": pages,
    "answers, 400 octets": answers,
}


def _written(number: int, text: bytes, times: int, fields: str = "") -> Written:
    message_id = f"<{number}@ours.test>"
    header = (
        f"From: App <{OURS}>\r\nTo: <ann{number}@far.example>\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\n"
        f"Subject: Order {number} has been sent\r\nMessage-ID: {message_id}\r\n{fields}"
    )
    return Written(message_id, header.encode(), text * times)


async def fill(station: Station, mailbox_id: str, mail: list[Written]) -> None:
    """As `accept` leaves it."""

    async def work(tx: Transaction) -> None:
        for each in mail:
            id_ = new_id("msg", CLOCK)
            message = Message(
                id=id_,
                tenant_id=DEFAULT_TENANT,
                mailbox_id=mailbox_id,
                direction="out",
                source="submission",
                reverse_path=parse_address(OURS),
                header_from=OURS,
                subject="Order",
                message_id=each.message_id,
                size=len(each.header) + len(each.body),
                body_size=len(each.body),
                created_at=to_us(CLOCK.now()),
            )
            await spool.insert(tx, message, StoredContent(each.header, each.body, None))
            await log.append(
                tx,
                CLOCK,
                EventKind.MESSAGE_ACCEPTED,
                tenant_id=DEFAULT_TENANT,
                mailbox_id=mailbox_id,
                message_id=id_,
            )

    await station.db.transact(work)


async def measure(station: Station, sent: SentMail) -> tuple[float, float]:
    """CPU and wall seconds until everything is filed."""
    began, cpu = CLOCK.monotonic(), _used()
    while await sent.step():
        pass
    return _used() - cpu, CLOCK.monotonic() - began


def _used() -> float:
    both = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


async def run_kind(
    kind: Callable[[int, random.Random], Written], count: int, directory: Path
) -> tuple[float, float]:
    values = {
        "server.data_dir": str(directory),
        "dkim.key_dir": str(directory / "keys"),
        "store.min_free": "0MiB",
    }
    async with AsyncExitStack() as stack:
        station = await stack.enter_async_context(open_station(build_config(values, base=directory)))

        async def furnish(tx: Transaction) -> str:
            domain = await domain_changes.add(tx, CLOCK, DEFAULT_TENANT, "ours.test")
            await domain_changes.assume_verified(tx, CLOCK, domain, receives=True)
            return (await mailbox_changes.add(tx, CLOCK, DEFAULT_TENANT, NewMailbox(address=OURS))).id

        mailbox_id = await station.directory.change(furnish)
        rng = random.Random(7)
        bench = ReadingBench()
        sent = build_way_in(station, bench).reader.sent
        for start in range(0, count, 500):
            await fill(
                station, mailbox_id, [kind(number, rng) for number in range(start, min(start + 500, count))]
            )
        used = await measure(station, sent)
        letters = await station.db.fetch_one("select count(*) as found from letters")
        await bench.close()
        assert letters is not None
        assert letters["found"] == count
        return used


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--kind", choices=list(KINDS))
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    arguments = parser.parse_args()
    print("| sent mail | CPU ms a message | filed/s |")
    print("|---|---|---|")
    for name, kind in KINDS.items():
        if arguments.kind in (None, name):
            directory = Path(tempfile.mkdtemp(prefix="filing-", dir=arguments.dir))
            try:
                cpu, wall = asyncio.run(run_kind(kind, arguments.messages, directory))
            finally:
                shutil.rmtree(directory)
            print(
                f"| {name} | {cpu * 1000 / arguments.messages:.2f} | {arguments.messages / wall:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
