"""Batches: many emails in one request, and what became of each of them."""

from collections import Counter
from typing import Any

import msgspec
from msgspec import UNSET

from api.call import Call
from api.mail.batch_shapes import BatchResult, BatchShape, BulkRecipient, EmailList, ItemProblem, NewBatch
from api.mail.batching import rehearse_batch, take_batch
from api.mail.emails import NewEmail
from api.operations import Operation, Reply
from relay.batches import records
from relay.batches.records import REFUSED, Batch, Item
from relay.clock import from_us
from relay.errors import NotFound
from relay.queue.state import State, message_status
from relay.tenants import reach

PENDING = "pending"


async def send_batch(call: Call, body: NewBatch) -> Reply:
    """The batch, every email of it taken on or refused; or, rehearsed, what would have been said of each."""
    call.once.name(body.idempotency_key)
    if body.dry_run:
        batch, decided = await rehearse_batch(call, body)
        return Reply(msgspec.structs.replace(_batch_shape(batch, decided), dry_run=True), status=200)
    batch, is_old = await take_batch(call, body)
    headers = {"Idempotent-Replayed": "true"} if is_old else {}
    return Reply(await _shown(call, batch.id), headers=headers)


async def get_batch(call: Call) -> BatchShape:
    """The batch with what its messages are now."""
    shape = await _shown(call, call.path["batch"])
    states = await records.states(call.house.db, shape.id)
    now = Counter(message_status([State(state) for state in found]) for found in states.values())
    return msgspec.structs.replace(shape, statuses=dict(sorted(now.items())))


async def _shown(call: Call, batch_id: str) -> BatchShape:
    """What every answer says of it; raises NotFound for what the caller may not see."""
    batch = await records.find(call.house.db, call.tenant_id, batch_id)
    if batch is None or not await _may_see(call, batch):
        raise NotFound(f"no batch {batch_id}")
    return _batch_shape(batch, await records.items(call.house.db, batch.id))


async def _may_see(call: Call, batch: Batch) -> bool:
    """A bound key sees what a key of the same binding asked for, and what its inbox did."""
    if call.caller.reach is None or reach.to_json(call.caller.reach) == batch.reach:
        return True
    return await call.may_see(batch.mailbox_id)


def _batch_shape(batch: Batch, items: list[Item]) -> BatchShape:
    found = Counter(item.status for item in items)
    return BatchShape(
        id=batch.id,
        total=batch.total,
        accepted=batch.total - found[REFUSED] - found[None],
        refused=found[REFUSED],
        pending=found[None],
        test=batch.is_test,
        created_at=from_us(batch.created_at),
        completed_at=None if batch.completed_at is None else from_us(batch.completed_at),
        results=tuple(map(_result, items)),
    )


def _result(item: Item) -> BatchResult:
    problem = msgspec.json.decode(item.problem, type=ItemProblem) if item.problem else UNSET
    return BatchResult(
        index=item.position, status=item.status or PENDING, id=item.message_id or UNSET, problem=problem
    )


_BULK = {
    "from": "Shop <shop@ours.example>",
    "subject": "Your order {{order}}",
    "html": "<p>Hello {{name}}, it is on its way.</p>",
    "recipients": [
        {"email": "bob@far.example", "name": "Bob", "variables": {"order": 7}},
        {"email": "carol@", "name": "Carol", "variables": {"order": 8}},
    ],
}
_TAKEN: dict[str, Any] = {
    "id": "bat_01kb5s3v3fk4m8r0q2w9t7x5y1",
    "total": 2,
    "accepted": 1,
    "refused": 1,
    "pending": 0,
    "test": False,
    "created_at": "2026-11-21T09:30:00Z",
    "completed_at": "2026-11-21T09:30:00.020000Z",
    "results": [
        {"index": 0, "status": "queued", "id": "msg_01kb5s3v3fk4m8r0q2w9t7x5y2"},
        {
            "index": 1,
            "status": REFUSED,
            "problem": {
                "status": 422,
                "code": "validation_error",
                "detail": "$.recipients[1].email: an address has a domain",
                "errors": [{"path": "$.recipients[1].email", "message": "an address has a domain"}],
            },
        },
    ],
}

OPERATIONS = (
    Operation(
        "POST",
        "/v1/emails/batch",
        "messages:send",
        "Send many emails",
        send_batch,
        body=NewBatch,
        body_list=EmailList,
        answer=BatchShape,
        status=201,
        also=(200,),
        example=_BULK,
        answers=_TAKEN,
        errors=("payload_too_large", "idempotency_mismatch", "not_accepting"),
        asks_itself=True,
        parts=(NewEmail, BulkRecipient),
        description=(
            "A bare array is `emails` alone. 201 means that each email was decided: `results` has them in "
            "order, those that were taken on disk, those that were refused with the problem that each alone "
            "would have been answered. After a 503 ask again with the same key: what was taken is not taken "
            "twice. A rehearsal (`dry_run`) is answered 200."
        ),
    ),
    Operation(
        "GET",
        "/v1/batches/{batch}",
        "messages:read",
        "One batch, and what became of its emails",
        get_batch,
        answer=BatchShape,
        answers={**_TAKEN, "statuses": {"delivered": 1}},
        errors=("not_found",),
    ),
)
