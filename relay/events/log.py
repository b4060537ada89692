"""The event log: what happened, in order, written in the transaction in which it happened.

Owns the tables `events` and `cursors`. Nobody is called when something
happens: whoever cares reads the log after a cursor of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from relay.clock import Clock, from_us, to_us
from relay.events import audit
from relay.events.kinds import BY_NAME, EventKind
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction, Value
from relay.store.text import storable_json

_COLUMNS = "id, tenant_id, kind, at, mailbox_id, message_id, recipient_id, data, is_test"
_INSERT = f"insert into events ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"  # noqa: S608
SELECT = f"select seq, {_COLUMNS} from events"  # noqa: S608 - the columns are ours
_decode = msgspec.json.Decoder(dict[str, Any]).decode

Details: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One entry. `seq` orders the log; `kind` is an EventKind unless a later version wrote it.

    `is_test`: it befell mail that goes to nobody, or was raised by hand; no live thing hears of it.
    """

    seq: int
    id: str
    tenant_id: str
    kind: str
    at: datetime
    mailbox_id: str | None
    message_id: str | None
    recipient_id: int | None
    data: dict[str, Any]
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that is still to be written. `data` is whatever JSON can say."""

    kind: EventKind
    tenant_id: str
    mailbox_id: str | None = None
    message_id: str | None = None
    recipient_id: int | None = None
    data: Details | None = None
    is_test: bool = False


async def append(
    tx: Transaction,
    clock: Clock,
    kind: EventKind,
    *,
    tenant_id: str,
    mailbox_id: str | None = None,
    message_id: str | None = None,
    recipient_id: int | None = None,
    data: Details | None = None,
    is_test: bool = False,
    before: Details | None = None,
    after: Details | None = None,
) -> str:
    """Write one event and return its id; it is in the log exactly if the transaction is in the store.

    Text that is no Unicode (octets of somebody's header) is kept with
    question marks in place of what cannot be said. `before` and `after` are
    for the audit log, which tells of administrative changes.
    """
    event = NewEvent(kind, tenant_id, mailbox_id, message_id, recipient_id, data, is_test)
    id_ = new_id("evt", clock)
    await tx.put(_INSERT, _values(event, id_, to_us(clock.now())))
    if kind in audit.ADMINISTRATIVE:
        await audit.record(
            tx,
            clock,
            kind,
            tenant_id=tenant_id,
            mailbox_id=mailbox_id,
            data=data,
            before=before,
            after=after,
        )
    return id_


async def append_many(tx: Transaction, clock: Clock, events: Iterable[NewEvent]) -> None:
    """Write several events, in their order, all at the same instant."""
    at, events = to_us(clock.now()), list(events)
    await tx.put(_INSERT, *[_values(event, new_id("evt", clock), at) for event in events])
    for event in events:
        if event.kind in audit.ADMINISTRATIVE:
            await audit.record(
                tx,
                clock,
                event.kind,
                tenant_id=event.tenant_id,
                mailbox_id=event.mailbox_id,
                data=event.data,
                before=None,
                after=None,
            )


async def after(reader: Reader, cursor_seq: int, limit: int) -> list[Event]:
    """Up to `limit` events behind `cursor_seq`, oldest first; 0 is the beginning.

    None comes later between those that were given: a cursor may pass them.
    """
    rows = await reader.fetch_all(
        f"{SELECT} where seq > $1 and {{settled_events}} order by seq limit $2", cursor_seq, limit
    )
    return [from_row(row) for row in rows]


async def messages_after(
    reader: Reader, kind: EventKind, cursor_seq: int, upto: int, limit: int
) -> tuple[list[str], int]:
    """The messages of the mailboxes' events of one kind behind `cursor_seq`, up to `limit`, oldest first.

    And how far in the log that is: `upto`, unless there are more.
    """
    rows = await reader.fetch_all(
        "select seq, message_id from events where seq > $1 and seq <= $2 and kind = $3 and {settled_events}"
        " and mailbox_id is not null and message_id is not null order by seq limit $4",
        cursor_seq,
        upto,
        kind.value,
        limit,
    )
    return [row["message_id"] for row in rows], rows[-1]["seq"] if len(rows) == limit else upto


async def of_kinds_after(
    reader: Reader, kinds: Iterable[EventKind], cursor_seq: int, upto: int, limit: int
) -> list[Event]:
    """The events of these kinds behind `cursor_seq`, up to `upto` and `limit`, oldest first; no trial's."""
    rows = await reader.fetch_all(
        f"{SELECT} where seq > $1 and seq <= $2 and is_test = 0 and {{settled_events}}"  # noqa: S608
        " and kind in (select value from {each:$3}) order by seq limit $4",
        cursor_seq,
        upto,
        storable_json([kind.value for kind in kinds]),
        limit,
    )
    return [from_row(row) for row in rows]


async def trials_after(reader: Reader, kind: EventKind, cursor_seq: int, limit: int) -> list[Event]:
    """Up to `limit` events of that kind behind `cursor_seq` that befell trials, oldest first."""
    rows = await reader.fetch_all(
        f"{SELECT} where is_test = 1 and seq > $1 and kind = $2 and {{settled_events}} order by seq limit $3",
        cursor_seq,
        kind.value,
        limit,
    )
    return [from_row(row) for row in rows]


async def of_message(reader: Reader, message_id: str) -> list[Event]:
    """Everything that happened to one message, oldest first."""
    rows = await reader.fetch_all(f"{SELECT} where message_id = $1 order by seq", message_id)
    return [from_row(row) for row in rows]


async def recipients_told_of(reader: Reader, kind: EventKind, message_id: str) -> set[int]:
    """Of which recipients of a message that kind of event was written, also in this transaction."""
    rows = await reader.fetch_all(
        "select recipient_id from events where message_id = $1 and kind = $2 and recipient_id is not null",
        message_id,
        kind.value,
    )
    return {row["recipient_id"] for row in rows}


async def last_seq(reader: Reader) -> int:
    """The newest event's place in the log; 0 while there is none.

    What is written later stands behind it, whichever node writes it.
    """
    row = await reader.look_up("select max(seq) as seq from events where {settled_events}")
    return row["seq"] or 0 if row else 0


async def newest_seq(reader: Reader) -> int:
    """The largest number that can be seen; others that are smaller may still come."""
    row = await reader.fetch_one("select max(seq) as seq from events")
    return row["seq"] or 0 if row else 0


async def oldest_at(reader: Reader) -> int | None:
    """When the oldest event that is kept happened (microseconds); None while there is none."""
    row = await reader.fetch_one("select min(at) as at from events")
    return row["at"] if row else None


async def purge(tx: Transaction, before: int, limit: int = 10_000) -> int:
    """Forget up to `limit` of the events from before `before` (microseconds), oldest first.

    Returns how many went: as long as it is `limit`, there may be more. In
    parts, so that nobody's write waits behind a year's worth. Events of
    messages with a recipient still under way stay.
    """
    return await tx.execute(
        "delete from events where seq in (select e.seq from events e where e.at < $1"
        " and not exists (select 1 from recipients r where r.message_id = e.message_id"
        " and r.settled_at is null) order by e.at limit $2)",
        before,
        limit,
    )


async def read_cursor(reader: Reader, name: str) -> int:
    """How far the reader called `name` has come; 0 before its first step."""
    row = await reader.look_up("select seq from cursors where name = $1", name)
    return row["seq"] if row else 0


async def move_cursor(tx: Transaction, name: str, seq: int) -> None:
    """Remember how far `name` has come, in the transaction that did the work up to there.

    Where several nodes follow the log, the one behind takes nothing back.
    """
    await tx.execute(
        "insert into cursors (name, seq) values ($1, $2) on conflict (name) do update"
        " set seq = case when cursors.seq > excluded.seq then cursors.seq else excluded.seq end",
        name,
        seq,
    )


async def at_of(reader: Reader, seq: int) -> datetime | None:
    """When the last event up to that place of the log happened; None when none of them is kept."""
    row = await reader.fetch_one("select at from events where seq <= $1 order by seq desc limit 1", seq)
    return from_us(row["at"]) if row else None


async def put_cursor(tx: Transaction, name: str, seq: int) -> None:
    """Set the reader called `name` to a place, also one further back: it reads from there again."""
    await tx.execute(
        "insert into cursors (name, seq) values ($1, $2) on conflict (name) do update set seq = excluded.seq",
        name,
        seq,
    )


def _values(event: NewEvent, id_: str, at: int) -> Sequence[Value]:
    return (
        id_,
        event.tenant_id,
        event.kind.value,
        at,
        event.mailbox_id,
        event.message_id,
        event.recipient_id,
        _to_json(event.data),
        int(event.is_test),
    )


def _to_json(data: Details | None) -> str:
    return storable_json(data) if data else "{}"


def from_row(row: Row) -> Event:
    kind: str = row["kind"]
    return Event(
        seq=row["seq"],
        id=row["id"],
        tenant_id=row["tenant_id"],
        kind=BY_NAME.get(kind, kind),
        at=from_us(row["at"]),
        mailbox_id=row["mailbox_id"],
        message_id=row["message_id"],
        recipient_id=row["recipient_id"],
        data=_decode(row["data"]),
        is_test=bool(row["is_test"]),
    )
