"""What a look at the DNS says of a domain, and what follows from it.

Trouble with the DNS changes nothing: a domain loses its standing only when
the records are known to be gone, and have been for `GRACE`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from relay.clock import Clock, from_us, to_us
from relay.events.kinds import EventKind
from relay.store.database import Transaction
from relay.tenants.domains import Domain, DomainStatus, Tracking, get, tell, write_standing

GRACE = timedelta(days=3)


class Seen(StrEnum):
    """What a look at the DNS says about one thing that should stand there."""

    YES = "yes"
    NO = "no"  # the DNS answered, and it is not there
    UNKNOWN = "unknown"  # the DNS did not answer; nothing follows from it


@dataclass(frozen=True, slots=True)
class DomainCheck:
    """One look at a domain's records: may it send, do bounces, its mail and its tracking host come here.

    `details` is kept for people to read (any JSON).
    """

    sending: Seen
    bounces: Seen = Seen.UNKNOWN
    receiving: Seen = Seen.UNKNOWN
    details: dict[str, Any] | None = None
    tracking: Seen = Seen.UNKNOWN


async def record_check(tx: Transaction, clock: Clock, domain: Domain, check: DomainCheck) -> Domain:
    """Write down what a look at the DNS found; returns the domain as it is now.

    UNKNOWN changes nothing but the record of the look. A verified domain
    whose records are gone stays verified for GRACE.
    """
    before, now = await get(tx, domain.tenant_id, domain.id), clock.now()
    status, missing_since = _judge_sending(before, check.sending, now)
    after = replace(
        before,
        status=status,
        verified_at=None if status is DomainStatus.PENDING else before.verified_at or now,
        bounces_verified_at=_instant(before.bounces_verified_at, check.bounces, now),
        receives_at=_instant(before.receives_at, check.receiving, now),
        checked_at=now,
        check_result=_result(before, check, missing_since),
        tracking=_tracking_after(before, domain, check, now),
    )
    await write_standing(tx, after)
    if after.status is not before.status:
        kind = EventKind.DOMAIN_VERIFIED if after.is_verified else EventKind.DOMAIN_UNVERIFIED
        await tell(tx, clock, kind, after)
    return after


def _judge_sending(domain: Domain, seen: Seen, now: datetime) -> tuple[DomainStatus, datetime | None]:
    """The status after this look, and since when the records are known to be missing."""
    since = domain.check_result.get("missing_since")
    missing_since = from_us(since) if since is not None else None
    if seen is Seen.YES:
        return DomainStatus.VERIFIED, None
    if seen is Seen.UNKNOWN or domain.check_result.get("assumed"):
        return domain.status, missing_since
    missing_since = missing_since or now
    gone = now - missing_since >= GRACE
    return (DomainStatus.PENDING if gone else domain.status), missing_since


def _tracking_after(before: Domain, looked_at: Domain, check: DomainCheck, now: datetime) -> Tracking:
    """What was seen of another host than the domain names by now says nothing."""
    if before.tracking.host != looked_at.tracking.host:
        return before.tracking
    return replace(before.tracking, seen_at=_instant(before.tracking.seen_at, check.tracking, now))


def _instant(before: datetime | None, seen: Seen, now: datetime) -> datetime | None:
    if seen is Seen.NO:
        return None
    return before or (now if seen is Seen.YES else None)


def _result(domain: Domain, check: DomainCheck, missing_since: datetime | None) -> dict[str, Any]:
    result: dict[str, Any] = {"sending": check.sending, "bounces": check.bounces}
    result["receiving"] = check.receiving
    if domain.tracking.host is not None:
        result["tracking"] = check.tracking
    if check.details:
        result["details"] = check.details
    if missing_since is not None:
        result["missing_since"] = to_us(missing_since)
    if domain.check_result.get("assumed"):
        result["assumed"] = True
    return result
