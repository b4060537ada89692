"""A station with one domain that has keys, and a DNS that can be told to hold its records."""

import asyncio
from dataclasses import dataclass

from relay.station import Station
from relay.store.database import Transaction
from relay.tenants import dkim_selectors, domain_changes, domains
from relay.tenants.dns_records import DnsRecord
from relay.tenants.domains import Domain
from relay.tenants.tenants import DEFAULT_TENANT
from relay.verification.verify import Verification, needed_records, verify_domain
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns

HOSTNAME = "mail.example.test"
ADDRESS = "192.0.2.25"


@dataclass
class VerifiedHouse:
    """`domain` as it was added; `now` reads it again."""

    station: Station
    dns: FakeDns
    clock: FakeClock
    domain: Domain

    async def now(self) -> Domain:
        found = await domains.find(self.station.db, self.domain.name)
        assert found is not None
        return found

    async def verify(self) -> Verification:
        return await verify_domain(self.station, await self.now(), afresh=True)

    async def records(self) -> list[DnsRecord]:
        return await needed_records(self.station, self.domain)

    async def publish(self, *, only: str = "") -> None:
        """Put the needed records into the DNS, or those whose purpose holds `only`."""
        for record in await self.records():
            if only in record.purpose:
                self.publish_record(record)

    def publish_record(self, record: DnsRecord) -> None:
        if record.type == "MX":
            self.dns.mx(record.name, (record.priority or 0, record.value))
        else:
            self.dns.txt(record.name, record.value)

    async def everything(self, mood: str) -> None:
        """Every name answers with `fails`, `stays_silent` or `forget`."""
        for record in await self.records():
            getattr(self.dns, mood)(record.name)


async def add_domain(station: Station, name: str) -> Domain:
    keys = await asyncio.to_thread(station.keys.generate, name, station.clock.now())

    async def work(tx: Transaction) -> Domain:
        domain = await domain_changes.add(tx, station.clock, DEFAULT_TENANT, name)
        await dkim_selectors.add(tx, station.clock, domain, [(key.selector, key.algorithm) for key in keys])
        return domain

    return await station.directory.change(work)
