"""What goes in and comes out where webhooks are made and changed."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from api.shapes import Body, Shape
from relay.webhooks import checks, endpoints
from relay.webhooks.endpoint_changes import FreshEndpoint
from relay.webhooks.endpoints import Endpoint, Status
from relay.webhooks.fields import LONGEST_NAME, LONGEST_VALUE, MOST_FIELDS
from relay.webhooks.signature import STANDARD, Style

Url = Annotated[str, Meta(min_length=1, max_length=2048, description="https:// or http://, without a user")]
Events = Annotated[
    tuple[Annotated[str, Meta(max_length=100)], ...],
    Meta(min_length=1, max_length=100, description="kinds such as message.received, message.*, or *"),
]
Label = Annotated[str, Meta(max_length=checks.LONGEST_LABEL)]
SignatureStyle = Annotated[
    Style,
    Meta(
        description="besides that of Standard Webhooks: `timestamped` is t=…,v1=… in hex over `t.body`,"
        " `hex` is the hex over the body; the key is the secret as it is shown"
    ),
]
FieldName = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
SignatureHeader = Annotated[FieldName, Meta(description="where that stands: X-Shop-Signature")]
Fields = Annotated[
    dict[FieldName, Annotated[str, Meta(max_length=LONGEST_VALUE)]],
    Meta(max_length=MOST_FIELDS, description="sent with each post; the values are not shown again"),
]
Domains = Annotated[
    tuple[Annotated[str, Meta(max_length=255)], ...],
    Meta(max_length=checks.MOST_FILTERS, description="only events of these domains of yours"),
]
Tags = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=checks.LONGEST_TAG)], ...],
    Meta(max_length=checks.MOST_FILTERS, description="only of messages with one of these tags"),
]


class NewWebhook(Body, frozen=True):
    """Where to post what; without `inbox`, the events of all. A test key's is told of trials alone."""

    url: Url
    events: Events = (endpoints.EVERYTHING,)
    label: Label = ""
    inbox: Annotated[str, Meta(max_length=400, description="id or address: only this inbox")] | None = None
    domains: Domains = ()
    tags: Tags = ()
    signature_style: SignatureStyle = STANDARD
    signature_header: SignatureHeader | None = None
    gzip: bool = False
    headers: Fields = field(default_factory=dict)


class ChangedWebhook(Body, frozen=True):
    """What is left out stays. To be active again forgets the failures; what waits is posted then."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    label: Label | UnsetType = UNSET
    status: Literal["active", "paused"] | UnsetType = UNSET
    domains: Domains | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    signature_style: SignatureStyle | UnsetType = UNSET
    signature_header: SignatureHeader | UnsetType | None = UNSET
    gzip: bool | UnsetType = UNSET
    headers: Fields | UnsetType = UNSET


class Rotation(Body, frozen=True):
    """How long posts carry the signature of the old secret as well."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=604_800)] = 86_400


class WebhookShape(Shape, frozen=True):
    """`failures` is how many posts in a row failed; `reason` is why it was paused or disabled.

    `secret` stands in the answer that makes it alone, and of `headers` the names
    alone are shown. A `test` webhook is told of trials, and of nothing else. Until
    `previous_secret_until` posts carry the signature of the one before, too.
    """

    id: str
    url: str
    events: tuple[str, ...]
    label: str
    inbox_id: str | None
    domains: tuple[str, ...]
    tags: tuple[str, ...]
    signature_style: Style
    signature_header: str | None
    gzip: bool
    header_names: tuple[str, ...]
    test: bool
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
        domains=endpoint.domains,
        tags=endpoint.tags,
        signature_style=endpoint.signature_style,
        signature_header=endpoint.signature_header,
        gzip=endpoint.gzip,
        header_names=endpoint.header_names,
        test=endpoint.is_test,
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
    "domains": [],
    "tags": [],
    "signature_style": "hex",
    "signature_header": "X-Shop-Signature",
    "gzip": False,
    "header_names": ["Authorization"],
    "test": False,
    "status": "active",
    "reason": None,
    "failures": 0,
    "previous_secret_until": None,
    "created_at": "2026-03-02T09:00:00Z",
}
FRESH_EXAMPLE = {**WEBHOOK_EXAMPLE, "secret": "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oDazfgH3lfjwY="}
