"""Domains: add with DKIM keys, list, show, rotate the keys, remove.

Private keys are files, written before the row that makes them sign: dying in
between leaves a file that signs nothing.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from relay.control.context import Context
from relay.control.registry import Arguments, Nothing, operation
from relay.errors import AlreadyExists, InvalidInput
from relay.queue import listing
from relay.signing.keys import DkimKey
from relay.store.database import Transaction
from relay.tenants import dkim_selectors, dns_records, domains
from relay.tenants.dkim_selectors import Algorithm, DkimSelector, KeyStatus
from relay.tenants.domains import Domain


class AddDomain(Arguments, frozen=True):
    """`assume_verified`: its owner vouches for the DNS. `receives`: and its mail arrives here."""

    name: str
    assume_verified: bool = False
    receives: bool = False


class NamedDomain(Arguments, frozen=True):
    name: str


class RotateKeys(Arguments, frozen=True):
    """`prepare`: only make the keys, so that their records can be published before they sign."""

    name: str
    prepare: bool = False


@operation("domain.add", AddDomain)
async def add(context: Context, wanted: AddDomain) -> dict[str, Any]:
    """The new domain with the records that it needs. Raises InvalidInput, AlreadyExists."""
    if wanted.receives and not wanted.assume_verified:
        raise InvalidInput("what is not looked up must be vouched for: --receives needs --assume-verified")
    name = domains.read_name(wanted.name)
    if await domains.find(context.db, name) is not None:
        raise AlreadyExists(f"domain {name} is here already")
    keys = await _make_keys(context, name)

    async def work(tx: Transaction) -> Domain:
        domain = await domains.add(tx, context.clock, context.tenant_id, name)
        await dkim_selectors.add(tx, context.clock, domain, _named(keys))
        if wanted.assume_verified:
            return await domains.assume_verified(tx, context.clock, domain, receives=wanted.receives)
        return domain

    try:
        domain = await context.station.directory.change(work)
    except BaseException:
        for key in keys:
            context.station.keys.remove(name, key.selector)
        raise
    return await describe(context, domain)


@operation("domain.list", Nothing)
async def list_domains(context: Context, _: Nothing) -> list[dict[str, Any]]:
    """The domains by name, without their records."""
    found = await domains.list_of_tenant(context.db, context.tenant_id)
    return [as_dict(domain) for domain in found]


@operation("domain.show", NamedDomain)
async def show(context: Context, wanted: NamedDomain) -> dict[str, Any]:
    """One domain with its keys, its records and what the last check found. Raises NotFound."""
    return await describe(context, await get(context, wanted.name))


@operation("domain.rotate", RotateKeys)
async def rotate(context: Context, wanted: RotateKeys) -> dict[str, Any]:
    """New keys for the domain: those that were prepared, else fresh ones; they sign from now on.

    With `prepare` the present ones go on signing, and `records` tells what to
    publish first.
    """
    domain = await get(context, wanted.name)
    known = {key.selector for key in await dkim_selectors.of_domain(context.db, domain)}
    ring = context.station.keys
    ready = [selector for selector in ring.selectors(domain.name) if selector not in known]
    keys = [ring.key(domain.name, selector) for selector in ready]
    keys = keys or await _make_keys(context, domain.name)
    if not wanted.prepare:
        await context.station.directory.change(
            lambda tx: dkim_selectors.rotate(tx, context.clock, domain, _named(keys))
        )
    described = await describe(context, domain, prepared=keys if wanted.prepare else ())
    return {**described, "new_selectors": [key.selector for key in keys]}


@operation("domain.remove", NamedDomain)
async def remove(context: Context, wanted: NamedDomain) -> dict[str, Any]:
    """The domain and its private keys are gone. Raises NotFound; DomainInUse, InvalidInput while used."""
    domain = await get(context, wanted.name)
    waiting = await listing.waiting_signed_by(context.db, domain.name)
    if waiting:
        raise InvalidInput(
            f"{waiting} recipients of mail from {domain.name} still wait; let it go out, or cancel it"
        )
    await context.station.directory.change(lambda tx: domains.remove(tx, context.clock, domain))
    for selector in context.station.keys.selectors(domain.name):
        context.station.keys.remove(domain.name, selector)
    return {"id": domain.id, "name": domain.name, "removed": True}


async def get(context: Context, name: str) -> Domain:
    """The domain as a person names it: any case, U-labels, or its id."""
    key = name if name.startswith("dom_") else domains.read_name(name)
    return await domains.get(context.db, context.tenant_id, key)


async def describe(context: Context, domain: Domain, prepared: Sequence[DkimKey] = ()) -> dict[str, Any]:
    """A domain with keys and records; `prepared` keys stand among the records, too."""
    selectors = await dkim_selectors.of_domain(context.db, domain)
    signing = [key.selector for key in selectors if key.status is KeyStatus.ACTIVE]
    keys = [context.station.keys.key(domain.name, selector) for selector in signing]
    records = dns_records.records_for(
        domain.name,
        context.station.config.server.hostname,
        [(key.dns_name, key.dns_record) for key in (*keys, *prepared)],
        context.station.config.delivery.public_sources,
    )
    return {
        **as_dict(domain),
        "check_result": domain.check_result,
        "dkim_keys": [_selector_dict(key) for key in selectors],
        "records": dns_records.as_dicts(records),
    }


def as_dict(domain: Domain) -> dict[str, Any]:
    """A domain as JSON says it; instants are aware datetimes."""
    return {
        "id": domain.id,
        "name": domain.name,
        "status": domain.status.value,
        "verified_at": domain.verified_at,
        "assumed": bool(domain.check_result.get("assumed")),
        "bounces_verified_at": domain.bounces_verified_at,
        "receives_at": domain.receives_at,
        "checked_at": domain.checked_at,
        "created_at": domain.created_at,
    }


def _selector_dict(key: DkimSelector) -> dict[str, Any]:
    return {
        "selector": key.selector,
        "algorithm": key.algorithm,
        "status": key.status.value,
        "created_at": key.created_at,
        "retired_at": key.retired_at,
    }


def _named(keys: Iterable[DkimKey]) -> list[tuple[str, Algorithm]]:
    return [(key.selector, key.algorithm) for key in keys]


async def _make_keys(context: Context, name: str) -> list[DkimKey]:
    return await asyncio.to_thread(context.station.keys.generate, name, context.clock.now())
