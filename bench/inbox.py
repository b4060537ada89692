"""A large mailbox: how long do lists, threads and searches take, and does memory stay flat?

Fills one mailbox of a fresh store with letters in threads, then asks each
question of the API many times, in process and at random places of the list.
Prints the median and the 95th percentile in milliseconds, and the process's
memory before and after.

    python -m bench.inbox [--letters 100000] [--threads 20000] [--rounds 200]
"""

import argparse
import asyncio
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from api.app import build_app
from api.house import House
from api.paging import make_cursor
from inbound.composed import put
from inbound.letters import threads
from inbound.letters.letter import Letter, Match, People
from inbound.letters.texts import Text
from inbound.letters.threads import Thread
from inbound.reading.bench import ReadingBench
from relay.address import Address
from relay.clock import SystemClock, to_us
from relay.config import build_config
from relay.dispatch.assembly import build_acceptor
from relay.events.watch import EventWatch
from relay.ids import new_id, new_number
from relay.message.person import Person
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.station import open_station
from relay.store.database import Database, Transaction
from relay.templates.rendering import Renderer
from relay.tenants import domain_changes, key_changes, mailbox_changes
from relay.tenants.mailbox_changes import NewMailbox
from relay.tenants.tenants import DEFAULT_TENANT
from tests.api.client import Client

CLOCK = SystemClock()
WORDS = [
    a + b
    for a in ("in", "de", "pro", "con", "re", "ex", "per", "sub", "trans", "ob")
    for b in (
        *("voice", "liver", "duct", "tract", "port", "mit", "form", "cept", "sist", "fer", "gress", "scribe"),
        *(
            "ject",
            "pose",
            "tend",
            "vert",
            "clude",
            "rupt",
            "spect",
            "struct",
            "tain",
            "vene",
            "volve",
            "quire",
        ),
    )
]
LABELS = ("open", "closed", "urgent", "billing")


def letter_of(thread: Thread, mailbox_id: str, number: int, rng: random.Random) -> tuple[Letter, Text]:
    words = " ".join(rng.choices(WORDS, k=80))
    sender = Person(f"person{rng.randrange(5000)}@far.example", rng.choice(WORDS).title())
    letter = Letter(
        number=new_number(CLOCK),
        message_id=new_id("msg", CLOCK),
        tenant_id=DEFAULT_TENANT,
        mailbox_id=mailbox_id,
        thread_id=thread.id,
        direction="in",
        at=to_us(CLOCK.now()),
        kind="reply",
        people=People(sender=(sender,), to=(Person("ann@ours.test", "Ann"),)),
        match=Match(),
        sender=sender.address,
        header_id=f"<{number}.{mailbox_id}@far.example>",
        subject=thread.subject,
        preview=words[:200],
        labels=(rng.choice(LABELS),) if rng.random() < 0.2 else (),
    )
    return letter, Text(text=words, extracted_text=words, visible_text=words)


def message_of(letter: Letter) -> Message:
    return Message(
        id=letter.message_id,
        tenant_id=letter.tenant_id,
        mailbox_id=letter.mailbox_id,
        direction="in",
        source="mx",
        reverse_path=Address("person", "far.example"),
        header_from=letter.sender,
        subject=letter.subject,
        message_id=letter.header_id,
        size=2000,
        body_size=1500,
        created_at=letter.at,
    )


async def fill(db: Database, mailbox_id: str, letters: int, count: int, rng: random.Random) -> None:
    """Letters in turn into their threads."""
    begun: list[Thread] = []

    async def begin(tx: Transaction) -> None:
        for _ in range(count):
            subject = " ".join(rng.choices(WORDS, k=4))
            begun.append(
                await threads.begin(tx, CLOCK, DEFAULT_TENANT, mailbox_id, subject, to_us(CLOCK.now()))
            )

    await db.transact(begin)
    for start in range(0, letters, 500):

        async def work(tx: Transaction, start: int = start) -> None:
            for number in range(start, min(start + 500, letters)):
                letter, text = letter_of(begun[number % count], mailbox_id, number, rng)
                await spool.insert(tx, message_of(letter), StoredContent(b"Subject: x\r\n", b"", None))
                await put(tx, letter, text)

        await db.transact(work)


async def measure(rounds: int, ask: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Median and 95th percentile, in milliseconds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took), statistics.quantiles(took, n=20)[-1]


async def open_api(stack: AsyncExitStack, directory: Path) -> tuple[House, Client, dict[str, str]]:
    """The API over a fresh store, a client with a key, and two inboxes by name."""
    values = {
        "server.data_dir": str(directory),
        "dkim.key_dir": str(directory / "keys"),
        "store.min_free": "0MiB",
        "limits.api_requests_per_minute": 1_000_000,
    }
    station = await stack.enter_async_context(open_station(build_config(values, base=directory)))
    bench = ReadingBench()
    stack.push_async_callback(bench.close)
    renderer = Renderer(CLOCK)
    stack.push_async_callback(renderer.close)
    acceptor = build_acceptor(station)
    house = House(station, acceptor, acceptor.booking, EventWatch(station.db), bench, exposition, renderer)
    stack.callback(house.watch.close)

    async def furnish(tx: Transaction) -> tuple[str, dict[str, str]]:
        domain = await domain_changes.add(tx, CLOCK, DEFAULT_TENANT, "ours.test")
        await domain_changes.assume_verified(tx, CLOCK, domain, receives=True)
        new = [NewMailbox(address=f"{name}@ours.test") for name in ("ann", "other")]
        added = [await mailbox_changes.add(tx, CLOCK, DEFAULT_TENANT, each) for each in new]
        made = await key_changes.create(tx, CLOCK, DEFAULT_TENANT, key_changes.NewKey(name="bench"))
        return made.secret, {each.address.local_part: each.id for each in added}

    secret, inboxes = await station.directory.change(furnish)
    return house, Client(build_app(house), secret), inboxes


async def exposition() -> tuple[bytes, str]:
    return b"", "text/plain"


def questions(
    client: Client, inbox: str, rng: random.Random, numbers: list[int], places: list[str], letters: list[str]
) -> dict[str, Callable[[], Awaitable[object]]]:
    """What is asked, each a function that asks it once at some place of the list."""
    base = f"/v1/inboxes/{inbox}"

    def ask(target: Callable[[], str]) -> Callable[[], Awaitable[object]]:
        async def once() -> None:
            answer = await client.get(target())
            assert answer.status == 200, answer

        return once

    def anywhere() -> str:
        return f"cursor={make_cursor(str(rng.choice(numbers)))}"

    def word() -> str:
        return rng.choice(WORDS)

    return {
        "list, any page": ask(lambda: f"{base}/messages?{anywhere()}"),
        "list by label": ask(lambda: f"{base}/messages?label=urgent&{anywhere()}"),
        "list by sender": ask(lambda: f"{base}/messages?sender=person{rng.randrange(5000)}@far.example"),
        "list by recipient": ask(lambda: f"{base}/messages?to=ann@ours.test&{anywhere()}"),
        "replies, any page": ask(lambda: f"/v1/replies?{anywhere()}"),
        "one message": ask(lambda: f"{base}/messages/{rng.choice(letters)}"),
        "threads, any page": ask(lambda: f"{base}/threads?cursor={make_cursor(rng.choice(places))}"),
        "threads of all inboxes": ask(lambda: f"/v1/threads?cursor={make_cursor(rng.choice(places))}"),
        "one thread": ask(lambda: f"{base}/threads/{rng.choice(places).partition('.')[2]}"),
        "search, one word": ask(lambda: f"{base}/messages?q={word()}"),
        "search, three words": ask(lambda: f"{base}/messages?q={word()}+{word()}+{word()}"),
        "search, a phrase": ask(lambda: f"{base}/messages?q=%22{word()}+{word()}%22"),
        "search, begun word": ask(lambda: f"{base}/messages?q={word()[:4]}"),
        "search with label": ask(lambda: f"{base}/messages?q={word()}&label=billing"),
    }


def resident() -> int:
    """This process's memory now, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


async def run(args: argparse.Namespace, directory: Path) -> None:
    rng = random.Random(7)
    async with AsyncExitStack() as stack:
        house, client, inboxes = await open_api(stack, directory)
        db, inbox = house.db, inboxes["ann"]
        await fill(db, inboxes["other"], args.letters // 10, args.threads // 10, rng)
        await fill(db, inbox, args.letters, args.threads, rng)
        rows = await db.fetch_all("select number, message_id from letters where mailbox_id = $1", inbox)
        ends = await db.fetch_all("select last_at, id from threads where mailbox_id = $1", inbox)
        numbers, letters = [row["number"] for row in rows], [row["message_id"] for row in rows]
        places = [f"{row['last_at']}.{row['id']}" for row in ends]
        asked = questions(client, inbox, rng, numbers, places, letters)
        for ask in asked.values():
            await ask()
        before = resident()
        print(f"{args.letters} letters in {args.threads} threads, and a tenth of it in another inbox")
        print(f"{'through the API':<24}{'median ms':>12}{'p95 ms':>12}")
        for name, ask in asked.items():
            median, slow = await measure(args.rounds, ask)
            print(f"{name:<24}{median:>12.2f}{slow:>12.2f}")
        size = (directory / "posthouse.db").stat().st_size >> 20
        print(f"memory: {before >> 10} MB before, {resident() >> 10} MB after; store {size} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--letters", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=200)
    args = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="inbox-", dir="/var/tmp"))
    try:
        asyncio.run(run(args, directory))
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
