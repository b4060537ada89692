"""What goes in and comes out where webhooks are made and changed."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from api.shapes import Body, Shape
from relay.webhooks import endpoint_changes, endpoints
from relay.webhooks.endpoint_changes import FreshEndpoint
from relay.webhooks.endpoints import Endpoint, Status

Url = Annotated[str, Meta(min_length=1, max_length=2048, description="https:// or http://, without a user")]
Events = Annotated[
    tuple[Annotated[str, Meta(max_length=100)], ...],
    Meta(min_length=1, max_length=100, description="kinds such as message.received, message.*, or *"),
]
Label = Annotated[str, Meta(max_length=endpoint_changes.LONGEST_LABEL)]


class NewWebhook(Body, frozen=True):
    """Where to post what; without `inbox`, the events of all."""

    url: Url
    events: Events = (endpoints.EVERYTHING,)
    label: Label = ""
    inbox: Annotated[str, Meta(max_length=400, description="id or address: only this inbox")] | None = None


class ChangedWebhook(Body, frozen=True):
    """What is left out stays. To be active again forgets the failures; what waits is posted then."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    label: Label | UnsetType = UNSET
    status: Literal["active", "paused"] | UnsetType = UNSET


class Rotation(Body, frozen=True):
    """How long posts carry the signature of the old secret as well."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=604_800)] = 86_400


class WebhookShape(Shape, frozen=True):
    """`failures` is how many posts in a row failed; `reason` is why it was paused or disabled.

    `secret` stands in the answer that makes it alone. Until
    `previous_secret_until` posts carry the signature of the one before, too.
    """

    id: str
    url: str
    events: tuple[str, ...]
    label: str
    inbox_id: str | None
    status: Status
    reason: str | None
    failures: int
    previous_secret_until: datetime | None
    created_at: datetime
    secret: str | UnsetType = UNSET


def webhook_shape(endpoint: Endpoint, secret: str | UnsetType = UNSET) -> WebhookShape:
    return WebhookShape(
        id=endpoint.id,
        url=endpoint.url,
        events=endpoint.events,
        label=endpoint.label,
        inbox_id=endpoint.mailbox_id,
        status=endpoint.status,
        reason=endpoint.reason,
        failures=endpoint.failures,
        previous_secret_until=endpoint.previous_until,
        created_at=endpoint.created_at,
        secret=secret,
    )


def fresh_shape(fresh: FreshEndpoint) -> WebhookShape:
    return webhook_shape(fresh.endpoint, fresh.secret)


def kept_shape(fresh: FreshEndpoint) -> WebhookShape:
    return webhook_shape(fresh.endpoint)


WEBHOOK_EXAMPLE: dict[str, Any] = {
    "id": "wh_01hw3k9v8g2e4r6t8y0a2s4d",
    "url": "https://app.example/hooks/mail",
    "events": ["message.received", "message.replied"],
    "label": "CRM",
    "inbox_id": None,
    "status": "active",
    "reason": None,
    "failures": 0,
    "previous_secret_until": None,
    "created_at": "2026-03-02T09:00:00Z",
}
FRESH_EXAMPLE = {**WEBHOOK_EXAMPLE, "secret": "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oDazfgH3lfjwY="}
