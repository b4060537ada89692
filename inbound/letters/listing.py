"""Lists of letters: by mailbox or tenant, narrowed by what people ask for, newest first."""

import json
from dataclasses import dataclass, field
from typing import Literal

from inbound.letters import search
from inbound.letters.letter import COLUMNS_OF_L, Letter, Standing, from_row
from relay.store.database import Engine, Reader, Value

NEWEST = (1 << 63) - 1
_HAS_TAG = (
    "exists (select 1 from messages m, {each:m.tags} where m.id = l.message_id and m.tenant_id = l.tenant_id"
    " and value = ?)"
)
_HAS_STATUS = "exists (select 1 from recipients r where r.message_id = l.message_id and r.state = ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters are meant; what is None does not narrow it. Instants are microseconds.

    Without `mailbox_id`, `mailbox_ids` are those that may be seen. `words` is
    what a person typed; `sender` an exact address key; `recipient` words of
    anybody in the header. Of mail that was sent, `tag` is one of its tags and
    `status` the state of one of its recipients. `before` is the number of the
    last letter of the page before, `after` the number behind which everything
    is new.
    """

    tenant_id: str
    mailbox_id: str | None = None
    mailbox_ids: tuple[str, ...] | None = None
    thread_id: str | None = None
    direction: Literal["in", "out"] | None = None
    kinds: tuple[str, ...] = ()
    automatic: bool | None = None
    standing: Standing | None = "accepted"
    label: str | None = None
    intent: str | None = None
    sender: str | None = None
    recipient: str | None = None
    words: str | None = None
    tag: str | None = None
    status: str | None = None
    since: int | None = None
    until: int | None = None
    before: int = NEWEST
    after: int = 0
    limit: int = 50
    oldest_first: bool = False


@dataclass(slots=True)
class _Conditions:
    """Conditions and their arguments, put together in step."""

    parts: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def add(self, text: str, value: Value) -> None:
        self.values.append(value)
        self.parts.append(text.replace("?", f"${len(self.values)}"))


async def find(reader: Reader, wanted: Wanted) -> list[Letter]:
    """The letters that are meant. Raises InvalidInput for a search without words."""
    conditions = _Conditions()
    queries = _queries(wanted, reader.engine)
    # SQLite takes the order of the tables from these words; PostgreSQL knows what is fewer.
    beside = "cross join" if reader.engine == "sqlite" else "join"
    tables, number = "letters l", "l.number"
    # What gives its numbers in order goes first: the page is full before the rest is looked at.
    if queries:
        tables, number = f"letter_search w {beside} letters l on l.number = w.rowid", "w.rowid"
        conditions.add(search.MATCHES[reader.engine], search.all_of(queries, reader.engine))
    elif wanted.label is not None and wanted.mailbox_id is not None:
        tables, number = f"letter_labels b {beside} letters l on l.number = b.number", "b.number"
    _narrow(conditions, wanted, number)
    order = "asc" if wanted.oldest_first else "desc"
    conditions.values.append(wanted.limit)
    rows = await reader.fetch_all(
        f"select {COLUMNS_OF_L} from {tables} where {' and '.join(conditions.parts)}"
        f" order by {number} {order} limit ${len(conditions.values)}",
        *conditions.values,
    )
    return [from_row(row) for row in rows]


def _queries(wanted: Wanted, engine: Engine) -> list[str]:
    """What is asked of the words: everywhere, and of the people."""
    scope = wanted.mailbox_id or wanted.tenant_id
    queries = [search.query(wanted.words, scope, engine=engine)] if wanted.words is not None else []
    if wanted.recipient is not None:
        queries.append(search.query(wanted.recipient, scope, column="people", engine=engine))
    return queries


def _narrow(conditions: _Conditions, wanted: Wanted, number: str) -> None:
    conditions.add("l.tenant_id = ?", wanted.tenant_id)
    if wanted.mailbox_id is not None:
        conditions.add("l.mailbox_id = ?", wanted.mailbox_id)
    if wanted.mailbox_ids is not None:
        ids = json.dumps(wanted.mailbox_ids)
        conditions.add("l.mailbox_id in (select value from {each:?})", ids)
    conditions.add(f"{number} < ?", wanted.before)
    conditions.add(f"{number} > ?", wanted.after)
    _narrow_by_label(conditions, wanted, is_first=number == "b.number")
    exact: dict[str, Value] = {
        "l.thread_id": wanted.thread_id,
        "l.direction": wanted.direction,
        "l.standing": wanted.standing,
        "l.sender": wanted.sender,
        "l.intent": wanted.intent,
        "l.automatic": None if wanted.automatic is None else int(wanted.automatic),
    }
    for column, value in exact.items():
        if value is not None:
            conditions.add(f"{column} = ?", value)
    if wanted.kinds:
        places = [f"${len(conditions.values) + place + 1}" for place in range(len(wanted.kinds))]
        conditions.values.extend(wanted.kinds)
        conditions.parts.append(f"l.kind in ({', '.join(places)})")
    if wanted.tag is not None:
        conditions.add(_HAS_TAG, wanted.tag)
    if wanted.status is not None:
        conditions.add(_HAS_STATUS, wanted.status)
    if wanted.since is not None:
        conditions.add("l.at >= ?", wanted.since)
    if wanted.until is not None:
        conditions.add("l.at < ?", wanted.until)


def _narrow_by_label(conditions: _Conditions, wanted: Wanted, *, is_first: bool) -> None:
    if wanted.label is None:
        return
    if is_first:
        conditions.add("b.label = ?", wanted.label)
        conditions.add("b.mailbox_id = ?", wanted.mailbox_id)
        return
    conditions.add(
        "exists (select 1 from letter_labels b where b.mailbox_id = l.mailbox_id"
        " and b.number = l.number and b.label = ?)",
        wanted.label,
    )
