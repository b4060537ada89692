"""What a mailbox knows of one message at a glance. Owns the table `letters`.

Numbers grow with the time of reading, so lists are sorted and paged by them.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from inbound.authenticate.results import Authentication
from inbound.reading.parsed import Attachment
from inbound.screening import Screening
from relay.message.person import Person
from relay.store.database import Reader, Row, Transaction, Value
from relay.store.text import storable, storable_json

S = TypeVar("S", bound=msgspec.Struct)

Standing: TypeAlias = Literal["accepted", "blocked", "quarantined"]
Method: TypeAlias = Literal[
    "new",
    "given",
    "reply_address",
    "bounce_address",
    "in_reply_to",
    "references",
    "thread_index",
    "answered",
    "merged",
    "split",
]


class People(msgspec.Struct, frozen=True, kw_only=True):
    """Who is named in the header; `bcc` only for mail that was composed here."""

    sender: tuple[Person, ...] = ()
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    bcc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()


class Match(msgspec.Struct, frozen=True):
    """How a letter came into its thread, and what proved it."""

    method: Method = "new"
    evidence: str = ""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One message in one mailbox. `at` is microseconds; `sender` an address key, perhaps empty.

    `header_id` is its own Message-ID, `in_reply_to` the one it answers first,
    both in angle brackets. `evidence` says why it is of its kind.
    """

    number: int
    message_id: str
    tenant_id: str
    mailbox_id: str
    thread_id: str
    direction: Literal["out", "in"]
    at: int
    kind: str
    people: People
    match: Match
    automatic: bool = False
    intent: str | None = None
    standing: Standing = "accepted"
    sender: str = ""
    header_id: str = ""
    in_reply_to: str | None = None
    thread_index: str | None = None
    subject: str = ""
    preview: str = ""
    references: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    labels: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    authentication: Authentication | None = None
    screening: Screening | None = None


COLUMNS = (
    "number, message_id, tenant_id, mailbox_id, thread_id, direction, at, kind, automatic, intent, standing,"
    " sender, header_id, in_reply_to, thread_index, subject, preview, people, refs, attachments, labels,"
    " flags, evidence, match, authentication, screening"
)
COLUMNS_OF_L = ", ".join(f"l.{name.strip()}" for name in COLUMNS.split(","))
SELECT = f"select {COLUMNS_OF_L} from letters l"
_PLACES = ", ".join(f"${place}" for place in range(1, 27))
_INSERT = f"insert into letters ({COLUMNS}) values ({_PLACES})"


async def insert_many(tx: Transaction, letters: Iterable[Letter]) -> None:
    """Write several letters; their messages and threads must be there."""
    await tx.execute_many(_INSERT, map(_values, letters))


def _values(letter: Letter) -> Sequence[Value]:
    return (
        letter.number,
        letter.message_id,
        letter.tenant_id,
        letter.mailbox_id,
        letter.thread_id,
        letter.direction,
        letter.at,
        letter.kind,
        int(letter.automatic),
        letter.intent,
        letter.standing,
        storable(letter.sender),
        storable(letter.header_id),
        storable(letter.in_reply_to) if letter.in_reply_to else None,
        letter.thread_index,
        storable(letter.subject),
        storable(letter.preview),
        storable_json(letter.people),
        *[storable_json(each) if each else "[]" for each in _lists_of(letter)],
        storable_json(letter.match),
        storable_json(letter.authentication) if letter.authentication else None,
        storable_json(letter.screening) if letter.screening else None,
    )


def _lists_of(letter: Letter) -> Sequence[Sequence[Any]]:
    return letter.references, letter.attachments, letter.labels, letter.flags, letter.evidence


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


async def by_header_ids(reader: Reader, mailbox_id: str, header_ids: Sequence[str]) -> dict[str, Letter]:
    """Those of a mailbox's letters that bear one of these Message-IDs, by it.

    Where several do, ours, else the first: nobody takes over a conversation
    with a copied Message-ID. What was put aside is not found.
    """
    rows = await reader.fetch_all(
        f"{SELECT} where l.mailbox_id = $1 and l.header_id in (select value from {{each:$2}})"
        " and l.standing = 'accepted' order by l.direction, l.number desc",
        mailbox_id,
        json.dumps([storable(each) for each in header_ids]),
    )
    return {row["header_id"]: from_row(row) for row in rows}


async def named_among(reader: Reader, mailbox_id: str, header_ids: Sequence[str]) -> set[str]:
    """Those of the Message-IDs that some letter of the mailbox bears."""
    rows = await reader.fetch_all(
        "select distinct header_id from letters where mailbox_id = $1"
        " and header_id in (select value from {each:$2})",
        mailbox_id,
        json.dumps([storable(each) for each in header_ids]),
    )
    return {row["header_id"] for row in rows}


async def by_thread_index(reader: Reader, mailbox_id: str, root: str) -> Letter | None:
    """The newest letter of a conversation that Outlook knows under this root."""
    row = await reader.fetch_one(
        f"{SELECT} where l.mailbox_id = $1 and l.thread_index = $2 and l.standing = 'accepted'"
        " order by l.number desc limit 1",
        mailbox_id,
        root,
    )
    return from_row(row) if row else None


async def that_answers(reader: Reader, mailbox_id: str, header_id: str) -> Letter | None:
    """The first letter that came in answer to this Message-ID: sometimes an answer is faster."""
    row = await reader.fetch_one(
        f"{SELECT} where l.mailbox_id = $1 and l.in_reply_to = $2 and l.standing = 'accepted'"
        " order by l.number limit 1",
        mailbox_id,
        storable(header_id),
    )
    return from_row(row) if row else None


async def answered_among(reader: Reader, mailbox_id: str, header_ids: Sequence[str]) -> set[str]:
    """Those of the Message-IDs that some letter of the mailbox came in answer to."""
    rows = await reader.fetch_all(
        "select distinct in_reply_to from letters where mailbox_id = $1"
        " and in_reply_to in (select value from {each:$2}) and standing = 'accepted'",
        mailbox_id,
        json.dumps([storable(each) for each in header_ids]),
    )
    return {row["in_reply_to"] for row in rows}


async def senders_among(reader: Reader, mailbox_id: str, senders: Sequence[str]) -> set[str]:
    """Those of the address keys from which mail has come that was let in."""
    rows = await reader.fetch_all(
        "select distinct sender from letters where mailbox_id = $1 and direction = 'in'"
        " and standing = 'accepted' and sender in (select value from {each:$2})",
        mailbox_id,
        json.dumps([storable(each) for each in senders]),
    )
    return {row["sender"] for row in rows}


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


def from_row(row: Row) -> Letter:
    return Letter(
        number=row["number"],
        message_id=row["message_id"],
        tenant_id=row["tenant_id"],
        mailbox_id=row["mailbox_id"],
        thread_id=row["thread_id"],
        direction=row["direction"],
        at=row["at"],
        kind=row["kind"],
        automatic=bool(row["automatic"]),
        intent=row["intent"],
        standing=row["standing"],
        sender=row["sender"],
        header_id=row["header_id"],
        in_reply_to=row["in_reply_to"],
        thread_index=row["thread_index"],
        subject=row["subject"],
        preview=row["preview"],
        people=msgspec.json.decode(row["people"], type=People),
        references=tuple(json.loads(row["refs"])),
        attachments=msgspec.json.decode(row["attachments"], type=tuple[Attachment, ...]),
        labels=tuple(json.loads(row["labels"])),
        flags=tuple(json.loads(row["flags"])),
        evidence=tuple(json.loads(row["evidence"])),
        match=msgspec.json.decode(row["match"], type=Match),
        authentication=_maybe(row["authentication"], Authentication),
        screening=_maybe(row["screening"], Screening),
    )


def _maybe(text: str | None, of: type[S]) -> S | None:
    return msgspec.json.decode(text, type=of) if text else None
