"""Each message has its recipients and its octets, and they are those that were accepted."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from relay.clock import to_us
from relay.control.checks.report import Report, broken, message_of, told
from relay.control.context import Context
from relay.message.canonical import RelaxedBodyHash
from relay.queue.state import FINAL
from relay.store.bodies import IN_OBJECTS, BodyShelf

_BATCH = 50  # rows that may hold a body each
_BLOCK = 1 << 20
_DAY = 86_400_000_000
_FINAL = ", ".join(f"'{state.value}'" for state in FINAL)


async def check_messages(context: Context, report: Report) -> None:
    """Nothing that was accepted is gone, and nothing is half there."""
    report.add(
        await told(
            context.db,
            "select m.id as id from messages m left join contents c on c.message_id = m.id"
            " where c.message_id is null",
            lambda row: f"message {row['id']} has no content",
        )
    )
    report.add(
        await told(
            context.db,
            "select m.id as id from messages m where m.direction = 'out'"
            " and not exists (select 1 from recipients r where r.message_id = m.id)",
            lambda row: f"message {row['id']} has no recipients",
        )
    )
    # What is forgotten goes when its events have gone; a day is more than one purge takes.
    forgotten = to_us(context.clock.now() - context.station.config.retention.events) + _DAY
    report.add(
        await told(
            context.db,
            "select e.id as id, e.kind as kind, e.message_id as message from events e"
            " left join messages m on m.id = e.message_id where m.id is null and e.message_id is not null"
            " and e.kind in ('message.accepted', 'message.received') and e.at > $1 order by e.seq",
            lambda row: f"event {row['id']} ({row['kind']}) tells of {row['message']}, which is not there",
            forgotten,
        )
    )
    tables = ("contents", "recipients", "arrivals", "letters", "letter_texts")
    elsewhere = {
        f"select x.message_id as id from {table} x join messages m on m.id = x.message_id"  # noqa: S608
        " where x.tenant_id <> m.tenant_id": f"is one tenant's, and another has its {table}"
        for table in tables
    }
    await broken(context.db, elsewhere, message_of, report)


async def check_bodies(context: Context, report: Report) -> None:
    """Sizes, as the tables say them."""
    report.add(
        await told(
            context.db,
            "select m.id as id, m.body_size as wanted, length(c.body) as found from messages m"
            " join contents c on c.message_id = m.id"
            " where c.body is not null and length(c.body) <> m.body_size",
            lambda row: f"message {row['id']}: its body has {row['found']} octets instead of {row['wanted']}",
        )
    )
    report.add(
        await told(
            context.db,
            "select m.id as id, m.size - 2 - m.body_size as wanted, length(c.header) as found from messages m"
            " join contents c on c.message_id = m.id where length(c.header) <> m.size - 2 - m.body_size",
            lambda row: (
                f"message {row['id']}: its header has {row['found']} octets instead of {row['wanted']}"
            ),
        )
    )
    report.add(
        await told(
            context.db,
            "select message_id as id from contents where body is not null and body_file is not null",
            lambda row: f"message {row['id']} has two bodies: one in its row, one in a file",
        )
    )
    report.add(
        await told(
            context.db,
            "select distinct r.message_id as id from recipients r"  # noqa: S608
            " join contents c on c.message_id = r.message_id"
            f" where r.state not in ({_FINAL}) and c.body is null and c.body_file is null",
            lambda row: f"message {row['id']}: recipients wait, but its body is gone",
        )
    )


async def check_hashes(context: Context, report: Report) -> None:
    """Every body that is kept is read, and compared with what was hashed as it came in.

    Large bodies in object storage or on a PostgreSQL server are not fetched for it:
    their sizes have been compared.
    """
    total = await context.db.fetch_one("select count(*) as found from contents")
    after, done, found = "", 0, list[str]()
    while rows := await context.db.fetch_all(
        "select m.id as id, m.body_size as size, m.body_hash as wanted, c.body as body, c.body_file as file"
        " from messages m join contents c on c.message_id = m.id where m.id > $1 order by m.id limit $2",
        after,
        _BATCH,
    ):
        after, done = rows[-1]["id"], done + len(rows)
        found += await asyncio.to_thread(_other_than_hashed, rows, context.station.shelf)
        context.progress("hashes", done, total["found"] if total else done)
    report.add(found)


def _other_than_hashed(rows: Any, shelf: BodyShelf) -> list[str]:
    return [
        f"message {row['id']}: its body is not the one that was accepted"
        for row in rows
        if row["wanted"] is not None and not _is_as_hashed(row, shelf)
    ]


def _is_as_hashed(row: Any, shelf: BodyShelf) -> bool:
    """Also for what is gone or of another size: others tell of that, and retention may have been faster."""
    hashing, size = RelaxedBodyHash(), 0
    for block in _blocks(row, shelf):
        hashing.update(block)
        size += len(block)
    return size != row["size"] or bool(hashing.digest() == row["wanted"])


def _blocks(row: Any, shelf: BodyShelf) -> Iterator[bytes]:
    if row["body"] is not None:
        yield row["body"]
    elif row["file"] is not None and not row["file"].startswith(IN_OBJECTS):
        with contextlib.suppress(FileNotFoundError, ValueError), shelf.path(row["file"]).open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
