"""Make, change and remove endpoints: what people do to them.

A secret is shown when it is made, and never again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import msgspec

from relay.clock import Clock, span_us, to_us
from relay.errors import InvalidInput, Refusal
from relay.events import log
from relay.events.kinds import BY_NAME, EventKind
from relay.ids import new_id
from relay.replies import SmtpReply
from relay.store.database import Transaction
from relay.webhooks.endpoints import COLUMNS, EVERYTHING, Endpoint, Status, get, list_of_tenant, tell
from relay.webhooks.signature import new_secret
from relay.webhooks.targets import check_literal, read_url

OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=7)
LONGEST_LABEL = 200
_NOUNS = frozenset(kind.value.partition(".")[0] for kind in EventKind)


class TooManyEndpoints(Refusal):
    """The tenant has as many endpoints as one may have."""

    code = "quota_exceeded"

    def __init__(self, at_most: int) -> None:
        text = f"There are {at_most} webhooks already, and no more are allowed"
        super().__init__(text, SmtpReply(452, "4.7.1", text))


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """What an endpoint is made from; `create` checks it."""

    url: str
    events: Sequence[str] = (EVERYTHING,)
    label: str = ""
    mailbox_id: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a person changes; None leaves as it is."""

    url: str | None = None
    events: Sequence[str] | None = None
    label: str | None = None
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

    Raises InvalidInput for a URL, label or kind that cannot be, and
    TooManyEndpoints when the tenant has `at_most` already.
    """
    check_url(wanted.url, allow_private_networks=allow_private_networks)
    check_label(wanted.label)
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
    )
    secret = new_secret()
    await _insert(tx, endpoint, secret)
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
        "update webhook_endpoints set url = $1, events = $2, label = $3 where id = $4",
        endpoint.url if changes.url is None else changes.url,
        _to_json(endpoint.events if changes.events is None else read_kinds(changes.events)),
        endpoint.label if changes.label is None else changes.label,
        endpoint.id,
    )
    if changes.status is not None and changes.status != endpoint.status:
        await _set_status(tx, endpoint, changes.status)
    return await get(tx, tenant_id, endpoint_id)


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


async def _insert(tx: Transaction, endpoint: Endpoint, secret: str) -> None:
    await tx.execute(
        f"insert into webhook_endpoints ({COLUMNS}, secret)"  # noqa: S608
        " values ($1, $2, $3, $4, $5, $6, $7, null, 0, null, $8, null, $9, $10)",
        endpoint.id,
        endpoint.tenant_id,
        endpoint.url,
        endpoint.label,
        _to_json(endpoint.events),
        endpoint.mailbox_id,
        endpoint.status,
        endpoint.from_seq,
        to_us(endpoint.created_at),
        secret,
    )


def check_url(url: str, *, allow_private_networks: bool) -> None:
    """Raise InvalidInput for a URL that is none, or that could never be posted to."""
    check_literal(read_url(url), allow_private_networks=allow_private_networks)


def check_label(label: str) -> None:
    """Raise InvalidInput for what is no label."""
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise InvalidInput(f"a label is one line of at most {LONGEST_LABEL} characters")


def read_kinds(texts: Sequence[str]) -> tuple[str, ...]:
    """The names as they are kept; raises InvalidInput for one that no event has."""
    if not texts:
        raise InvalidInput("an endpoint without any kind of event would get nothing")
    for text in texts:
        noun, _, rest = text.partition(".")
        if text != EVERYTHING and text not in BY_NAME and not (noun in _NOUNS and rest == EVERYTHING):
            raise InvalidInput(f"{text[:80]!r} is no kind of event such as message.received, message.* or *")
    return tuple(sorted(set(texts)))


def _to_json(events: Sequence[str]) -> str:
    return msgspec.json.encode(events).decode()
