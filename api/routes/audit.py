"""The audit log: who changed what, when, and how it was before."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta

from api.call import Call
from api.mail.finding import instant
from api.operations import Operation
from api.paging import Paged, page
from api.shapes import Page, Shape
from api.tenant_wide import check_tenant_wide
from relay.events import audit
from relay.events.audit import Asked, Entry

Word = Annotated[str, Meta(min_length=1, max_length=400)]


class ListAudit(Paged, frozen=True):
    """Which entries; what is left out does not narrow it.

    `action` is such as `key.created`, or `key` for all of them; `actor` a key's
    id, an operator's command, an approver's address, or `key`, `operator`,
    `approver` or `system`.
    """

    action: Word | None = None
    actor: Word | None = None
    target: Word | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditActor(Shape, frozen=True):
    """A key by its id, the operator by the command, an approver by the address, or the house itself."""

    kind: Literal["key", "operator", "approver", "system"]
    id: str | None
    request_id: str | None


class AuditShape(Shape, frozen=True):
    """One change. `before` and `after` hold what differs, without secrets."""

    id: str
    at: datetime
    actor: AuditActor
    action: str
    target: str | None
    data: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


async def list_audit(call: Call, query: ListAudit) -> Page[AuditShape]:
    """The changes, newest first."""
    check_tenant_wide(call)
    asked = Asked(
        tenant_id=call.tenant_id,
        action=query.action or "",
        actor_id=query.actor or "",
        target=query.target or "",
        since=instant(query.since, "?since") or 0,
        until=instant(query.until, "?until") or 0,
    )
    rows = await audit.page(call.house.db, asked, query.limit + 1, query.before)
    return page(rows, query.limit, audit_shape, lambda entry: entry.id)


def audit_shape(entry: Entry) -> AuditShape:
    actor = entry.actor
    return AuditShape(
        id=entry.id,
        at=entry.at,
        actor=AuditActor(kind=actor.kind, id=actor.id, request_id=actor.request_id),
        action=entry.action,
        target=entry.target,
        data=entry.data,
        before=entry.before,
        after=entry.after,
    )


_EXAMPLE = {
    "id": "aud_01hw3k9v8g2e4r6t8y0a2s4d",
    "at": "2026-03-02T09:00:00Z",
    "actor": {"kind": "key", "id": "key_01hw3k9v8g2e4r6t8y0a2s4d", "request_id": "req_5a0c"},
    "action": "mailbox.updated",
    "target": "ann@ours.example",
    "data": {"address": "ann@ours.example", "changed": ["daily_cap"]},
    "before": {"daily_cap": None},
    "after": {"daily_cap": 200},
}

OPERATIONS = (
    Operation(
        "GET",
        "/v1/audit",
        "audit:read",
        "List what was changed, and by whom",
        list_audit,
        query=ListAudit,
        answer=Page[AuditShape],
        answers={"data": [_EXAMPLE], "has_more": False, "next_cursor": None},
        description="Kept as long as events are (`retention.events`).",
    ),
)
