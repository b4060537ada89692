"""How a recipient moves: its row and its event, through the transition table, in one transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.clock import Clock, to_us
from relay.events import log
from relay.queue.records import COLUMNS, QueuedRecipient, from_row
from relay.queue.state import EVENTS, FINAL, Happening, may_come_from, next_state
from relay.store.database import Reader, Transaction
from relay.store.text import storable_json

_WAITS = "state in ('queued', 'deferred') and unfinished = 0 and is_local = $3"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recipients an operator or a program means; unset parts do not narrow it."""

    message_id: str | None = None
    destination: str | None = None
    mailbox_id: str | None = None
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """Where one recipient is to go, and what is to be remembered with it."""

    recipient: QueuedRecipient
    happening: Happening
    due_at: int | None = None
    reason: str | None = None
    mx: str | None = None
    reply: str | None = None
    delay_noticed: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)


async def move(
    tx: Transaction,
    clock: Clock,
    recipient: QueuedRecipient,
    happening: Happening,
    *,
    due_at: int | None = None,
    reason: str | None = None,
    mx: str | None = None,
    reply: str | None = None,
    delay_noticed: bool = False,
    data: Mapping[str, Any] | None = None,
) -> bool:
    """Take `recipient` where `happening` leads and record the event.

    False, and nothing changed, when the row has meanwhile moved on without
    us: its lease ran out and another node has it, or it was canceled.
    """
    return await make(
        tx, clock, Move(recipient, happening, due_at, reason, mx, reply, delay_noticed, data or {})
    )


async def make(tx: Transaction, clock: Clock, step: Move) -> bool:
    """As `move`."""
    recipient, state = step.recipient, next_state(step.recipient.state, step.happening)
    touched = await tx.execute(
        "update recipients set state = $1, due_at = $2, reason = $3, last_mx = coalesce($4, last_mx),"
        " last_reply = coalesce($5, last_reply), unfinished = 0, lease_owner = null, lease_until = null,"
        " settled_at = $6, delay_noticed = $10 where id = $7 and epoch = $8 and state = $9",
        state.value,
        step.due_at,
        step.reason,
        step.mx,
        step.reply,
        to_us(clock.now()) if state in FINAL else None,
        recipient.id,
        recipient.epoch,
        recipient.state.value,
        int(recipient.delay_noticed or step.delay_noticed),
    )
    if touched:
        await tell(tx, clock, step)
    return bool(touched)


async def move_together(tx: Transaction, clock: Clock, steps: Sequence[Move]) -> list[bool]:
    """As `move` for each of different recipients, in one statement; their events are still to be told.

    Locks the rows in no order: for those of which nobody else would lock two.
    """
    now = to_us(clock.now())
    rows = await tx.fetch_all(
        "update recipients set state = each.state, due_at = each.due_at, reason = each.reason,"
        " last_mx = coalesce(each.mx, last_mx), last_reply = coalesce(each.reply, last_reply),"
        " unfinished = 0, lease_owner = null, lease_until = null, settled_at = each.settled_at,"
        " delay_noticed = each.delay_noticed from {rows:$1, id bigint, epoch bigint, was text, state text,"
        " due_at bigint, reason text, mx text, reply text, settled_at bigint, delay_noticed bigint}"
        " where recipients.id = each.id and recipients.epoch = each.epoch and recipients.state = each.was"
        " returning recipients.id",
        storable_json([_row(step, now) for step in steps]),
    )
    moved = {row["id"] for row in rows}
    return [step.recipient.id in moved for step in steps]


def _row(step: Move, now: int) -> dict[str, Any]:
    recipient, state = step.recipient, next_state(step.recipient.state, step.happening)
    return {
        "id": recipient.id,
        "epoch": recipient.epoch,
        "was": recipient.state.value,
        "state": state.value,
        "due_at": step.due_at,
        "reason": step.reason,
        "mx": step.mx,
        "reply": step.reply,
        "settled_at": now if state in FINAL else None,
        "delay_noticed": int(recipient.delay_noticed or step.delay_noticed),
    }


async def tell(tx: Transaction, clock: Clock, step: Move) -> None:
    """The event of a move that was made, if it has one."""
    kind, recipient = EVENTS[step.happening], step.recipient
    if kind is None:
        return
    await log.append(
        tx,
        clock,
        kind,
        tenant_id=recipient.tenant_id,
        mailbox_id=recipient.mailbox_id,
        message_id=recipient.message_id,
        recipient_id=recipient.id,
        is_test=recipient.is_trial,
        data={"recipient": str(recipient.address), **step.data},
    )


async def select_for(
    tx: Transaction, selection: Selection, happening: Happening, *, limit: int = 10_000
) -> list[QueuedRecipient]:
    """The selected recipients to which `happening` is possible."""
    states = json.dumps([state.value for state in may_come_from(happening)])
    rows = await tx.fetch_all(
        f"select {COLUMNS} from recipients where state in (select value from {{each:$1}})"
        " and ($2 = '' or message_id = $2) and ($3 = '' or destination = $3)"
        " and ($4 = '' or mailbox_id = $4) and ($5 = '' or tenant_id = $5) order by id limit $6",
        states,
        selection.message_id or "",
        selection.destination or "",
        selection.mailbox_id or "",
        selection.tenant_id or "",
        limit,
    )
    return [from_row(row) for row in rows]


async def next_release(reader: Reader) -> int | None:
    """When the next scheduled recipient is due (microseconds), or None."""
    row = await reader.fetch_one("select min(due_at) as due_at from recipients where state = 'scheduled'")
    return row["due_at"] if row else None


async def due_for_release(tx: Transaction, now: int, limit: int) -> list[QueuedRecipient]:
    """Scheduled recipients whose time has come."""
    rows = await tx.fetch_all(
        f"select {COLUMNS} from recipients where state = 'scheduled' and due_at <= $1"
        " order by due_at limit $2 {lock}",
        now,
        limit,
    )
    return [from_row(row) for row in rows]


async def reschedule(tx: Transaction, recipient_ids: Sequence[int], due_at: int, day: str | None) -> bool:
    """Have scheduled recipients wait until `due_at`, paid for by `day`; False when some wait no more."""
    touched = await tx.execute(
        "update recipients set due_at = $1, release_day = $2"
        " where state = 'scheduled' and id in (select value from {each_number:$3})",
        due_at,
        day,
        json.dumps(list(recipient_ids)),
    )
    return touched == len(recipient_ids)


async def pay_on(tx: Transaction, recipient_ids: Sequence[int], day: str) -> int:
    """Held recipients are paid for by `day` from now on; returns how many there were."""
    return await tx.execute(
        "update recipients set release_day = $1"
        " where state = 'held' and id in (select value from {each_number:$2})",
        day,
        json.dumps(list(recipient_ids)),
    )


async def start_life(tx: Transaction, recipient_ids: Sequence[int], expires_at: int) -> None:
    """Set until when recipients that were just released may be tried."""
    await tx.execute(
        "update recipients set expires_at = $1 where id in (select value from {each_number:$2})",
        expires_at,
        json.dumps(list(recipient_ids)),
    )


async def waiting_behind(
    reader: Reader,
    destination: str | None,
    is_local: bool,
    expires_by: int,
    *,
    unnoticed: bool = False,
    limit: int,
) -> list[QueuedRecipient]:
    """Up to `limit` of those that wait for `destination` (None: wherever) and expire by then.

    With `unnoticed`, only those whose sender has not been told of the delay.
    """
    rows = await reader.fetch_all(
        f"select {COLUMNS} from recipients where {_behind(destination)} and expires_at <= $1"
        " and delay_noticed < $4 order by due_at, id limit $5",
        expires_by,
        destination or "",
        int(is_local),
        1 if unnoticed else 2,
        limit,
    )
    return [from_row(row) for row in rows]


def _behind(destination: str | None) -> str:
    """Who waits for a destination, $2, or wherever: two texts, so that the first can use the index."""
    return f"{_WAITS} and $2 = ''" if destination is None else f"{_WAITS} and destination = $2"
