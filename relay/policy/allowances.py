"""What is used of each mailbox's day. Owns the table `allowances`."""

from relay.store.database import Reader, Transaction
from relay.tenants.mailboxes import Mailbox


async def give_back(tx: Transaction, mailbox_id: str, day: str, count: int) -> None:
    """Return the allowance of `count` recipients that will not be sent on `day` after all."""
    await tx.execute(
        "update allowances set used = case when used > $1 then used - $1 else 0 end"
        " where mailbox_id = $2 and day = $3",
        count,
        mailbox_id,
        day,
    )


async def forget(tx: Transaction, mailbox_id: str) -> None:
    """Drop what is known of a mailbox that is about to be removed."""
    await tx.execute("delete from allowances where mailbox_id = $1", mailbox_id)


async def take(tx: Transaction, mailbox: Mailbox, day: str, count: int, cap: int) -> tuple[int, int] | None:
    """Used and told after taking `count`, or None when they do not fit under the cap."""
    if count > cap:
        return None
    row = await tx.fetch_one(
        "insert into allowances (mailbox_id, day, tenant_id, used, warned) values ($1, $2, $3, $4, 0)"
        " on conflict (mailbox_id, day) do update set used = allowances.used + excluded.used"
        " where allowances.used + excluded.used <= $5 returning used, warned",
        mailbox.id,
        day,
        mailbox.tenant_id,
        count,
        cap,
    )
    return None if row is None else (row["used"], row["warned"])


async def used_on(reader: Reader, mailbox_id: str, day: str) -> int:
    row = await reader.fetch_one(
        "select used from allowances where mailbox_id = $1 and day = $2", mailbox_id, day
    )
    return row["used"] if row else 0


async def used_of_tenant(reader: Reader, tenant_id: str, first: str, last: str) -> int:
    """What is used of all the tenant's mailboxes' days from `first` to `last`."""
    row = await reader.fetch_one(
        "select coalesce(sum(used), 0) as used from allowances"
        " where tenant_id = $1 and day >= $2 and day <= $3",
        tenant_id,
        first,
        last,
    )
    return int(row["used"]) if row else 0


async def left_of_all(reader: Reader, day: str, default_cap: int) -> int:
    """What all active mailboxes together may still use of `day`, by their daily caps alone."""
    row = await reader.fetch_one(
        "select coalesce(sum(case when coalesce(m.daily_cap, $1) > coalesce(a.used, 0)"
        " then coalesce(m.daily_cap, $1) - coalesce(a.used, 0) else 0 end), 0) as recipients_left"
        " from mailboxes m left join allowances a on a.mailbox_id = m.id and a.day = $2"
        " where m.status = 'active'",
        default_cap,
        day,
    )
    return row["recipients_left"] if row else 0


async def used_between(reader: Reader, mailbox_id: str, first: str, last: str) -> dict[str, tuple[int, bool]]:
    """What is used of each day from `first` to `last`, and whether it stands still, where there is a row."""
    rows = await reader.fetch_all(
        "select day, used, stalled from allowances where mailbox_id = $1 and day >= $2 and day <= $3",
        mailbox_id,
        first,
        last,
    )
    return {row["day"]: (row["used"], bool(row["stalled"])) for row in rows}


async def stall(tx: Transaction, mailbox: Mailbox, day: str) -> None:
    """Have the day bring the mailbox's warm-up no further, whatever is sent on it."""
    await tx.execute(
        "insert into allowances (mailbox_id, day, tenant_id, used, warned, stalled)"
        " values ($1, $2, $3, 0, 0, 1)"
        " on conflict (mailbox_id, day) do update set stalled = 1 where allowances.stalled = 0",
        mailbox.id,
        day,
        mailbox.tenant_id,
    )


async def is_stalled(reader: Reader, mailbox_id: str, day: str) -> bool:
    """Whether the day brings its warm-up no further."""
    row = await reader.fetch_one(
        "select stalled from allowances where mailbox_id = $1 and day = $2", mailbox_id, day
    )
    return bool(row and row["stalled"])


async def days_with_mail(reader: Reader, mailbox_id: str, first: str, before: str, limit: int) -> list[str]:
    """The first `limit` days from `first` on, and before `before`, with mail and no standstill."""
    rows = await reader.fetch_all(
        "select day from allowances where mailbox_id = $1 and day >= $2 and day < $3"
        " and used > 0 and stalled = 0 order by day limit $4",
        mailbox_id,
        first,
        before,
        limit,
    )
    return [row["day"] for row in rows]


async def note_told(tx: Transaction, mailbox_id: str, day: str, told: int) -> None:
    """Remember which warnings have been given for the day."""
    await tx.execute(
        "update allowances set warned = $1 where mailbox_id = $2 and day = $3", told, mailbox_id, day
    )
