"""The audit log, as an operator reads it: of one tenant or of the whole house."""

from typing import Any

from relay.clock import to_us
from relay.control.context import Context
from relay.control.instants import read_instant
from relay.control.registry import Arguments, operation
from relay.events import audit
from relay.events.audit import Asked, Entry

MOST = 10_000


class ListAudit(Arguments, frozen=True):
    """`since` is an instant (RFC 3339), or a duration before now such as 7d."""

    tenant: str | None = None
    action: str | None = None
    actor: str | None = None
    target: str | None = None
    since: str | None = None
    limit: int = 50


@operation("audit.list", ListAudit)
async def list_audit(context: Context, wanted: ListAudit) -> list[dict[str, Any]]:
    """The newest entries, the newest last. Raises InvalidInput."""
    asked = Asked(
        tenant_id=wanted.tenant or "",
        action=wanted.action or "",
        actor_id=wanted.actor or "",
        target=wanted.target or "",
        since=to_us(read_instant(context.clock, wanted.since, past=True)) if wanted.since else 0,
    )
    found = await audit.page(context.db, asked, max(1, min(wanted.limit, MOST)))
    return [_as_dict(entry) for entry in reversed(found)]


def _as_dict(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "tenant_id": entry.tenant_id,
        "at": entry.at,
        "actor": entry.actor.kind,
        "actor_id": entry.actor.id,
        "request_id": entry.actor.request_id,
        "action": entry.action,
        "target": entry.target,
        "data": entry.data,
        "before": entry.before,
        "after": entry.after,
    }
