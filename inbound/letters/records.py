"""Write, find, change and forget letters. Owns the table `letters`.

Numbers grow with the time of reading, so lists are sorted and paged by them.
"""

import json
from collections.abc import Iterable, Sequence

from inbound.letters.letter import COLUMNS, SELECT, Letter, Match, Standing, from_row, to_row
from relay.store.database import Reader, Transaction
from relay.store.text import storable_json

_PLACES = ", ".join(f"${place}" for place in range(1, 27))
_INSERT = f"insert into letters ({COLUMNS}) values ({_PLACES})"


async def insert_many(tx: Transaction, letters: Iterable[Letter]) -> None:
    """Write several letters; their messages and threads must be there."""
    await tx.execute_many(_INSERT, map(to_row, letters))


async def find(reader: Reader, message_id: str) -> Letter | None:
    """The letter of a message, whoever's it is."""
    row = await reader.fetch_one(f"{SELECT} where l.message_id = $1", message_id)
    return from_row(row) if row else None


async def of_numbers(reader: Reader, numbers: Sequence[int]) -> list[Letter]:
    """The letters of these numbers, in their order."""
    rows = await reader.fetch_all(
        f"{SELECT} where l.number in (select value from {{each_number:$1}}) order by l.number",
        json.dumps(list(numbers)),
    )
    return [from_row(row) for row in rows]


async def known(reader: Reader, message_ids: Sequence[str]) -> set[str]:
    """Those of the messages that have a letter."""
    rows = await reader.fetch_all(
        "select message_id from letters where message_id in (select value from {each:$1})",
        json.dumps(list(message_ids)),
    )
    return {row["message_id"] for row in rows}


async def of_mailbox(reader: Reader, tenant_id: str, mailbox_id: str, message_id: str) -> Letter | None:
    """A tenant's letter in one of its mailboxes."""
    row = await reader.fetch_one(
        f"{SELECT} where l.message_id = $1 and l.mailbox_id = $2 and l.tenant_id = $3",
        message_id,
        mailbox_id,
        tenant_id,
    )
    return from_row(row) if row else None


async def has_sent(reader: Reader, thread_id: str) -> bool:
    """Whether we wrote anything in this conversation."""
    row = await reader.fetch_one(
        "select 1 from letters where thread_id = $1 and direction = 'out' limit 1", thread_id
    )
    return row is not None


async def sent_in_thread(reader: Reader, thread_id: str, after: int, limit: int) -> list[int]:
    """When we wrote in this conversation later than `after` (microseconds), newest first."""
    rows = await reader.fetch_all(
        "select at from letters where thread_id = $1 and direction = 'out' and at > $2"
        " order by number desc limit $3",
        thread_id,
        after,
        limit,
    )
    return [row["at"] for row in rows]


async def of_thread(reader: Reader, thread_id: str, limit: int = 1000) -> list[Letter]:
    """The newest letters of a thread, oldest first; those that were blocked or quarantined are not in it."""
    rows = await reader.fetch_all(
        f"{SELECT} where l.thread_id = $1 and l.standing = 'accepted' order by l.number desc limit $2",
        thread_id,
        limit,
    )
    return [from_row(row) for row in reversed(rows)]


async def count_of_thread(reader: Reader, thread_id: str) -> int:
    """How many letters a thread has, those that were put aside among them."""
    row = await reader.fetch_one("select count(*) as found from letters where thread_id = $1", thread_id)
    return int(row["found"]) if row else 0


async def move_to_thread(tx: Transaction, numbers: Sequence[int], thread_id: str, match: Match) -> int:
    """These letters belong to another thread from now on; returns how many there were."""
    return await tx.execute(
        "update letters set thread_id = $1, match = $2"
        " where number in (select cast(value as {bigint}) from {each:$3})",
        thread_id,
        storable_json(match),
        json.dumps([str(number) for number in numbers]),
    )


async def move_whole_thread(tx: Transaction, from_id: str, to_id: str) -> int:
    """All letters of a thread belong to another one from now on; how each matched stays."""
    return await tx.execute("update letters set thread_id = $1 where thread_id = $2", to_id, from_id)


async def set_intent(tx: Transaction, number: int, intent: str | None) -> None:
    """What a person or program says that its author wants."""
    await tx.execute("update letters set intent = $1 where number = $2", intent, number)


async def set_kind(tx: Transaction, number: int, kind: str, *, automatic: bool) -> None:
    """A person or program knows better of what kind it is."""
    await tx.execute(
        "update letters set kind = $1, automatic = $2 where number = $3", kind, int(automatic), number
    )


async def set_labels(tx: Transaction, number: int, labels: Sequence[str]) -> None:
    """The labels as lists show them; `labels.replace` keeps both tables together."""
    await tx.execute("update letters set labels = $1 where number = $2", storable_json(tuple(labels)), number)


async def set_standing(tx: Transaction, number: int, standing: Standing) -> None:
    """Let a quarantined or blocked letter in, or put one aside."""
    await tx.execute("update letters set standing = $1 where number = $2", standing, number)


async def forget(tx: Transaction, message_ids: Sequence[str]) -> None:
    """Remove letters; texts, labels and words must be gone already."""
    await tx.execute(
        "delete from letters where message_id in (select value from {each:$1})", json.dumps(list(message_ids))
    )
