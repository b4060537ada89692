"""What guards hold, for the operator to look at, approve and reject."""

from collections.abc import Callable, Coroutine
from typing import Any

from relay.approvals import decide
from relay.control.context import Context
from relay.control.registry import Arguments, operation
from relay.guards import approvals
from relay.guards.approvals import Approval, Status
from relay.queue import records as queue
from relay.spool import records as spool
from relay.store.database import Reader, Transaction

MOST = 1000
OPERATOR = "operator"


class ListApprovals(Arguments, frozen=True):
    """Without a status, all of them."""

    status: Status | None = "pending"
    limit: int = 100


class NamedApproval(Arguments, frozen=True):
    id: str


class DecideApproval(Arguments, frozen=True):
    id: str
    reason: str | None = None


@operation("approval.list", ListApprovals)
async def list_approvals(context: Context, wanted: ListApprovals) -> list[dict[str, Any]]:
    """The newest first."""
    limit = max(1, min(wanted.limit, MOST))
    rows = await approvals.page(context.db, context.tenant_id, limit=limit, status=wanted.status)
    return [await _as_dict(context.db, row) for row in rows]


@operation("approval.show", NamedApproval)
async def show(context: Context, wanted: NamedApproval) -> dict[str, Any]:
    """One, with its recipients. Raises NotFound."""
    return await _as_dict(context.db, await approvals.get(context.db, context.tenant_id, wanted.id))


@operation("approval.approve", DecideApproval)
async def approve(context: Context, wanted: DecideApproval) -> dict[str, Any]:
    """The message goes, now or at its time. Raises NotFound, AlreadyDecided, DailyCapReached."""
    return await _decide(context, wanted, decide.approve)


@operation("approval.reject", DecideApproval)
async def reject(context: Context, wanted: DecideApproval) -> dict[str, Any]:
    """The message is canceled, its allowance given back. Raises NotFound, AlreadyDecided."""
    return await _decide(context, wanted, decide.reject)


async def _decide(
    context: Context, wanted: DecideApproval, how: Callable[..., Coroutine[Any, Any, Approval]]
) -> dict[str, Any]:
    async def work(tx: Transaction) -> Approval:
        approval = await approvals.get(tx, context.tenant_id, wanted.id)
        return await how(tx, context.station, approval, OPERATOR, wanted.reason)

    decided = await context.db.transact(work)
    context.wake()
    return await _as_dict(context.db, decided)


async def _as_dict(reader: Reader, approval: Approval) -> dict[str, Any]:
    message = await spool.find(reader, approval.message_id)
    recipients = await queue.of_message(reader, approval.message_id)
    return {
        "id": approval.id,
        "status": approval.status,
        "message_id": approval.message_id,
        "inbox_id": approval.mailbox_id,
        "credential": approval.credential,
        "why": approval.why,
        "from": message.header_from if message else "",
        "recipients": [str(each.address) for each in recipients],
        "subject": message.subject if message else "",
        "approvers": list(approval.approvers),
        "test": approval.is_test,
        "created_at": approval.created_at,
        "expires_at": approval.expires_at,
        "decided_at": approval.decided_at,
        "decided_by": approval.decided_by,
        "reason": approval.reason,
    }
