"""Conversations, each in one mailbox. Owns the table `threads`.

A thread that was merged into another is found under its old id too.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inbound.letters.letter import Letter
from relay.clock import Clock
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction
from relay.store.text import among, storable, storable_json

_COLUMNS = "id, tenant_id, mailbox_id, subject, messages, started_at, last_at, labels, merged_into"
_SELECT = f"select {_COLUMNS} from threads"
_LONGEST_CHAIN = 100


@dataclass(frozen=True, slots=True)
class Thread:
    """`messages` counts its letters; `started_at` and `last_at` are microseconds."""

    id: str
    tenant_id: str
    mailbox_id: str
    subject: str
    messages: int
    started_at: int
    last_at: int
    labels: tuple[str, ...]
    merged_into: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Which threads are wanted: of one mailbox, some, or all the tenant's, behind a place in the list."""

    tenant_id: str
    mailbox_id: str | None = None
    mailbox_ids: tuple[str, ...] | None = None
    label: str | None = None
    limit: int = 50
    before: tuple[int, str] | None = None  # last_at and id of the last one of the page before


async def begin(
    tx: Transaction, clock: Clock, tenant_id: str, mailbox_id: str, subject: str, at: int
) -> Thread:
    """A new thread without letters."""
    thread = Thread(new_id("thr", clock), tenant_id, mailbox_id, storable(subject), 0, at, at, ())
    await tx.execute(
        f"insert into threads ({_COLUMNS}) values ($1, $2, $3, $4, 0, $5, $5, '[]', null)",
        thread.id,
        tenant_id,
        mailbox_id,
        thread.subject,
        at,
    )
    return thread


async def begin_with_one(tx: Transaction, letters: Iterable[Letter]) -> None:
    """A new thread for each letter, under the id that the letter names.

    It is the only one in it, and counts unless it was put aside.
    """
    await tx.execute_many(
        f"insert into threads ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $6, '[]', null)",
        [
            (
                *(letter.thread_id, letter.tenant_id, letter.mailbox_id, storable(letter.subject)),
                *(int(letter.standing == "accepted"), letter.at),
            )
            for letter in letters
        ],
    )


async def grow(tx: Transaction, thread_ids: Iterable[tuple[str, int]]) -> None:
    """One more letter has come for each, with the microsecond at which it was written."""
    await tx.execute_many(
        "update threads set messages = messages + 1,"
        " last_at = case when last_at < $2 then $2 else last_at end where id = $1",
        thread_ids,
    )


async def recount(tx: Transaction, thread_id: str) -> None:
    """Count its letters afresh, after some came or went; those that were put aside do not count."""
    await tx.execute(
        "update threads set messages ="
        " (select count(*) from letters where thread_id = $1 and standing = 'accepted'),"
        " started_at = coalesce("
        "(select min(at) from letters where thread_id = $1 and standing = 'accepted'), started_at),"
        " last_at = coalesce("
        "(select max(at) from letters where thread_id = $1 and standing = 'accepted'), last_at)"
        " where id = $1",
        thread_id,
    )


async def find(reader: Reader, tenant_id: str, thread_id: str) -> Thread | None:
    """A tenant's thread by its id, or by that of one that was merged into it."""
    for _ in range(_LONGEST_CHAIN):
        row = await reader.fetch_one(f"{_SELECT} where id = $1 and tenant_id = $2", thread_id, tenant_id)
        if row is None or row["merged_into"] is None:
            return _thread(row) if row else None
        thread_id = row["merged_into"]
    return None


async def page(reader: Reader, wanted: Page) -> list[Thread]:
    """Threads, the one with the newest letter first."""
    whose = "mailbox_id = $2" if wanted.mailbox_id else "$2 = ''"
    behind = "and (last_at < $3 or (last_at = $3 and id < $4))" if wanted.before else "and $3 = 0 and $4 = ''"
    rows = await reader.fetch_all(
        f"{_SELECT} where tenant_id = $1 and {whose} and merged_into is null and messages > 0 {behind}"
        " and ($5 = '' or exists (select 1 from {each:labels} where value = $5))"
        " and ($7 = '[0]' or mailbox_id in (select value from {each:$7}))"
        " order by last_at desc, id desc limit $6",
        wanted.tenant_id,
        wanted.mailbox_id or "",
        *(wanted.before or (0, "")),
        wanted.label or "",
        wanted.limit,
        among(wanted.mailbox_ids),
    )
    return [_thread(row) for row in rows]


async def merge(tx: Transaction, thread: Thread, into: Thread) -> None:
    """Whoever asks for `thread` gets `into` from now on; its letters must have moved."""
    await tx.execute(
        "update threads set merged_into = $1, messages = 0 where id = $2 or merged_into = $2",
        into.id,
        thread.id,
    )


async def set_labels(tx: Transaction, thread_id: str, labels: Sequence[str]) -> None:
    """What people stick on the whole conversation."""
    await tx.execute("update threads set labels = $1 where id = $2", storable_json(tuple(labels)), thread_id)


async def forget_empty(tx: Transaction, thread_ids: Sequence[str]) -> None:
    """Remove those of the threads in which no letter is left, and what had been merged into them."""
    await tx.execute(
        "delete from threads where (id in (select value from {each:$1})"
        " or merged_into in (select value from {each:$1}))"
        " and not exists (select 1 from letters where thread_id in (threads.id, threads.merged_into))",
        json.dumps(list(thread_ids)),
    )


def _thread(row: Row) -> Thread:
    return Thread(
        id=row["id"],
        tenant_id=row["tenant_id"],
        mailbox_id=row["mailbox_id"],
        subject=row["subject"],
        messages=row["messages"],
        started_at=row["started_at"],
        last_at=row["last_at"],
        labels=tuple(json.loads(row["labels"])),
        merged_into=row["merged_into"],
    )
