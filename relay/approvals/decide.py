"""Approve, reject, or let run out what guards hold: decided once, in one transaction with what comes of it.

The allowance was reserved on the day of acceptance. Approval moves it to the
day on which the mail goes: today, or the next that has room; a rejection gives
it back.
"""

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from relay.errors import PosthouseError
from relay.events import log
from relay.events.kinds import EventKind
from relay.guards import acquaintances, approvals
from relay.guards.approvals import HELD, Approval, Decision
from relay.policy.caps import Caps, DailyCapReached, give_back
from relay.queue import moves
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from relay.station import Station
from relay.store.database import Transaction
from relay.submission.held import let_go
from relay.submission.scheduled import take_back
from relay.tenants import mailboxes


async def approve(
    tx: Transaction, station: Station, approval: Approval, by: str, reason: str | None = None
) -> Approval:
    """It goes, now or at its time; raises AlreadyDecided, or DailyCapReached where no day has room for it."""
    decided = await approvals.decide(tx, station.clock, approval, "approved", by, reason)
    held = await _on_its_day(tx, station, await _held(tx, approval))
    await let_go(tx, station.clock, station.config, held, _about(decided))
    await _acquaint(tx, approval, held)
    await _tell(tx, station, decided)
    return decided


async def reject(
    tx: Transaction,
    station: Station,
    approval: Approval,
    by: str,
    reason: str | None = None,
    *,
    as_: Decision = "rejected",
) -> Approval:
    """It is taken back, and its allowance returned; raises AlreadyDecided."""
    decided = await approvals.decide(tx, station.clock, approval, as_, by, reason)
    await take_back(tx, station.clock, await _held(tx, approval), _about(decided))
    await _tell(tx, station, decided)
    return decided


async def turned(
    tx: Transaction, station: Station, recipients: Sequence[QueuedRecipient], decision: Decision
) -> None:
    """An operator has turned these: nothing more is to be decided about messages of which none is held."""
    for message_id in sorted({each.message_id for each in recipients if each.reason == HELD}):
        approval = await approvals.of_message(tx, message_id)
        if approval is None or approval.status != "pending" or await _held(tx, approval):
            continue
        decided = await approvals.decide(tx, station.clock, approval, decision, "operator", None)
        if decision == "approved":
            await _acquaint(tx, approval, await queue.of_message(tx, message_id))
        await _tell(tx, station, decided)


async def _acquaint(tx: Transaction, approval: Approval, recipients: Sequence[QueuedRecipient]) -> None:
    """Mail goes to these: for an inbox that is still here, they are no strangers any more."""
    if approval.is_test or await mailboxes.find(tx, approval.mailbox_id) is None:
        return
    addresses = [recipient.address for recipient in recipients]
    await acquaintances.confirm(tx, approval.tenant_id, approval.mailbox_id, addresses)


async def _held(tx: Transaction, approval: Approval) -> list[QueuedRecipient]:
    """Those that wait for it; what an operator has turned meanwhile does not."""
    rows = await queue.of_message(tx, approval.message_id)
    return [row for row in rows if row.state is State.HELD and row.reason == HELD]


async def _on_its_day(
    tx: Transaction, station: Station, held: Sequence[QueuedRecipient]
) -> Sequence[QueuedRecipient]:
    """The recipients, paid for by a day that is not over."""
    policy = station.config.policy
    caps = Caps(station.clock, policy.default_daily_cap, policy.cap_timezone)
    today = caps.today()
    past = [each for each in held if each.release_day is not None and each.release_day < today]
    mailbox = await mailboxes.find(tx, past[0].mailbox_id) if past and past[0].mailbox_id else None
    if mailbox is None:
        return held
    day = await caps.next_free_day(tx, mailbox, len(past), today, policy.defer_horizon)
    if day is None:
        raise DailyCapReached.of(mailbox, await caps.standing(tx, mailbox), len(past))
    await caps.reserve(tx, mailbox, day, len(past))
    for before, count in Counter(each.release_day or "" for each in past).items():
        await give_back(tx, mailbox.id, before, count)
    moved = {each.id for each in past}
    if await moves.pay_on(tx, sorted(moved), day) != len(moved):
        raise PosthouseError("a held recipient has gone meanwhile")
    return [replace(each, release_day=day) if each.id in moved else each for each in held]


def _about(approval: Approval) -> dict[str, str | None]:
    return {
        "by": approval.decided_by,
        "approval_id": approval.id,
        "reason": f"{approval.status}: {approval.reason}" if approval.reason else approval.status,
    }


async def _tell(tx: Transaction, station: Station, approval: Approval) -> None:
    await log.append(
        tx,
        station.clock,
        EventKind.APPROVAL_DECIDED,
        tenant_id=approval.tenant_id,
        mailbox_id=approval.mailbox_id,
        message_id=approval.message_id,
        is_test=approval.is_test,
        data={
            "approval_id": approval.id,
            "decision": approval.status,
            "by": approval.decided_by,
            "reason": approval.reason,
        },
    )
