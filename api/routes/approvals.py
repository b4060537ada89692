"""Approvals: what guards hold, and the word of a person or program about it."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from api.call import Call
from api.mail import examples
from api.operations import Operation
from api.paging import Paged, page
from api.shapes import Body, Page, Shape
from relay.approvals import decide
from relay.errors import NotFound
from relay.guards import approvals
from relay.guards.approvals import REASON_KEPT, Approval, Status
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.spool import records as spool
from relay.spool.records import Message
from relay.store.database import Reader, Transaction

Reason = Annotated[str, Meta(max_length=REASON_KEPT)]


class ListApprovals(Paged, frozen=True):
    """What is left out does not narrow it."""

    status: Status | None = None
    inbox: Annotated[str, Meta(max_length=400, description="id or address")] | None = None


class Decided(Body, frozen=True):
    """Why; it is told in events."""

    reason: Reason | None = None


class ApprovalShape(Shape, frozen=True):
    """A message that waits, or waited: `why` names the guard that holds it, `credential` what sent it."""

    id: str
    status: Status
    message_id: str
    inbox_id: str
    credential: str | None
    why: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    approvers: tuple[str, ...]
    test: bool
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


async def list_approvals(call: Call, query: ListApprovals) -> Page[ApprovalShape]:
    """What waits and what was decided, newest first."""
    mailbox_ids = await call.reached()
    if query.inbox is not None:
        mailbox_ids = ((await call.mailbox(query.inbox)).id,)
    rows = await approvals.page(
        call.house.db,
        call.tenant_id,
        limit=query.limit + 1,
        status=query.status,
        mailbox_ids=mailbox_ids,
        is_test=call.caller.mode == "test",
        before_id=query.before,
    )
    ids = [row.message_id for row in rows]
    messages = await spool.find_many(call.house.db, ids)
    recipients = await queue.of_messages(call.house.db, ids)

    def shape(approval: Approval) -> ApprovalShape:
        of = approval.message_id
        return approval_shape(approval, messages.get(of), recipients[of])

    return page(rows, query.limit, shape, lambda approval: approval.id)


async def get_approval(call: Call) -> ApprovalShape:
    return await _shown(call.house.db, await _named(call, call.house.db))


async def approve(call: Call, body: Decided) -> ApprovalShape:
    """The approval as it is decided; the message goes, now or at its time."""

    async def work(tx: Transaction) -> ApprovalShape:
        approval = await _named(call, tx)
        by = call.caller.key.id
        return await _shown(tx, await decide.approve(tx, call.house.station, approval, by, body.reason))

    return await _run(call, work)


async def reject(call: Call, body: Decided) -> ApprovalShape:
    """The approval as it is decided; the message is canceled, its allowance given back."""

    async def work(tx: Transaction) -> ApprovalShape:
        approval = await _named(call, tx)
        by = call.caller.key.id
        return await _shown(tx, await decide.reject(tx, call.house.station, approval, by, body.reason))

    return await _run(call, work)


def approval_shape(
    approval: Approval, message: Message | None, recipients: list[QueuedRecipient]
) -> ApprovalShape:
    """The approval with what it is about; `message` is None once retention has taken its facts."""
    return ApprovalShape(
        id=approval.id,
        status=approval.status,
        message_id=approval.message_id,
        inbox_id=approval.mailbox_id,
        credential=approval.credential,
        why=approval.why,
        sender=message.header_from if message else "",
        recipients=tuple(str(each.address) for each in recipients),
        subject=message.subject if message else "",
        approvers=approval.approvers,
        test=approval.is_test,
        created_at=approval.created_at,
        expires_at=approval.expires_at,
        decided_at=approval.decided_at,
        decided_by=approval.decided_by,
        reason=approval.reason,
    )


async def _run(call: Call, work: Any) -> ApprovalShape:
    shape: ApprovalShape = await call.once.run(work, lambda shape: shape)
    call.house.station.bell.ring()
    call.house.watch.nudge()
    return shape


async def _named(call: Call, reader: Reader) -> Approval:
    """What the path names, if the caller may see it; raises NotFound."""
    approval = await approvals.get(reader, call.tenant_id, call.path["approval"])
    seen = await call.may_see(approval.mailbox_id, reader)
    if not seen or approval.is_test != (call.caller.mode == "test"):
        raise NotFound(f"no approval {approval.id}")
    return approval


async def _shown(reader: Reader, approval: Approval) -> ApprovalShape:
    message = await spool.find(reader, approval.message_id)
    return approval_shape(approval, message, await queue.of_message(reader, approval.message_id))


_EXAMPLE: dict[str, Any] = {
    "id": "apr_01hw3k9v8g2e4r6t8y0a2s4d",
    "status": "pending",
    "message_id": examples.MESSAGE,
    "inbox_id": examples.INBOX,
    "credential": "key_01hw3k9v8g2e4r6t8y0a2s4d",
    "why": "first_contact",
    "sender": "Agent <agent@ours.example>",
    "recipients": ["bob@far.example"],
    "subject": "Your order",
    "approvers": ["boss@ours.example"],
    "test": False,
    "created_at": "2026-03-02T09:00:00Z",
    "expires_at": "2026-03-09T09:00:00Z",
    "decided_at": None,
    "decided_by": None,
    "reason": None,
}
_DECIDED = {"decided_at": "2026-03-02T09:05:00Z", "decided_by": "key_01hw3k9v8g2e4r6t8y0a2s4d"}
_PATH = "/v1/approvals"

OPERATIONS = (
    Operation(
        "GET",
        _PATH,
        "approvals:read",
        "List what waits for approval, or waited",
        list_approvals,
        query=ListApprovals,
        answer=Page[ApprovalShape],
        answers=examples.paged(_EXAMPLE),
        errors=("not_found",),
    ),
    Operation(
        "GET",
        _PATH + "/{approval}",
        "approvals:read",
        "One approval",
        get_approval,
        answer=ApprovalShape,
        answers=_EXAMPLE,
        errors=("not_found",),
    ),
    Operation(
        "POST",
        _PATH + "/{approval}/approve",
        "approvals:write",
        "Let a message go",
        approve,
        body=Decided,
        answer=ApprovalShape,
        example={"reason": "a customer of ours"},
        answers={**_EXAMPLE, **_DECIDED, "status": "approved", "reason": "a customer of ours"},
        errors=("not_found", "already_decided", "mailbox_cap_reached", "warmup_cap_reached"),
        description="Once: a second decision is 409. The allowance is that of the day on which it goes.",
    ),
    Operation(
        "POST",
        _PATH + "/{approval}/reject",
        "approvals:write",
        "Take a held message back",
        reject,
        body=Decided,
        answer=ApprovalShape,
        example={"reason": "not to them"},
        answers={**_EXAMPLE, **_DECIDED, "status": "rejected", "reason": "not to them"},
        errors=("not_found", "already_decided"),
        description="Once: a second decision is 409. Its allowance is given back.",
    ),
)
