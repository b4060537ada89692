"""Make, change and remove endpoints: what people do to them.

A secret is shown when it is made, and never again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

import msgspec

from relay.clock import Clock, span_us, to_us
from relay.errors import InvalidInput, Refusal
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.replies import SmtpReply
from relay.store.database import Transaction
from relay.webhooks.checks import check_label, check_url, check_wishes, read_domains, read_kinds, read_tags
from relay.webhooks.deliveries import Wishes
from relay.webhooks.endpoints import COLUMNS, EVERYTHING, Endpoint, Status, get, list_of_tenant, tell
from relay.webhooks.signature import new_secret

NO_WISHES = Wishes()
OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=7)


class TooManyEndpoints(Refusal):
    """The tenant has as many endpoints as one may have."""

    code = "quota_exceeded"

    def __init__(self, at_most: int) -> None:
        text = f"There are {at_most} webhooks already, and no more are allowed"
        super().__init__(text, SmtpReply(452, "4.7.1", text))


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """What an endpoint is made from; `create` checks it. `is_test`: for trials."""

    url: str
    events: Sequence[str] = (EVERYTHING,)
    label: str = ""
    mailbox_id: str | None = None
    is_test: bool = False
    wishes: Wishes = NO_WISHES
    domains: Sequence[str] = ()
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """What a person changes; None leaves as it is. `wishes` are made from those that stand."""

    url: str | None = None
    events: Sequence[str] | None = None
    label: str | None = None
    domains: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    wishes: Mapping[str, Any] = field(default_factory=dict)
    status: Literal["active", "paused"] | None = None


@dataclass(frozen=True, slots=True)
class FreshEndpoint:
    """An endpoint that was just made, with the one chance to see its secret."""

    endpoint: Endpoint
    secret: str = field(repr=False)


async def create(
    tx: Transaction,
    clock: Clock,
    tenant_id: str,
    wanted: NewEndpoint,
    *,
    at_most: int = 20,
    allow_private_networks: bool = False,
) -> FreshEndpoint:
    """Make an endpoint that gets the events from now on.

    Raises InvalidInput for a URL, label, kind, field or filter that cannot be, and
    TooManyEndpoints when the tenant has `at_most` already.
    """
    check_url(wanted.url, allow_private_networks=allow_private_networks)
    check_label(wanted.label)
    check_wishes(wanted.wishes)
    if len(await list_of_tenant(tx, tenant_id, limit=at_most)) >= at_most:
        raise TooManyEndpoints(at_most)
    endpoint = Endpoint(
        id=new_id("wh", clock),
        tenant_id=tenant_id,
        url=wanted.url,
        label=wanted.label,
        events=read_kinds(wanted.events),
        mailbox_id=wanted.mailbox_id,
        status="active",
        reason=None,
        failures=0,
        rests_until=None,
        from_seq=await log.newest_seq(tx),
        previous_until=None,
        created_at=clock.now(),
        is_test=wanted.is_test,
        signature_style=wanted.wishes.signature_style,
        signature_header=wanted.wishes.signature_header,
        gzip=wanted.wishes.gzip,
        header_names=tuple(wanted.wishes.headers),
        domains=read_domains(wanted.domains),
        tags=read_tags(wanted.tags),
    )
    secret = new_secret()
    await _insert(tx, endpoint, wanted.wishes.headers, secret)
    await tell(tx, clock, EventKind.WEBHOOK_CREATED, endpoint)
    return FreshEndpoint(endpoint, secret)


async def change(
    tx: Transaction,
    clock: Clock,
    tenant_id: str,
    endpoint_id: str,
    changes: Changes,
    *,
    allow_private_networks: bool = False,
) -> Endpoint:
    """Change what is named; to be active again starts afresh: no failures, no rest.

    What became due while it was paused is posted then; while it was disabled,
    nothing did. Raises NotFound and InvalidInput.
    """
    endpoint = await get(tx, tenant_id, endpoint_id)
    if changes.url is not None:
        check_url(changes.url, allow_private_networks=allow_private_networks)
    check_label(changes.label or "")
    await tx.execute(
        "update webhook_endpoints set url = $1, events = $2, label = $3, domains = $4, tags = $5"
        " where id = $6",
        endpoint.url if changes.url is None else changes.url,
        _to_json(endpoint.events if changes.events is None else read_kinds(changes.events)),
        endpoint.label if changes.label is None else changes.label,
        _to_json(endpoint.domains if changes.domains is None else read_domains(changes.domains)),
        _to_json(endpoint.tags if changes.tags is None else read_tags(changes.tags)),
        endpoint.id,
    )
    if changes.wishes:
        await _change_wishes(tx, endpoint, changes.wishes)
    if changes.status is not None and changes.status != endpoint.status:
        await _set_status(tx, endpoint, changes.status)
    changed = await get(tx, tenant_id, endpoint_id)
    await tell(tx, clock, EventKind.WEBHOOK_UPDATED, changed, before=endpoint)
    return changed


async def rotate(
    tx: Transaction, clock: Clock, tenant_id: str, endpoint_id: str, overlap: timedelta = OVERLAP
) -> FreshEndpoint:
    """A new secret; for `overlap` posts carry the signature of the one before as well.

    With no overlap the old one is void at once. Raises NotFound and InvalidInput.
    """
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise InvalidInput("an overlap lasts between nothing and seven days")
    endpoint = await get(tx, tenant_id, endpoint_id)
    secret = new_secret()
    await tx.execute(
        "update webhook_endpoints set previous_secret = secret, previous_until = $1, secret = $2"
        " where id = $3",
        to_us(clock.now()) + span_us(overlap),
        secret,
        endpoint.id,
    )
    await tell(tx, clock, EventKind.WEBHOOK_ROTATED, endpoint)
    return FreshEndpoint(await get(tx, tenant_id, endpoint_id), secret)


async def remove(tx: Transaction, clock: Clock, tenant_id: str, endpoint_id: str) -> None:
    """Nothing is posted there any more, and its secrets are gone; its rows go later. Raises NotFound."""
    endpoint = await get(tx, tenant_id, endpoint_id)
    await tx.execute(
        "update webhook_endpoints set status = 'removed', secret = '', previous_secret = null where id = $1",
        endpoint.id,
    )
    await tell(tx, clock, EventKind.WEBHOOK_REMOVED, endpoint)


async def _set_status(tx: Transaction, endpoint: Endpoint, status: Status) -> None:
    await tx.execute(
        "update webhook_endpoints set status = $1, reason = null, failures = 0, rests_until = null"
        " where id = $2",
        status,
        endpoint.id,
    )


async def _change_wishes(tx: Transaction, endpoint: Endpoint, changes: Mapping[str, Any]) -> None:
    row = await tx.fetch_one("select headers from webhook_endpoints where id = $1", endpoint.id)
    assert row is not None
    now = Wishes(
        endpoint.signature_style,
        endpoint.signature_header,
        endpoint.gzip,
        msgspec.json.decode(row["headers"], type=dict[str, str]),
    )
    wanted = replace(now, **changes)
    check_wishes(wanted)
    await tx.execute(
        "update webhook_endpoints set signature_style = $1, signature_header = $2, gzip = $3, headers = $4"
        " where id = $5",
        wanted.signature_style,
        wanted.signature_header,
        int(wanted.gzip),
        _to_json(wanted.headers),
        endpoint.id,
    )


async def _insert(tx: Transaction, endpoint: Endpoint, headers: Mapping[str, str], secret: str) -> None:
    await tx.execute(
        f"insert into webhook_endpoints ({COLUMNS}, secret)"  # noqa: S608
        " values ($1, $2, $3, $4, $5, $6, $7, null, 0, null, $8, null, $9, $10, $11, $12, $13, $14, $15, $16,"
        " $17)",
        endpoint.id,
        endpoint.tenant_id,
        endpoint.url,
        endpoint.label,
        _to_json(endpoint.events),
        endpoint.mailbox_id,
        endpoint.status,
        endpoint.from_seq,
        to_us(endpoint.created_at),
        int(endpoint.is_test),
        endpoint.signature_style,
        endpoint.signature_header,
        int(endpoint.gzip),
        _to_json(headers),
        _to_json(endpoint.domains),
        _to_json(endpoint.tags),
        secret,
    )


def _to_json(value: Sequence[str] | Mapping[str, str]) -> str:
    return msgspec.json.encode(value).decode()
