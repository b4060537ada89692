"""Domains: add, see what the DNS must say and what it says, verify, rotate the keys, change settings."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from api.call import Call
from api.operations import Operation, Reply
from api.paging import Paged, page
from api.problems import invalid
from api.routes.domain_shapes import (
    DOMAIN_EXAMPLE,
    SUMMARY_EXAMPLE,
    DomainShape,
    DomainSummary,
    domain_shape,
    summary,
)
from api.shapes import Body, Page
from api.tenant_wide import check_tenant_wide
from relay.errors import AlreadyExists, InvalidInput, NotFound
from relay.estate import domains as estate
from relay.tenants import dns_records, domains
from relay.tenants.domains import Domain

TEXT = "text/plain; charset=utf-8"
DomainName = Annotated[str, Meta(min_length=1, max_length=300)]
TrackingHost = Annotated[str, Meta(max_length=300, description="links.example.com, below a domain of yours")]
Inbox = Annotated[str, Meta(max_length=400, description="id or address")]


class NewDomain(Body, frozen=True):
    """In A-labels or U-labels."""

    name: DomainName


class DomainChanges(Body, frozen=True):
    """What is left out stays. `catch_all` names an inbox that receives for every address that nobody has.

    `track_opens` and `track_clicks` hold for emails that do not say otherwise;
    `tracking_host` is the name that their links show.
    """

    catch_all: Inbox | UnsetType | None = UNSET
    track_opens: bool | UnsetType = UNSET
    track_clicks: bool | UnsetType = UNSET
    tracking_host: TrackingHost | UnsetType | None = UNSET


class Rotation(Body, frozen=True):
    """`prepare`: make the keys only, so that their records can be published before they sign."""

    prepare: bool = False


async def create_domain(call: Call, body: NewDomain) -> DomainShape:
    """The new domain with the records that it needs."""
    check_tenant_wide(call)
    house = call.house
    try:
        name = domains.read_name(body.name)
    except InvalidInput as error:
        raise invalid("$.name", str(error)) from error
    try:
        async with estate.adding(house.station, call.tenant_id, name) as work:
            return await call.once.run(work, domain_shape, through=house.directory.change)
    except AlreadyExists:
        await call.once.look()  # the same request may have added it meanwhile
        raise


async def list_domains(call: Call, query: Paged) -> Page[DomainSummary]:
    """The domains that the key may see, without their records."""
    names = await _seen(call)
    known = await domains.list_of_tenant(call.house.db, call.tenant_id)
    found = [domain for domain in known if names is None or domain.name in names]
    newest = sorted(found, key=lambda domain: domain.id, reverse=True)
    before = query.before
    rows = [domain for domain in newest if before is None or domain.id < before]
    return page(rows, query.limit, summary, lambda domain: domain.id)


async def get_domain(call: Call) -> DomainShape:
    domain = await _named(call)
    return domain_shape(await estate.describe(call.house.station, call.house.db, domain))


async def change_domain(call: Call, body: DomainChanges) -> DomainShape:
    """The domain as it is now."""
    check_tenant_wide(call)
    station, domain = call.house.station, await _named(call)
    chosen = await call.mailbox(body.catch_all) if body.catch_all else None
    if any(each is not UNSET for each in (body.track_opens, body.track_clicks, body.tracking_host)):
        await estate.set_tracking(
            station,
            call.tenant_id,
            domain.id,
            opens=None if body.track_opens is UNSET else body.track_opens,
            clicks=None if body.track_clicks is UNSET else body.track_clicks,
            host=None if body.tracking_host is UNSET else body.tracking_host or "",
        )
    if body.catch_all is not UNSET:
        await estate.set_catch_all(station, call.tenant_id, domain.id, chosen.id if chosen else None)
    return domain_shape(await estate.show(station, call.tenant_id, domain.id))


async def verify_domain(call: Call) -> DomainShape:
    """Looked up afresh; trouble with the DNS changes no standing."""
    domain = await _named(call)
    verification = await estate.verify(call.house.station, call.tenant_id, domain.id)
    return domain_shape(await estate.describe(call.house.station, call.house.db, verification.domain))


async def rotate_domain(call: Call, body: Rotation) -> DomainShape:
    """The domain with `new_selectors`, which sign from now on unless they are only prepared."""
    check_tenant_wide(call)
    house, domain = call.house, await _named(call)
    work = await estate.rotating(house.station, call.tenant_id, domain.id, prepare=body.prepare)
    return await call.once.run(work, domain_shape, through=house.directory.change)


async def get_zone_file(call: Call) -> Reply:
    """The records as lines of a zone file (RFC 1035 §5)."""
    view = await estate.describe(call.house.station, call.house.db, await _named(call))
    return Reply(dns_records.as_zone_file(view.records).encode(), media_type=TEXT)


async def delete_domain(call: Call) -> None:
    """It is gone with its private keys."""
    check_tenant_wide(call)
    domain = await _named(call)
    await estate.remove(call.house.station, call.tenant_id, domain.id)


async def _named(call: Call) -> Domain:
    """The domain by id or name; raises NotFound also for what can be none, or is not this key's to see."""
    text, names = call.path["domain"], await _seen(call)
    try:
        found = await estate.get(call.house.db, call.tenant_id, text)
    except InvalidInput as error:
        raise NotFound(f"no domain {text}") from error
    if names is not None and found.name not in names:
        raise NotFound(f"no domain {text}")
    return found


async def _seen(call: Call) -> frozenset[str] | None:
    """The domains that a bound key knows of: its own, and those of its inboxes; None for all."""
    reach = call.caller.reach
    if reach is None:
        return None
    inboxes = [await call.house.directory.mailbox(id_) for id_ in reach.inboxes]
    return frozenset([*reach.domains, *(found.address.domain for found in inboxes if found)])


OPERATIONS = (
    Operation(
        "POST",
        "/v1/domains",
        "domains:write",
        "Add a domain",
        create_domain,
        body=NewDomain,
        answer=DomainShape,
        status=201,
        example={"name": "example.com"},
        answers={**DOMAIN_EXAMPLE, "status": "pending"},
        errors=("already_exists",),
        description="DKIM keys are made for it, and `records` says what to publish; then verify it.",
    ),
    Operation(
        "GET",
        "/v1/domains",
        "domains:read",
        "List the domains",
        list_domains,
        query=Paged,
        answer=Page[DomainSummary],
        answers={"data": [SUMMARY_EXAMPLE], "has_more": False, "next_cursor": None},
    ),
    Operation(
        "GET",
        "/v1/domains/{domain}",
        "domains:read",
        "One domain with its DNS records",
        get_domain,
        answer=DomainShape,
        answers=DOMAIN_EXAMPLE,
        errors=("not_found",),
        description="By id or name. Each record says what was found at the last look.",
    ),
    Operation(
        "PATCH",
        "/v1/domains/{domain}",
        "domains:write",
        "Change a domain",
        change_domain,
        body=DomainChanges,
        answer=DomainShape,
        example={"catch_all": "hello@example.com"},
        answers={**DOMAIN_EXAMPLE, "catch_all": "inb_01hw3k9v8g2e4r6t8y0a2s4d"},
        errors=("not_found",),
    ),
    Operation(
        "DELETE",
        "/v1/domains/{domain}",
        "domains:write",
        "Remove a domain",
        delete_domain,
        status=204,
        errors=("not_found", "already_exists"),
        description="Only one without inboxes, and with no mail that still waits.",
    ),
    Operation(
        "POST",
        "/v1/domains/{domain}/verify",
        "domains:write",
        "Look at the DNS now",
        verify_domain,
        answer=DomainShape,
        answers=DOMAIN_EXAMPLE,
        errors=("not_found",),
        description="A look takes some seconds. One DKIM key that is found verifies the domain.",
    ),
    Operation(
        "POST",
        "/v1/domains/{domain}/rotate",
        "domains:write",
        "Make new DKIM keys",
        rotate_domain,
        body=Rotation,
        answer=DomainShape,
        example={"prepare": True},
        answers={**DOMAIN_EXAMPLE, "new_selectors": ["ph20260401r"]},
        errors=("not_found",),
        description="Prepare, publish the records, then rotate without `prepare`: the prepared keys sign.",
    ),
    Operation(
        "GET",
        "/v1/domains/{domain}/zone-file",
        "domains:read",
        "The DNS records as a zone file",
        get_zone_file,
        media_type=TEXT,
        answers="; SPF: our servers may send for the domain\n"
        'example.com. 3600 IN TXT "v=spf1 a:mail.example.com ~all"\n',
        errors=("not_found",),
    ),
)
