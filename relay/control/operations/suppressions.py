"""Addresses that are not to be written to: add, list, remove."""

from typing import Any

from relay.control.context import Context
from relay.control.instants import read_instant
from relay.control.registry import Arguments, operation
from relay.errors import InvalidInput, NotFound
from relay.suppressions import records as suppressions
from relay.suppressions.reasons import SuppressionReason
from relay.suppressions.records import Suppression
from relay.tenants.mailboxes import read_address

MOST = 10_000


class AddSuppression(Arguments, frozen=True):
    """For good, or until `expires`: an instant (RFC 3339) or a duration such as 90d."""

    address: str
    reason: SuppressionReason = SuppressionReason.MANUAL
    expires: str | None = None


class ListSuppressions(Arguments, frozen=True):
    limit: int = 100


class NamedAddress(Arguments, frozen=True):
    address: str


@operation("suppression.add", AddSuppression)
async def add(context: Context, wanted: AddSuppression) -> dict[str, Any]:
    """The entry as it stands; `added` is False when it stood already, for as long."""
    address = read_address(wanted.address)
    expires_at = read_instant(context.clock, wanted.expires) if wanted.expires else None
    if expires_at is not None and expires_at <= context.clock.now():
        raise InvalidInput("it cannot end in the past")
    added = await context.db.transact(
        lambda tx: suppressions.add(
            tx,
            context.clock,
            tenant_id=context.tenant_id,
            address=address,
            reason=wanted.reason,
            expires_at=expires_at,
        )
    )
    found = await suppressions.find(context.db, context.tenant_id, address)
    if found is None:
        raise NotFound(f"{address} was removed meanwhile")
    return {**_as_dict(found), "added": added}


@operation("suppression.list", ListSuppressions)
async def list_suppressions(context: Context, wanted: ListSuppressions) -> list[dict[str, Any]]:
    """The newest entries first."""
    limit = max(1, min(wanted.limit, MOST))
    return [_as_dict(each) for each in await suppressions.page(context.db, context.tenant_id, limit=limit)]


@operation("suppression.remove", NamedAddress)
async def remove(context: Context, wanted: NamedAddress) -> dict[str, Any]:
    """The address may be written to again. Raises NotFound."""
    address = read_address(wanted.address)
    removed = await context.db.transact(
        lambda tx: suppressions.remove(tx, context.clock, context.tenant_id, address)
    )
    if not removed:
        raise NotFound(f"{address} is not suppressed")
    return {"address": str(address), "removed": True}


def _as_dict(entry: Suppression) -> dict[str, Any]:
    return {
        "id": entry.id,
        "address": str(entry.address),
        "reason": entry.reason.value,
        "scope": entry.scope,
        "source_message_id": entry.source_message_id,
        "created_at": entry.created_at,
        "expires_at": entry.expires_at,
    }
