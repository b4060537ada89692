"""To whom an inbox has written before, and how many new ones it wrote to on a day.

Owns `acquaintances`, `acquaintance_marks` and `new_recipients`. Only guarded
mail is noted as it is taken; what else the inbox sent is looked through when
it matters (`catch_up`), so that mail without guards costs nothing.
"""

import json
from collections.abc import Collection, Iterable

from relay.address import Address, parse_address
from relay.store.database import Reader, Transaction

BATCH = 5000


async def known_among(reader: Reader, mailbox_id: str, addresses: Iterable[Address]) -> dict[str, bool]:
    """Those of the addresses that are noted, by key: whether mail has gone there."""
    rows = await reader.fetch_all(
        "select address, confirmed from acquaintances where mailbox_id = $1"
        " and address in (select value from {each:$2})",
        mailbox_id,
        _keys(addresses),
    )
    return {row["address"]: bool(row["confirmed"]) for row in rows}


async def note(
    tx: Transaction, tenant_id: str, mailbox_id: str, addresses: Iterable[Address], *, confirmed: bool
) -> int:
    """Note those that are not yet; returns how many they were, exactly once each however many ask at once."""
    rows = await tx.fetch_all(
        "insert into acquaintances (mailbox_id, address, tenant_id, confirmed)"
        " select $1, value, $2, cast($3 as {bigint}) from {each:$4} where true"
        " on conflict (mailbox_id, address) do nothing returning address",
        mailbox_id,
        tenant_id,
        int(confirmed),
        _keys(addresses),
    )
    return len(rows)


async def confirm(tx: Transaction, tenant_id: str, mailbox_id: str, addresses: Collection[Address]) -> None:
    """Mail goes to these: they are no strangers any more."""
    await note(tx, tenant_id, mailbox_id, addresses, confirmed=True)
    await tx.execute(
        "update acquaintances set confirmed = 1 where mailbox_id = $1 and confirmed = 0"
        " and address in (select value from {each:$2})",
        mailbox_id,
        _keys(addresses),
    )


async def count_new(
    tx: Transaction, tenant_id: str, owner_id: str, day: str, count: int, most: int
) -> int | None:
    """Used of the day after `count` more new recipients, or None where they are more than `most` a day."""
    if count > most:
        return None
    row = await tx.fetch_one(
        "insert into new_recipients (owner_id, day, tenant_id, used) values ($1, $2, $3, $4)"
        " on conflict (owner_id, day) do update set used = new_recipients.used + excluded.used"
        " where new_recipients.used + excluded.used <= $5 returning used",
        owner_id,
        day,
        tenant_id,
        count,
        most,
    )
    return None if row is None else row["used"]


async def used_on(reader: Reader, owner_id: str, day: str) -> int:
    row = await reader.fetch_one(
        "select used from new_recipients where owner_id = $1 and day = $2", owner_id, day
    )
    return row["used"] if row else 0


async def looked_through_until(reader: Reader, mailbox_id: str) -> int:
    """Up to when (microseconds) what the inbox sent is known here; 0 before the first look."""
    row = await reader.fetch_one("select upto from acquaintance_marks where mailbox_id = $1", mailbox_id)
    return row["upto"] if row else 0


async def look_through(
    reader: Reader, mailbox_id: str, place: tuple[int, int]
) -> tuple[list[Address], tuple[int, int] | None]:
    """To whom mail went behind `place` (its time and recipient), a batch; and the place behind that, if any.

    What is held for approval, was taken back or suppressed has not gone to anybody.
    """
    rows = await reader.fetch_all(
        "select m.created_at, r.id, r.address from messages m join recipients r on r.message_id = m.id"
        " where m.mailbox_id = $1 and (m.created_at > $2 or (m.created_at = $2 and r.id > $3))"
        " and m.direction = 'out' and m.is_test = 0 and r.state not in ('canceled', 'suppressed')"
        " and not (r.state = 'held' and coalesce(r.reason, '') = 'approval')"
        " order by m.created_at, r.id limit $4",
        mailbox_id,
        place[0],
        place[1],
        BATCH,
    )
    found = [parse_address(row["address"]) for row in rows if "@" in row["address"]]
    return found, (rows[-1]["created_at"], rows[-1]["id"]) if len(rows) == BATCH else None


async def mark(tx: Transaction, tenant_id: str, mailbox_id: str, upto: int) -> None:
    """What the inbox sent up to then is known here."""
    await tx.execute(
        "insert into acquaintance_marks (mailbox_id, tenant_id, upto) values ($1, $2, $3)"
        " on conflict (mailbox_id) do update set upto = excluded.upto"
        " where acquaintance_marks.upto < excluded.upto",
        mailbox_id,
        tenant_id,
        upto,
    )


async def forget(tx: Transaction, mailbox_id: str) -> None:
    """Drop what is known of a mailbox that is about to be removed."""
    await tx.execute("delete from acquaintances where mailbox_id = $1", mailbox_id)
    await tx.execute("delete from acquaintance_marks where mailbox_id = $1", mailbox_id)
    await tx.execute("delete from new_recipients where owner_id = $1", mailbox_id)


async def purge(tx: Transaction, before_day: str) -> None:
    """Drop the counts of days that are over."""
    await tx.execute("delete from new_recipients where day < $1", before_day)


def _keys(addresses: Iterable[Address]) -> str:
    # In one order, so that two that note the same do not wait for each other crosswise.
    return json.dumps(sorted({address.key for address in addresses}), ensure_ascii=False)
