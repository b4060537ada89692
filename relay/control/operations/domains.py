"""Domains: add with DKIM keys, list, show, rotate the keys, change settings, remove."""

from typing import Any

from relay.control.context import Context
from relay.control.registry import Arguments, Nothing, operation
from relay.estate import domains as estate
from relay.estate.domains import DomainView
from relay.tenants import dns_records, domains, mailboxes
from relay.tenants.dkim_selectors import DkimSelector
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


class ChooseCatchAll(Arguments, frozen=True):
    """`mailbox` by address or id; None: nobody receives what nobody is named for."""

    name: str
    mailbox: str | None


class ChooseTracking(Arguments, frozen=True):
    """What is null stays. The empty `host` is the house's own."""

    name: str
    opens: bool | None = None
    clicks: bool | None = None
    host: str | None = None


@operation("domain.add", AddDomain)
async def add(context: Context, wanted: AddDomain) -> dict[str, Any]:
    """The new domain with the records that it needs. Raises InvalidInput, AlreadyExists."""
    async with estate.adding(
        context.station,
        context.tenant_id,
        wanted.name,
        assume_verified=wanted.assume_verified,
        receives=wanted.receives,
    ) as work:
        return await _described(context, await context.station.directory.change(work))


@operation("domain.list", Nothing)
async def list_domains(context: Context, _: Nothing) -> list[dict[str, Any]]:
    """The domains by name, without their records."""
    found = await domains.list_of_tenant(context.db, context.tenant_id)
    return [as_dict(domain) for domain in found]


@operation("domain.show", NamedDomain)
async def show(context: Context, wanted: NamedDomain) -> dict[str, Any]:
    """One domain with its keys, its records and what the last check found. Raises NotFound."""
    return await _described(context, await estate.show(context.station, context.tenant_id, wanted.name))


@operation("domain.rotate", RotateKeys)
async def rotate(context: Context, wanted: RotateKeys) -> dict[str, Any]:
    """New keys for the domain, named in `new_selectors`; see `estate.rotating`."""
    work = await estate.rotating(context.station, context.tenant_id, wanted.name, prepare=wanted.prepare)
    view = await context.station.directory.change(work)
    return {**await _described(context, view), "new_selectors": list(view.fresh)}


@operation("domain.catch_all", ChooseCatchAll)
async def choose_catch_all(context: Context, wanted: ChooseCatchAll) -> dict[str, Any]:
    """The domain, whose unknown addresses are the mailbox's from now on. Raises NotFound."""
    view = await estate.set_catch_all(context.station, context.tenant_id, wanted.name, wanted.mailbox)
    return await _described(context, view)


@operation("domain.tracking", ChooseTracking)
async def choose_tracking(context: Context, wanted: ChooseTracking) -> dict[str, Any]:
    """The domain, whose mail is tracked so from now on. Raises NotFound, InvalidInput."""
    view = await estate.set_tracking(
        context.station,
        context.tenant_id,
        wanted.name,
        opens=wanted.opens,
        clicks=wanted.clicks,
        host=wanted.host,
    )
    return await _described(context, view)


@operation("domain.remove", NamedDomain)
async def remove(context: Context, wanted: NamedDomain) -> dict[str, Any]:
    """The domain and its private keys are gone. Raises NotFound; DomainInUse, InvalidInput while used."""
    domain = await estate.remove(context.station, context.tenant_id, wanted.name)
    return {"id": domain.id, "name": domain.name, "removed": True}


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
        "track_opens": domain.tracking.opens,
        "track_clicks": domain.tracking.clicks,
        "tracking_host": domain.tracking.host,
        "tracking_verified_at": domain.tracking.seen_at,
        "checked_at": domain.checked_at,
        "created_at": domain.created_at,
    }


async def _described(context: Context, view: DomainView) -> dict[str, Any]:
    """`catch_all` is the mailbox's address."""
    caught_by = await mailboxes.find(context.db, view.domain.catch_all) if view.domain.catch_all else None
    return {
        **as_dict(view.domain),
        "catch_all": str(caught_by.address) if caught_by else None,
        "check_result": view.domain.check_result,
        "dkim_keys": [_selector_dict(key) for key in view.selectors],
        "records": dns_records.as_dicts(view.records),
    }


def _selector_dict(key: DkimSelector) -> dict[str, Any]:
    return {
        "selector": key.selector,
        "algorithm": key.algorithm,
        "status": key.status.value,
        "created_at": key.created_at,
        "retired_at": key.retired_at,
    }
