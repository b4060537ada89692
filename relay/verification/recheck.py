"""Look again at domains whose turn it is: new ones often, settled ones once a day.

Whoever publishes records waits for us to notice: minutes on the first day,
an hour later on. What was unclear or missing is looked at hourly, so that a
lost record is noticed within its time of grace.
"""

import asyncio
import logging
from datetime import datetime, timedelta

from relay.errors import NotFound, StoreUnavailable
from relay.station import Station
from relay.tenants import domains
from relay.tenants.domain_checks import Seen
from relay.tenants.domains import Domain
from relay.verification.verify import Verification, verify_domain

logger = logging.getLogger("posthouse.domains")

FIRST_DAY = timedelta(days=1)
EAGER = timedelta(minutes=5)
HOURLY = timedelta(hours=1)
DAILY = timedelta(days=1)
AT_ONCE = 5
# RFC 6761: nobody has these in the DNS. A domain for trying out asks no nameserver.
_RESERVED = (".test", ".invalid", ".localhost", ".example")


def is_due(domain: Domain, now: datetime) -> bool:
    """Whether the last look at `domain` is too long ago; never for one that is assumed and reserved."""
    if domain.check_result.get("assumed") and domain.name.endswith(_RESERVED):
        return False
    return domain.checked_at is None or now - domain.checked_at >= interval(domain, now)


def interval(domain: Domain, now: datetime) -> timedelta:
    """How long a look at `domain` is good for."""
    if not domain.is_verified:
        return EAGER if now - domain.created_at < FIRST_DAY else HOURLY
    result = domain.check_result
    unclear = result.get("sending") == Seen.UNKNOWN or "missing_since" in result
    awaited = domain.tracking.host is not None and domain.tracking.seen_at is None
    return HOURLY if unclear or awaited else DAILY


async def recheck_due(station: Station, *, most: int = 100) -> list[Verification]:
    """Verify the domains that are due, longest ago first, `most` of them; cheap when none is.

    Call it every few minutes. Trouble with one domain is logged and stops no
    other. Raises StoreUnavailable while nothing can be written.
    """
    now = station.clock.now()
    due = [domain for domain in await domains.list_all(station.db) if is_due(domain, now)][:most]
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(domain: Domain) -> Verification | None:
        async with gate:
            return await _verify_and_tell(station, domain)

    done = await asyncio.gather(*(one(domain) for domain in due))
    return [verification for verification in done if verification is not None]


async def _verify_and_tell(station: Station, before: Domain) -> Verification | None:
    try:
        verification = await verify_domain(station, before)
    except StoreUnavailable:
        raise
    except NotFound:
        return None
    except Exception:
        logger.exception("%s could not be checked", before.name)
        return None
    after = verification.domain
    if after.status is not before.status:
        logger.warning("%s is %s now", after.name, after.status)
    elif after.is_verified and "missing_since" in after.check_result:
        logger.warning("%s: no DKIM key of ours stands in the DNS; see domain verify", after.name)
    if verification.key_fault:
        logger.error("%s: %s", after.name, verification.key_fault)
    return verification
