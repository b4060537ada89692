"""One row of facts and one of bytes for each message.

Owns the tables `messages` and `contents`. A message's header and body never
change once they are written; what travels is built from them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from msgspec import Struct, field

from relay.address import ReversePath, read_reverse_path
from relay.store.database import Reader, Row, Transaction, Value
from relay.store.text import storable

Direction = Literal["out", "in"]


class Message(Struct, frozen=True):
    """The facts of one message. Instants are microseconds since the epoch, sizes octets.

    `lacks_date` says that Date is to be written when it is released;
    `released_at` is None while all of it waits; `is_test` says that it goes
    to nobody. `stream` is the kind of mail that a recipient may have left.
    """

    id: str
    tenant_id: str
    mailbox_id: str | None
    direction: Direction
    source: str
    reverse_path: ReversePath
    header_from: str
    subject: str
    message_id: str
    size: int
    body_size: int
    created_at: int
    credential: str | None = None
    signing_domain: str | None = None
    body_hash: bytes | None = None
    is_8bit: bool = False
    needs_utf8: bool = False
    lacks_date: bool = False
    ret: str | None = None
    envid: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    pool: str | None = None
    send_at: int | None = None
    released_at: int | None = None
    is_test: bool = False
    stream: str | None = None
    batch_id: str | None = None
    template_id: str | None = None
    brand_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredContent:
    """The bytes of one message: the body in the row or in a file of the shelf; purged when in neither."""

    header: bytes
    body: bytes | None
    body_file: str | None

    @property
    def is_purged(self) -> bool:
        return self.body is None and self.body_file is None


_COLUMNS = (
    "id, tenant_id, mailbox_id, direction, source, reverse_path, header_from, subject, message_id, size,"
    " body_size, created_at, credential, signing_domain, body_hash, is_8bit, needs_utf8, lacks_date, ret,"
    " envid, tags, metadata, pool, send_at, released_at, is_test, stream, batch_id, template_id, brand_id"
)
_COLUMNS_OF_M = ", ".join(f"m.{name.strip()}" for name in _COLUMNS.split(","))
_PLACES = ", ".join(f"${place}" for place in range(1, 31))
_INSERT_MESSAGE = f"insert into messages ({_COLUMNS}) values ({_PLACES})"
_INSERT_CONTENT = (
    "insert into contents (message_id, tenant_id, header, body, body_file) values ($1, $2, $3, $4, $5)"
)
_SELECT = f"select {_COLUMNS} from messages"


async def insert(tx: Transaction, message: Message, content: StoredContent) -> None:
    """Put a message and its bytes in; a body file must be on disk already.

    What the facts say of the header is for people: octets of it that are no
    UTF-8 are question marks there, and stand in `content` as they came.
    """
    await tx.put(_INSERT_MESSAGE, _values(message))
    bytes_ = (message.id, message.tenant_id, content.header, content.body, content.body_file)
    await tx.put(_INSERT_CONTENT, bytes_)


async def find(reader: Reader, message_id: str) -> Message | None:
    """The message of that id."""
    row = await reader.fetch_one(f"{_SELECT} where id = $1", message_id)
    return _message(row) if row else None


async def find_many(reader: Reader, message_ids: Sequence[str]) -> dict[str, Message]:
    """Those of the messages that are there, by id."""
    rows = await reader.fetch_all(
        f"{_SELECT} where id in (select value from {{each:$1}})", json.dumps(list(message_ids))
    )
    return {row["id"]: _message(row) for row in rows}


async def load(reader: Reader, message_id: str) -> tuple[Message, StoredContent] | None:
    """A message with its bytes, in one read."""
    row = await reader.fetch_one(
        f"select {_COLUMNS_OF_M}, c.header, c.body, c.body_file from messages m"
        " join contents c on c.message_id = m.id where m.id = $1",
        message_id,
    )
    return (_message(row), StoredContent(row["header"], row["body"], row["body_file"])) if row else None


async def load_many(reader: Reader, message_ids: Sequence[str]) -> dict[str, tuple[Message, StoredContent]]:
    """Those of the messages that are there, with their bytes, by id; for a few of them at a time."""
    rows = await reader.fetch_all(
        f"select {_COLUMNS_OF_M}, c.header, c.body, c.body_file from messages m"
        " join contents c on c.message_id = m.id where m.id in (select value from {each:$1})",
        json.dumps(list(message_ids)),
    )
    return {
        row["id"]: (_message(row), StoredContent(row["header"], row["body"], row["body_file"]))
        for row in rows
    }


async def load_small(
    reader: Reader, message_ids: Sequence[str], most: int
) -> dict[str, tuple[Message, StoredContent]]:
    """Those of the messages whose body has at most so many octets and is kept, with their bytes, by id."""
    rows = await reader.fetch_all(
        f"select {_COLUMNS_OF_M}, c.header, c.body, c.body_file from messages m"
        " join contents c on c.message_id = m.id"
        " where m.id in (select value from {each:$1}) and m.body_size <= $2 and c.body is not null",
        json.dumps(list(message_ids)),
        most,
    )
    return {
        row["id"]: (_message(row), StoredContent(row["header"], row["body"], row["body_file"]))
        for row in rows
    }


async def content_of(reader: Reader, message_id: str) -> StoredContent | None:
    """The bytes of a message, or None when there is no such message."""
    row = await reader.fetch_one(
        "select header, body, body_file from contents where message_id = $1", message_id
    )
    return StoredContent(row["header"], row["body"], row["body_file"]) if row else None


async def received_by(reader: Reader, mailbox_id: str, limit: int) -> list[Message]:
    """What a mailbox has received, newest first."""
    rows = await reader.fetch_all(
        f"{_SELECT} where mailbox_id = $1 and direction = 'in' order by created_at desc limit $2",
        mailbox_id,
        limit,
    )
    return [_message(row) for row in rows]


async def with_header_ids(reader: Reader, mailbox_id: str, header_ids: Sequence[str]) -> dict[str, str]:
    """Those of a mailbox's messages that bear one of these Message-IDs: their ids, by it."""
    rows = await reader.fetch_all(
        "select id, message_id from messages where message_id in (select value from {each:$1})"
        " and mailbox_id = $2 order by id",
        json.dumps([storable(each) for each in header_ids]),
        mailbox_id,
    )
    return {row["message_id"]: row["id"] for row in rows}


async def streams_of(reader: Reader, message_ids: Sequence[str]) -> dict[str, str]:
    """The streams of those messages that belong to one, by id."""
    rows = await reader.fetch_all(
        "select id, stream from messages where id in (select value from {each:$1}) and stream is not null",
        json.dumps(list(message_ids)),
    )
    return {row["id"]: row["stream"] for row in rows}


async def mark_released(tx: Transaction, message_id: str, at: int) -> None:
    """Write down when the first of its recipients started to travel; later ones change nothing."""
    await tx.execute(
        "update messages set released_at = $1 where id = $2 and released_at is null", at, message_id
    )


async def set_send_at(tx: Transaction, message_id: str, at: int) -> None:
    """Write down for when it is wanted now."""
    await tx.execute("update messages set send_at = $1 where id = $2", at, message_id)


async def purgeable(
    reader: Reader, before: int, direction: Direction, limit: int
) -> list[tuple[str, str | None]]:
    """Messages older than `before` whose bytes are still kept and of which no recipient is under way.

    As (message id, body file or None).
    """
    rows = await reader.fetch_all(
        "select c.message_id, c.body_file from messages m join contents c on c.message_id = m.id"
        " where m.created_at < $1 and m.direction = $2"
        " and (c.body is not null or c.body_file is not null)"
        " and not exists (select 1 from recipients r where r.message_id = m.id"
        " and r.state in ('scheduled', 'queued', 'leased', 'deferred', 'held'))"
        " order by m.created_at limit $3",
        before,
        direction,
        limit,
    )
    return [(row["message_id"], row["body_file"]) for row in rows]


async def purge_body(tx: Transaction, message_id: str) -> None:
    """Forget the body; the header and the facts stay for whoever asks what became of it."""
    await tx.execute("update contents set body = null, body_file = null where message_id = $1", message_id)


async def forgettable(reader: Reader, before: int, limit: int) -> list[str]:
    """Messages of which nothing happened since `before` (microseconds) and whose bodies are gone, by id."""
    rows = await reader.fetch_all(
        "select m.id from messages m join contents c on c.message_id = m.id"
        " where m.created_at < $1 and c.body is null and c.body_file is null"
        " and not exists (select 1 from recipients r where r.message_id = m.id"
        " and (r.settled_at is null or r.settled_at >= $1))"
        " order by m.created_at limit $2",
        before,
        limit,
    )
    return [row["id"] for row in rows]


async def forget(tx: Transaction, message_ids: Sequence[str]) -> None:
    """Remove messages and their headers; their recipients must be gone already."""
    ids = json.dumps(list(message_ids))
    await tx.execute("delete from contents where message_id in (select value from {each:$1})", ids)
    await tx.execute("delete from messages where id in (select value from {each:$1})", ids)


async def body_files(reader: Reader) -> set[str]:
    """The names of all body files that some message refers to."""
    rows = await reader.fetch_all("select body_file from contents where body_file is not null")
    return {row["body_file"] for row in rows}


# A house writes from few addresses, over and over.
_reverse_path = lru_cache(maxsize=1024)(read_reverse_path)


def _message(row: Row) -> Message:
    return Message(
        id=row["id"],
        tenant_id=row["tenant_id"],
        mailbox_id=row["mailbox_id"],
        direction=row["direction"],
        source=row["source"],
        reverse_path=_reverse_path(row["reverse_path"]),
        header_from=row["header_from"],
        subject=row["subject"],
        message_id=row["message_id"],
        size=row["size"],
        body_size=row["body_size"],
        created_at=row["created_at"],
        credential=row["credential"],
        signing_domain=row["signing_domain"],
        body_hash=row["body_hash"],
        is_8bit=bool(row["is_8bit"]),
        needs_utf8=bool(row["needs_utf8"]),
        lacks_date=bool(row["lacks_date"]),
        ret=row["ret"],
        envid=row["envid"],
        tags=() if row["tags"] == "[]" else tuple(json.loads(row["tags"])),
        metadata={} if row["metadata"] == "{}" else json.loads(row["metadata"]),
        pool=row["pool"],
        send_at=row["send_at"],
        released_at=row["released_at"],
        is_test=bool(row["is_test"]),
        stream=row["stream"],
        batch_id=row["batch_id"],
        template_id=row["template_id"],
        brand_id=row["brand_id"],
    )


def _values(message: Message) -> tuple[Value, ...]:
    return (
        message.id,
        message.tenant_id,
        message.mailbox_id,
        message.direction,
        message.source,
        str(message.reverse_path),
        storable(message.header_from),
        storable(message.subject),
        storable(message.message_id),
        message.size,
        message.body_size,
        message.created_at,
        message.credential,
        message.signing_domain,
        message.body_hash,
        int(message.is_8bit),
        int(message.needs_utf8),
        int(message.lacks_date),
        message.ret,
        message.envid,
        json.dumps(message.tags) if message.tags else "[]",
        json.dumps(message.metadata) if message.metadata else "{}",
        message.pool,
        message.send_at,
        message.released_at,
        int(message.is_test),
        message.stream,
        message.batch_id,
        message.template_id,
        message.brand_id,
    )
