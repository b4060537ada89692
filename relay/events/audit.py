"""Who changed what of the house: a record beside each event that tells of such a change. Owns `audit`.

`log.append` writes it, in the transaction of the change: whoever makes a
change that people must be able to look up later appends an event of an
`ADMINISTRATIVE` kind, and says what was before and is now. Secrets are never
among it. What mail does by itself (a bounce that suppresses an address)
is no administrative change. What no one event tells of (a command that turns
a thousand messages, each with events of its own) is written by `note`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec

from relay.clock import Clock, from_us, to_us
from relay.events.actor import Actor, present
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction, Value
from relay.store.text import storable_json

Facts: TypeAlias = Mapping[str, Any]

_COLUMNS = "id, tenant_id, at, actor, actor_id, action, target, data, before, after, request_id"
_SELECT = f"select {_COLUMNS} from audit"  # noqa: S608 - the columns are ours
_INSERT = f"insert into audit ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"  # noqa: S608
_NOTE = f"{_INSERT} on conflict (id) do update set data = excluded.data"


def _noun(kind: EventKind) -> str:
    return kind.value.partition(".")[0]


_NOUNS: Final = frozenset(
    ["domain", "mailbox", "key", "webhook", "tenant", "brand", "suppression", "list", "template", "approval"]
)
# These come of mail as well as of people.
_OF_MAIL: Final = frozenset(["suppression"])
# What is found out, or said, is no change; a mailbox that is paused for it, a decision that follows is one.
_FOUND: Final = frozenset(
    [
        EventKind.MAILBOX_CAP_REACHED,
        EventKind.MAILBOX_RATES_EXCEEDED,
        EventKind.MAILBOX_RATES_RECOVERED,
        EventKind.APPROVAL_ANSWERED,
    ]
)
_NEVER: Final = _FOUND | {EventKind.WEBHOOK_TEST}
# Events of these kinds tell of a change that somebody answers for.
ADMINISTRATIVE: Final = frozenset(kind for kind in EventKind if _noun(kind) in _NOUNS) - _NEVER
# Where an event names what it is about, the nearest first.
_TARGETS: Final = (
    "target",
    "key_id",
    "webhook_id",
    "brand_id",
    "template_id",
    "approval_id",
    "tenant",
    "domain",
    "address",
    "entry",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: `before` and `after` hold what differs, as far as it was told."""

    id: str
    tenant_id: str
    at: datetime
    actor: Actor
    action: str
    target: str | None
    data: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries are meant; what is empty does not narrow it. Instants are microseconds."""

    tenant_id: str = ""
    action: str = ""
    actor_id: str = ""
    target: str = ""
    since: int = 0
    until: int = 0


async def record(
    tx: Transaction,
    clock: Clock,
    kind: EventKind,
    *,
    tenant_id: str,
    mailbox_id: str | None,
    data: Facts | None,
    before: Facts | None,
    after: Facts | None,
) -> None:
    """Write down who did what is told by this event, of an administrative kind."""
    actor, told = present(), data or {}
    if actor.kind == "system" and _noun(kind) in _OF_MAIL:
        return
    old, new = _difference(before, after)
    target = next((str(told[name]) for name in _TARGETS if told.get(name)), mailbox_id)
    entry = Entry(
        new_id("aud", clock), tenant_id, clock.now(), actor, kind.value, target, dict(told), old, new
    )
    await tx.put(_INSERT, _values(entry))


async def note(
    tx: Transaction,
    clock: Clock,
    id_: str,
    action: str,
    *,
    tenant_id: str,
    target: str | None,
    data: Facts,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write down a change that no event tells of; of an entry that is there already, `data` is replaced.

    So a change that is made in parts has one entry, which tells all that has been done.
    """
    entry = Entry(id_, tenant_id, clock.now(), present(), action, target, dict(data), before, after)
    await tx.execute(_NOTE, *_values(entry))


async def page(reader: Reader, asked: Asked, limit: int, before_id: str | None = None) -> list[Entry]:
    """Up to `limit` entries, newest first; `before_id` is the last one of the page before."""
    rows = await reader.fetch_all(
        f"{_SELECT} where ($1 = '' or tenant_id = $1) and ($2 = '' or action = $2 or action like $2 || '.%')"
        " and ($3 = '' or actor_id = $3 or actor = $3) and ($4 = '' or target = $4)"
        " and ($5 = 0 or at >= $5) and ($6 = 0 or at < $6) and ($7 = '' or id < $7)"
        " order by id desc limit $8",
        *(asked.tenant_id, asked.action, asked.actor_id, asked.target, asked.since, asked.until),
        before_id or "",
        limit,
    )
    return [_from_row(row) for row in rows]


async def purge(tx: Transaction, before: int, limit: int = 10_000) -> int:
    """Forget up to `limit` entries from before `before` (microseconds); returns how many went."""
    return await tx.execute(
        "delete from audit where id in (select id from audit where at < $1 order by at limit $2)",
        before,
        limit,
    )


def _difference(
    before: Facts | None, after: Facts | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Both without what is the same in them."""
    if before is None or after is None:
        return _copy(before), _copy(after)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    old, new = ({name: facts.get(name) for name in names} for facts in (before, after))
    return old, new


def _copy(facts: Facts | None) -> dict[str, Any] | None:
    return None if facts is None else dict(facts)


def _values(entry: Entry) -> tuple[Value, ...]:
    return (
        entry.id,
        entry.tenant_id,
        to_us(entry.at),
        entry.actor.kind,
        entry.actor.id,
        entry.action,
        entry.target,
        storable_json(entry.data),
        _json(entry.before),
        _json(entry.after),
        entry.actor.request_id,
    )


def _json(facts: Facts | None) -> Value:
    return None if facts is None else storable_json(facts)


def _from_row(row: Row) -> Entry:
    return Entry(
        id=row["id"],
        tenant_id=row["tenant_id"],
        at=from_us(row["at"]),
        actor=Actor(row["actor"], row["actor_id"], row["request_id"]),
        action=row["action"],
        target=row["target"],
        data=msgspec.json.decode(row["data"]),
        before=None if row["before"] is None else msgspec.json.decode(row["before"]),
        after=None if row["after"] is None else msgspec.json.decode(row["after"]),
    )
