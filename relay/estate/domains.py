"""A tenant's domains: added with DKIM keys, described with what the DNS must say, rotated, removed.

Private keys are files, written before the row that makes them sign: dying in
between leaves a file that signs nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from relay.errors import AlreadyExists, InvalidInput
from relay.queue import listing
from relay.signing.keys import DkimKey
from relay.station import Station
from relay.store.database import Reader, Transaction, Work
from relay.tenants import dkim_selectors, dns_records, domain_changes, domains, mailboxes
from relay.tenants.dkim_selectors import Algorithm, DkimSelector, KeyStatus
from relay.tenants.dns_records import DnsRecord
from relay.tenants.domains import Domain, Tracking
from relay.verification import Verification, tracking_record, verify_domain


@dataclass(frozen=True, slots=True)
class DomainView:
    """A domain with its keys and every record that it needs; `fresh` are selectors that were just made."""

    domain: Domain
    selectors: tuple[DkimSelector, ...]
    records: tuple[DnsRecord, ...]
    fresh: tuple[str, ...] = ()


async def get(reader: Reader, tenant_id: str, name_or_id: str) -> Domain:
    """The domain as a person names it: any case, U-labels, or its id. Raises NotFound, InvalidInput."""
    key = name_or_id if name_or_id.startswith("dom_") else domains.read_name(name_or_id)
    return await domains.get(reader, tenant_id, key)


async def show(station: Station, tenant_id: str, name_or_id: str) -> DomainView:
    """The tenant's domain with its keys and records. Raises NotFound."""
    return await describe(station, station.db, await get(station.db, tenant_id, name_or_id))


async def describe(
    station: Station, reader: Reader, domain: Domain, prepared: Sequence[DkimKey] = ()
) -> DomainView:
    """A domain with keys and records; `prepared` keys stand among the records, too."""
    selectors = await dkim_selectors.of_domain(reader, domain)
    signing = [key.selector for key in selectors if key.status is KeyStatus.ACTIVE]
    keys = [station.keys.key(domain.name, selector) for selector in signing]
    records = dns_records.records_for(
        domain.name,
        station.config.server.hostname,
        [(key.dns_name, key.dns_record) for key in (*keys, *prepared)],
        station.config.delivery.public_sources,
        tracking=tracking_record(station.config, domain),
    )
    return DomainView(domain, tuple(selectors), tuple(records))


@asynccontextmanager
async def adding(
    station: Station, tenant_id: str, name: str, *, assume_verified: bool = False, receives: bool = False
) -> AsyncIterator[Work[DomainView]]:
    """The work that adds a domain, whose keys are on disk; they go again if the block raises.

    `assume_verified`: its owner vouches for the DNS; `receives`: and its mail
    arrives here. Run it through `directory.change`. Raises InvalidInput, AlreadyExists.
    """
    if receives and not assume_verified:
        raise InvalidInput("what is not looked up must be vouched for: --receives needs --assume-verified")
    name = domains.read_name(name)
    if await domains.find(station.db, name) is not None:
        raise AlreadyExists(f"domain {name} is here already")
    keys = await _make_keys(station, name)

    async def work(tx: Transaction) -> DomainView:
        domain = await domain_changes.add(tx, station.clock, tenant_id, name)
        await dkim_selectors.add(tx, station.clock, domain, _named(keys))
        if assume_verified:
            domain = await domain_changes.assume_verified(tx, station.clock, domain, receives=receives)
        return await describe(station, tx, domain)

    try:
        yield work
    except BaseException:
        for key in keys:
            station.keys.remove(name, key.selector)
        raise


async def rotating(
    station: Station, tenant_id: str, name_or_id: str, *, prepare: bool = False
) -> Work[DomainView]:
    """The work that gives a domain new keys: those that were prepared, else fresh ones.

    They sign from then on. With `prepare` the present ones go on signing, and
    the records tell what to publish first. Run it through `directory.change`.
    Raises NotFound.
    """
    domain = await get(station.db, tenant_id, name_or_id)
    known = {key.selector for key in await dkim_selectors.of_domain(station.db, domain)}
    ready = [selector for selector in station.keys.selectors(domain.name) if selector not in known]
    keys = [station.keys.key(domain.name, selector) for selector in ready]
    keys = keys or await _make_keys(station, domain.name)

    async def work(tx: Transaction) -> DomainView:
        if not prepare:
            await dkim_selectors.rotate(tx, station.clock, domain, _named(keys))
        view = await describe(station, tx, domain, prepared=keys if prepare else ())
        return DomainView(view.domain, view.selectors, view.records, tuple(key.selector for key in keys))

    return work


async def verify(station: Station, tenant_id: str, name_or_id: str) -> Verification:
    """Every record expected against found, asked afresh, and the domain's standing afterwards.

    Trouble with the DNS changes no standing. Raises NotFound.
    """
    return await verify_domain(station, await get(station.db, tenant_id, name_or_id), afresh=True)


async def set_catch_all(station: Station, tenant_id: str, name_or_id: str, mailbox: str | None) -> DomainView:
    """From now on this mailbox receives what comes to addresses that nobody has. Raises NotFound.

    `postmaster` and `abuse` stay with those who read them.
    """
    domain = await get(station.db, tenant_id, name_or_id)

    async def work(tx: Transaction) -> DomainView:
        found = await mailboxes.get(tx, tenant_id, mailbox) if mailbox else None
        changed = await domain_changes.set_catch_all(tx, station.clock, domain, found.id if found else None)
        return await describe(station, tx, changed)

    return await station.directory.change(work)


async def set_tracking(
    station: Station,
    tenant_id: str,
    name_or_id: str,
    *,
    opens: bool | None = None,
    clicks: bool | None = None,
    host: str | None = None,
) -> DomainView:
    """What is given changes; the empty host is the house's own. Raises NotFound, InvalidInput."""
    domain = await get(station.db, tenant_id, name_or_id)

    async def work(tx: Transaction) -> DomainView:
        before = await domains.get(tx, tenant_id, domain.id)
        wanted = Tracking(
            before.tracking.opens if opens is None else opens,
            before.tracking.clicks if clicks is None else clicks,
            before.tracking.host if host is None else host or None,
        )
        changed = await domain_changes.set_tracking(tx, station.clock, before, wanted)
        return await describe(station, tx, changed)

    return await station.directory.change(work)


async def remove(station: Station, tenant_id: str, name_or_id: str) -> Domain:
    """The domain and its private keys are gone. Raises NotFound; DomainInUse, InvalidInput while used."""
    domain = await get(station.db, tenant_id, name_or_id)
    waiting = await listing.waiting_signed_by(station.db, domain.name)
    if waiting:
        raise InvalidInput(
            f"{waiting} recipients of mail from {domain.name} still wait; let it go out, or cancel it"
        )
    await station.directory.change(lambda tx: domain_changes.remove(tx, station.clock, domain))
    for selector in station.keys.selectors(domain.name):
        station.keys.remove(domain.name, selector)
    return domain


async def _make_keys(station: Station, name: str) -> list[DkimKey]:
    return await asyncio.to_thread(station.keys.generate, name, station.clock.now())


def _named(keys: Sequence[DkimKey]) -> list[tuple[str, Algorithm]]:
    return [(key.selector, key.algorithm) for key in keys]
