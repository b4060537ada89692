"""Addresses that are not to be written to: add, list, remove, take from a list."""

from dataclasses import asdict
from typing import Any

from relay.control.context import Context
from relay.control.instants import read_instant
from relay.control.registry import Arguments, operation
from relay.errors import InvalidInput, NotFound
from relay.submission.control_fields import read_stream
from relay.suppressions import importing
from relay.suppressions import records as suppressions
from relay.suppressions.reasons import SuppressionReason
from relay.suppressions.records import Suppression
from relay.tenants.mailboxes import read_address

MOST = 10_000


class AddSuppression(Arguments, frozen=True):
    """For good, or until `expires`: an instant (RFC 3339) or a duration such as 90d.

    For all mail, or for that of one `stream`.
    """

    address: str
    reason: SuppressionReason = SuppressionReason.MANUAL
    expires: str | None = None
    stream: str | None = None


class ListSuppressions(Arguments, frozen=True):
    """The newest, behind the entry `before` where it is named."""

    limit: int = 100
    before: str | None = None
    reason: SuppressionReason | None = None
    stream: str | None = None


class NamedAddress(Arguments, frozen=True):
    address: str
    stream: str | None = None


class ImportList(Arguments, frozen=True):
    """CSV; with `dry_run` everything is tried, and nothing kept."""

    text: str
    dry_run: bool = False


@operation("suppression.add", AddSuppression)
async def add(context: Context, wanted: AddSuppression) -> dict[str, Any]:
    """The entry as it stands; `added` is False when it stood already, for as long."""
    address = read_address(wanted.address)
    expires_at = read_instant(context.clock, wanted.expires) if wanted.expires else None
    if expires_at is not None and expires_at <= context.clock.now():
        raise InvalidInput("it cannot end in the past")
    stream = _stream(wanted.stream)
    added = await context.db.transact(
        lambda tx: suppressions.add(
            tx,
            context.clock,
            tenant_id=context.tenant_id,
            address=address,
            reason=wanted.reason,
            stream=stream,
            expires_at=expires_at,
        )
    )
    found = await suppressions.find(context.db, context.tenant_id, address, stream)
    if found is None:
        raise NotFound(f"{address} was removed meanwhile")
    return {**_as_dict(found), "added": added}


@operation("suppression.list", ListSuppressions)
async def list_suppressions(context: Context, wanted: ListSuppressions) -> list[dict[str, Any]]:
    """The newest entries first."""
    limit = max(1, min(wanted.limit, MOST))
    found = await suppressions.page(
        context.db,
        context.tenant_id,
        limit=limit,
        before_id=wanted.before,
        reason=wanted.reason,
        stream=wanted.stream,
    )
    return [_as_dict(each) for each in found]


@operation("suppression.remove", NamedAddress)
async def remove(context: Context, wanted: NamedAddress) -> dict[str, Any]:
    """The address may be written to again. Raises NotFound."""
    address = read_address(wanted.address)
    removed = await context.db.transact(
        lambda tx: suppressions.remove(tx, context.clock, context.tenant_id, address, wanted.stream)
    )
    if not removed:
        raise NotFound(f"{address} is not suppressed")
    return {"address": str(address), "removed": True}


@operation("suppression.import", ImportList)
async def import_list(context: Context, wanted: ImportList) -> dict[str, Any]:
    """What became of the rows. Raises InvalidInput for what is no list."""
    report = await importing.import_list(
        context.db, context.clock, context.tenant_id, wanted.text, dry_run=wanted.dry_run
    )
    if not wanted.dry_run:
        await context.db.transact(lambda tx: importing.tell(tx, context.clock, context.tenant_id, report))
    return {
        "rows": report.rows,
        "added": report.added,
        "unchanged": report.unchanged,
        "failed": report.failed,
        "errors": [asdict(fault) for fault in report.faults],
    }


def _stream(text: str | None) -> str | None:
    try:
        return None if text is None else read_stream(text)
    except ValueError as error:
        raise InvalidInput(f"stream: {error}") from error


def _as_dict(entry: Suppression) -> dict[str, Any]:
    return {
        "id": entry.id,
        "address": str(entry.address),
        "reason": entry.reason.value,
        "scope": entry.scope,
        "stream": entry.stream,
        "source_message_id": entry.source_message_id,
        "created_at": entry.created_at,
        "expires_at": entry.expires_at,
    }
