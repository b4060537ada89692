"""Verify one domain: expect, look, decide, write down in one transaction.

Trouble with the DNS, or with our own key files, changes nothing about the
domain; only the look itself is recorded.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relay.config import Config
from relay.signing.files import KeyFault
from relay.station import Station
from relay.store.database import Transaction
from relay.tenants import domain_checks
from relay.tenants.dns_records import DnsRecord, records_for
from relay.tenants.domain_checks import DomainCheck
from relay.tenants.domains import Domain
from relay.tracking.places import host_of
from relay.verification.decide import decide
from relay.verification.look import RecordLook, addresses_of_host, look_at_all


@dataclass(frozen=True, slots=True)
class Verification:
    """What one look found. `domain` is as it stands afterwards; `key_fault` says why no key was compared."""

    domain: Domain
    check: DomainCheck
    looks: tuple[RecordLook, ...]
    key_fault: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON says it: `verified` is the standing, the three others what was seen now."""
        return {
            "domain": self.domain.name,
            "status": self.domain.status,
            "verified": self.domain.is_verified,
            "assumed": bool(self.domain.check_result.get("assumed")),
            "sending": self.check.sending,
            "bounces": self.check.bounces,
            "receiving": self.check.receiving,
            "key_fault": self.key_fault or None,
            "records": [look.as_dict() for look in self.looks],
        }


async def verify_domain(station: Station, domain: Domain, *, afresh: bool = False) -> Verification:
    """Look at every record that `domain` needs and record what follows; returns when it is stored.

    `afresh` forgets answers that the resolver remembers. Raises NotFound when
    the domain is gone meanwhile, StoreUnavailable when nothing can be written.
    """
    looked = await look_at_domain(station, domain, afresh=afresh)

    async def work(tx: Transaction) -> Domain:
        return await domain_checks.record_check(tx, station.clock, domain, looked.check)

    after = await station.directory.change(work)
    return Verification(after, looked.check, looked.looks, looked.key_fault)


async def look_at_domain(station: Station, domain: Domain, *, afresh: bool = False) -> Verification:
    """The same look, with nothing written."""
    if afresh:
        station.resolver.forget()
    hostname = station.config.server.hostname
    records, key_fault = await _needed(station, domain)
    ours = await addresses_of_host(station.resolver, hostname, station.config.delivery.source_addresses)
    looks = await look_at_all(station.resolver, records, ours)
    return Verification(domain, decide(domain, hostname, looks), looks, key_fault)


async def needed_records(station: Station, domain: Domain) -> list[DnsRecord]:
    """What `domain` must publish, with its active keys; raises KeyFault when one cannot be read."""
    selectors = await station.directory.active_selectors(domain.name)
    keys = await asyncio.to_thread(station.keys.active, domain.name, selectors) if selectors else ()
    return _records(station, domain, [(key.dns_name, key.dns_record) for key in keys])


async def _needed(station: Station, domain: Domain) -> tuple[list[DnsRecord], str]:
    try:
        return await needed_records(station, domain), ""
    except (KeyFault, OSError) as fault:
        return _records(station, domain, []), str(fault)


def _records(station: Station, domain: Domain, keys: Sequence[tuple[str, str]]) -> list[DnsRecord]:
    config = station.config
    return records_for(
        domain.name,
        config.server.hostname,
        keys,
        config.delivery.public_sources,
        tracking=tracking_record(config, domain),
    )


def tracking_record(config: Config, domain: Domain) -> tuple[str, str] | None:
    """The host that the domain's tracked links name, and what it should lead to: where our HTTP door is."""
    if domain.tracking.host is None:
        return None
    public = host_of(config.api.public_url)
    is_name = "." in public and not public.replace(".", "").isdigit() and ":" not in public
    return domain.tracking.host, public if is_name else config.server.hostname


__all__ = ["Verification", "look_at_domain", "needed_records", "tracking_record", "verify_domain"]
