"""Messages that wait for a person's word, and what was decided. Owns the table `approvals`.

A decision is taken once: the statement that writes it asks that there was none.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from relay.clock import Clock, from_us, to_us
from relay.errors import NotFound, Refusal
from relay.ids import new_id
from relay.replies import SmtpReply
from relay.store.database import Reader, Row, Transaction
from relay.store.text import among, storable

Status: TypeAlias = Literal["pending", "approved", "rejected", "expired"]
Decision: TypeAlias = Literal["approved", "rejected", "expired"]

HELD = "approval"  # the reason of recipients that wait for it
REASON_KEPT = 500
_COLUMNS = (
    "id, tenant_id, mailbox_id, message_id, credential, why, is_test, approvers, status, created_at,"
    " expires_at, decided_at, decided_by, reason"
)
_SELECT = f"select {_COLUMNS} from approvals"  # noqa: S608 - the columns are ours


class AlreadyDecided(Refusal):
    """Somebody was faster, or nobody was fast enough."""

    code = "already_decided"

    def __init__(self, approval: "Approval") -> None:
        by = f" by {approval.decided_by}" if approval.decided_by else ""
        told = f"This was {approval.status} already{by}"
        super().__init__(f"{approval.id}: {told}", SmtpReply(554, "5.5.0", told))


@dataclass(frozen=True, slots=True)
class Approval:
    """One message that waits, or waited. `why`: which guard holds it; `approvers` are asked by mail."""

    id: str
    tenant_id: str
    mailbox_id: str
    message_id: str
    credential: str | None
    why: str
    is_test: bool
    approvers: tuple[str, ...]
    status: Status
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None
    reason: str | None = None


async def insert(tx: Transaction, approval: Approval) -> None:
    """The message waits, from the transaction on that takes it."""
    await tx.execute(
        f"insert into approvals ({_COLUMNS})"  # noqa: S608
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, null, null, null)",
        approval.id,
        approval.tenant_id,
        approval.mailbox_id,
        approval.message_id,
        approval.credential,
        approval.why,
        int(approval.is_test),
        json.dumps(approval.approvers, ensure_ascii=False),
        approval.status,
        to_us(approval.created_at),
        to_us(approval.expires_at),
    )


def new_approval_id(clock: Clock) -> str:
    return new_id("apr", clock)


async def get(reader: Reader, tenant_id: str, approval_id: str) -> Approval:
    """The tenant's approval; raises NotFound, also for somebody else's."""
    row = await reader.fetch_one(f"{_SELECT} where tenant_id = $1 and id = $2", tenant_id, approval_id)
    if row is None:
        raise NotFound(f"no approval {approval_id}")
    return _from_row(row)


async def of_message(reader: Reader, message_id: str) -> Approval | None:
    """The approval of a message, whoever's it is."""
    row = await reader.fetch_one(f"{_SELECT} where message_id = $1", message_id)
    return _from_row(row) if row else None


async def page(
    reader: Reader,
    tenant_id: str,
    *,
    limit: int,
    status: Status | None = None,
    mailbox_ids: Sequence[str] | None = None,
    is_test: bool | None = None,
    before_id: str | None = None,
) -> list[Approval]:
    """The tenant's approvals, newest first; `before_id` is the last one of the page before.

    With `mailbox_ids` those of these mailboxes alone.
    """
    rows = await reader.fetch_all(
        f"{_SELECT} where tenant_id = $1 and ($2 = '' or status = $2)"  # noqa: S608
        " and ($3 = '[0]' or mailbox_id in (select value from {each:$3}))"
        " and ($4 < 0 or is_test = $4) and ($5 = '' or id < $5) order by id desc limit $6",
        tenant_id,
        status or "",
        among(mailbox_ids),
        -1 if is_test is None else int(is_test),
        before_id or "",
        limit,
    )
    return [_from_row(row) for row in rows]


async def overdue(reader: Reader, now: int, limit: int) -> list[Approval]:
    """Those that nobody has decided in time (microseconds), longest first."""
    rows = await reader.fetch_all(
        f"{_SELECT} where status = 'pending' and expires_at <= $1 order by expires_at limit $2", now, limit
    )
    return [_from_row(row) for row in rows]


async def decide(
    tx: Transaction, clock: Clock, approval: Approval, decision: Decision, by: str, reason: str | None
) -> Approval:
    """The approval as it is decided now; raises AlreadyDecided where it was."""
    now, reason = clock.now(), storable(reason[:REASON_KEPT]) if reason else None
    touched = await tx.execute(
        "update approvals set status = $1, decided_at = $2, decided_by = $3, reason = $4"
        " where id = $5 and status = 'pending'",
        decision,
        to_us(now),
        by,
        reason,
        approval.id,
    )
    if not touched:
        raise AlreadyDecided(await get(tx, approval.tenant_id, approval.id))
    return replace(approval, status=decision, decided_at=now, decided_by=by, reason=reason)


async def forget(tx: Transaction, message_ids: Sequence[str]) -> None:
    """Drop what is known of messages that are to be forgotten."""
    await tx.execute(
        "delete from approvals where message_id in (select value from {each:$1})",
        json.dumps(list(message_ids)),
    )


def _from_row(row: Row) -> Approval:
    return Approval(
        id=row["id"],
        tenant_id=row["tenant_id"],
        mailbox_id=row["mailbox_id"],
        message_id=row["message_id"],
        credential=row["credential"],
        why=row["why"],
        is_test=bool(row["is_test"]),
        approvers=tuple(json.loads(row["approvers"])),
        status=row["status"],
        created_at=from_us(row["created_at"]),
        expires_at=from_us(row["expires_at"]),
        decided_at=None if row["decided_at"] is None else from_us(row["decided_at"]),
        decided_by=row["decided_by"],
        reason=row["reason"],
    )
