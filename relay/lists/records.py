"""The lists as they are kept, and what they say of an address. Owns the table `address_lists`.

A list is for every mailbox of the tenant, or for one. What is blocked stays
blocked whatever else is allowed; where anything is allowed by name, nothing
else is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from relay.address import Address
from relay.clock import Clock, from_us, to_us
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction
from relay.tenants.entries import entries_for, read_entry

Direction: TypeAlias = Literal["receive", "send"]
ListType: TypeAlias = Literal["allow", "block"]

_COLUMNS = "id, tenant_id, mailbox_id, direction, type, entry, created_at"
_SELECT = f"select {_COLUMNS} from address_lists"  # noqa: S608 - the columns are ours
_SAME = "tenant_id = $1 and direction = $2 and type = $3 and entry = $4 and coalesce(mailbox_id, '') = $5"
_OF_MAILBOX = "tenant_id = $1 and direction = $2 and (mailbox_id is null or mailbox_id = $3)"


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One line of a list; `mailbox_id` is None where it holds for every mailbox of the tenant."""

    id: str
    tenant_id: str
    mailbox_id: str | None
    direction: Direction
    type: ListType
    entry: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """`entry` and `type` are what decided: both None where no list says anything of it.

    `type` alone is "allow" where a list names others and not this one.
    """

    allowed: bool
    entry: str | None = None
    type: ListType | None = None


UNLISTED = Verdict(True)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the lists hold that bears on some addresses; `exclusive`: only who is listed is allowed."""

    exclusive: bool
    blocked: frozenset[str]
    allowed: frozenset[str]

    def on(self, address: Address) -> Verdict:
        """What they say of one of those addresses."""
        names = list(entries_for(address))
        if entry := next((name for name in names if name in self.blocked), None):
            return Verdict(False, entry, "block")
        if entry := next((name for name in names if name in self.allowed), None):
            return Verdict(True, entry, "allow")
        return Verdict(False, None, "allow") if self.exclusive else UNLISTED

    def on_sender(self, names: Sequence[Address]) -> Verdict:
        """What they say of who has all these names: what blocks one of them decides, then what allows one."""
        verdicts = [self.on(name) for name in names]
        for decisive in ("block", "allow"):
            for verdict in verdicts:
                if verdict.entry is not None and verdict.type == decisive:
                    return verdict
        return Verdict(False, None, "allow") if self.exclusive else UNLISTED


async def add(
    tx: Transaction,
    clock: Clock,
    *,
    tenant_id: str,
    direction: Direction,
    type: ListType,  # noqa: A002 - it is the column's name, and the API's
    entry: str,
    mailbox_id: str | None = None,
) -> tuple[ListEntry, bool]:
    """The entry as it stands, and whether it is new. Raises InvalidInput for what is no address or domain.

    That the mailbox is the tenant's is the caller's to know.
    """
    fresh = ListEntry(
        id=new_id("lst", clock),
        tenant_id=tenant_id,
        mailbox_id=mailbox_id,
        direction=direction,
        type=type,
        entry=read_entry(entry),
        created_at=clock.now(),
    )
    added = await tx.execute(
        f"insert into address_lists ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7)"  # noqa: S608
        " on conflict do nothing",
        fresh.id,
        tenant_id,
        mailbox_id,
        direction,
        type,
        fresh.entry,
        to_us(fresh.created_at),
    )
    if added:
        await _tell(tx, clock, EventKind.LIST_CREATED, fresh)
        return fresh, True
    row = await tx.fetch_one(
        f"{_SELECT} where {_SAME}", tenant_id, direction, type, fresh.entry, mailbox_id or ""
    )
    assert row is not None
    return _from_row(row), False


async def remove(
    tx: Transaction,
    clock: Clock,
    *,
    tenant_id: str,
    direction: Direction,
    type: ListType,  # noqa: A002
    entry: str,
    mailbox_id: str | None = None,
) -> bool:
    """Take the entry off exactly this list; False when it was not on it."""
    same = (tenant_id, direction, type, read_entry(entry), mailbox_id or "")
    row = await tx.fetch_one(f"{_SELECT} where {_SAME}", *same)
    if row is None:
        return False
    await tx.execute(f"delete from address_lists where {_SAME}", *same)  # noqa: S608
    await _tell(tx, clock, EventKind.LIST_REMOVED, _from_row(row))
    return True


async def _tell(tx: Transaction, clock: Clock, kind: EventKind, entry: ListEntry) -> None:
    data = {"entry_id": entry.id, "entry": entry.entry, "list": f"{entry.direction}/{entry.type}"}
    await log.append(tx, clock, kind, tenant_id=entry.tenant_id, mailbox_id=entry.mailbox_id, data=data)


async def forget(tx: Transaction, mailbox_id: str) -> None:
    """Drop the lists of a mailbox that is going."""
    await tx.execute("delete from address_lists where mailbox_id = $1", mailbox_id)


async def list_page(
    reader: Reader,
    tenant_id: str,
    direction: Direction,
    type: ListType,  # noqa: A002
    *,
    mailbox_id: str | None = None,
    limit: int = 50,
    before_id: str | None = None,
) -> list[ListEntry]:
    """One list, newest first: all of it, or what was listed for one mailbox alone.

    `before_id` is the last one of the page before.
    """
    rows = await reader.fetch_all(
        f"{_SELECT} where tenant_id = $1 and direction = $2 and type = $3"
        " and ($4 = '' or mailbox_id = $4) and ($5 = '' or id < $5) order by id desc limit $6",
        tenant_id,
        direction,
        type,
        mailbox_id or "",
        before_id or "",
        limit,
    )
    return [_from_row(row) for row in rows]


async def any_for(reader: Reader, tenant_id: str, direction: Direction) -> bool:
    """Whether the tenant has any list at all for this direction."""
    row = await reader.fetch_one(
        "select 1 from address_lists where tenant_id = $1 and direction = $2 limit 1", tenant_id, direction
    )
    return row is not None


async def judge(
    reader: Reader,
    tenant_id: str,
    mailbox_id: str | None,
    direction: Direction,
    addresses: Sequence[Address],
) -> Verdict:
    """Whether a message may pass: to all of `addresses`, or from whoever `addresses` are names of; one read.

    Sending, each of them must be allowed. Receiving, they are the names of one
    sender (author, reverse path): one that is blocked blocks it, and one that
    is listed is enough where only the listed may write.
    """
    rules = await rules_for(reader, tenant_id, mailbox_id, direction, addresses)
    if direction == "receive":
        return rules.on_sender(addresses)
    verdicts = [rules.on(address) for address in addresses]
    return next((verdict for verdict in verdicts if not verdict.allowed), UNLISTED)


async def rules_for(
    reader: Reader,
    tenant_id: str,
    mailbox_id: str | None,
    direction: Direction,
    addresses: Sequence[Address],
) -> Rules:
    """What the lists hold that bears on `addresses`; one read."""
    names = {name for address in addresses for name in entries_for(address)}
    rows = await reader.fetch_all(
        "select type, entry from address_lists"  # noqa: S608
        f" where {_OF_MAILBOX} and entry in (select value from {{each:$4}})"
        " union all select 'exclusive' as type, '' as entry"
        f" where exists (select 1 from address_lists where {_OF_MAILBOX} and type = 'allow')",
        tenant_id,
        direction,
        mailbox_id,
        json.dumps(sorted(names), ensure_ascii=False),
    )
    return Rules(
        exclusive=any(row["type"] == "exclusive" for row in rows),
        blocked=frozenset(row["entry"] for row in rows if row["type"] == "block"),
        allowed=frozenset(row["entry"] for row in rows if row["type"] == "allow"),
    )


def _from_row(row: Row) -> ListEntry:
    return ListEntry(
        id=row["id"],
        tenant_id=row["tenant_id"],
        mailbox_id=row["mailbox_id"],
        direction=row["direction"],
        type=row["type"],
        entry=row["entry"],
        created_at=from_us(row["created_at"]),
    )
