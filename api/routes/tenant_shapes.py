"""A tenant and what it has used, as the API tells them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from api.shapes import Body, Shape
from relay.policy.usage import TenantUsage, Used
from relay.tenants.tenants import (
    MAX_FOOTER,
    MAX_NAME,
    MAX_POSTAL_ADDRESS,
    MAX_QUOTA,
    Settings,
    Tenant,
    TenantStatus,
)

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Quota = Annotated[int, Meta(ge=0, le=MAX_QUOTA, description="recipients a month")]
Footer = Annotated[str, Meta(max_length=MAX_FOOTER)]


class TenantSettings(Body, kw_only=True, frozen=True):
    """What the tenant wants of all its mail, where nothing nearer says otherwise."""

    footer_html: Footer = ""
    footer_text: Footer = ""
    postal_address: Annotated[str, Meta(max_length=MAX_POSTAL_ADDRESS)] = ""


class NewTenant(Body, kw_only=True, frozen=True):
    """Without `monthly_quota` it sends as much as its inboxes may."""

    name: Name
    monthly_quota: Quota | None = None


class TenantPatch(Body, kw_only=True, frozen=True):
    """What is left out stays; null takes the quota away. `settings` are replaced as a whole."""

    name: Name | UnsetType = UNSET
    monthly_quota: Quota | UnsetType | None = UNSET
    paused: bool | UnsetType = UNSET
    settings: TenantSettings | UnsetType = UNSET


class SettingsShape(Shape, kw_only=True, frozen=True):
    footer_html: str
    footer_text: str
    postal_address: str


class TenantShape(Shape, kw_only=True, frozen=True):
    """`paused`: it sends nothing new; `suspended`: and its keys open nothing."""

    id: str
    name: str
    status: Literal["active", "paused", "suspended"]
    monthly_quota: int | None
    settings: SettingsShape
    created_at: datetime


class UsedShape(Shape, kw_only=True, frozen=True):
    messages: int
    recipients: int


class SpanShape(Shape, kw_only=True, frozen=True):
    """What was accepted, and through which door; `reserved` is what the inboxes' caps count."""

    messages: int
    recipients: int
    reserved: int
    by_door: dict[str, UsedShape]


class QuotaShape(Shape, kw_only=True, frozen=True):
    """In recipients; `left` may be sent until `resets_at`."""

    limit: int
    used: int
    left: int
    resets_at: datetime


class UsageShape(Shape, kw_only=True, frozen=True):
    """`quota` is null where the tenant has none. Days and months are those of `policy.cap_timezone`."""

    tenant_id: str
    day: str
    month: str
    today: SpanShape
    this_month: SpanShape
    quota: QuotaShape | None


def tenant_shape(tenant: Tenant) -> TenantShape:
    settings = tenant.settings
    return TenantShape(
        id=tenant.id,
        name=tenant.name,
        status=tenant.status.value,
        monthly_quota=tenant.monthly_quota,
        settings=SettingsShape(
            footer_html=settings.footer_html,
            footer_text=settings.footer_text,
            postal_address=settings.postal_address,
        ),
        created_at=tenant.created_at,
    )


def usage_shape(tenant: Tenant, usage: TenantUsage) -> UsageShape:
    quota = usage.quota
    return UsageShape(
        tenant_id=tenant.id,
        day=usage.day,
        month=usage.month,
        today=_span(usage.today, usage.reserved_today),
        this_month=_span(usage.this_month, usage.reserved_this_month),
        quota=None
        if quota is None
        else QuotaShape(limit=quota.quota, used=quota.used, left=quota.left, resets_at=quota.resets_at),
    )


def settings_of(given: TenantSettings) -> Settings:
    return Settings(
        footer_html=given.footer_html, footer_text=given.footer_text, postal_address=given.postal_address
    )


def status_of(tenant: Tenant, paused: bool | UnsetType) -> TenantStatus | UnsetType:
    """What pausing makes of it; who is suspended stays so."""
    if paused is UNSET or tenant.status is TenantStatus.SUSPENDED:
        return UNSET
    return TenantStatus.PAUSED if paused else TenantStatus.ACTIVE


def _span(used: Used, reserved: int) -> SpanShape:
    doors = {
        door: UsedShape(messages=messages, recipients=recipients)
        for door, (messages, recipients) in used.by_door.items()
    }
    return SpanShape(messages=used.messages, recipients=used.recipients, reserved=reserved, by_door=doors)


TENANT_EXAMPLE: dict[str, Any] = {
    "id": "ten_01hw3k9v8g2e4r6t8y0a2s4d",
    "name": "Acme",
    "status": "active",
    "monthly_quota": 10_000,
    "settings": {"footer_html": "", "footer_text": "", "postal_address": ""},
    "created_at": "2026-03-02T09:00:00Z",
}
_SPAN: dict[str, Any] = {
    "messages": 3,
    "recipients": 5,
    "reserved": 5,
    "by_door": {"api": {"messages": 2, "recipients": 4}, "smtp": {"messages": 1, "recipients": 1}},
}
USAGE_EXAMPLE: dict[str, Any] = {
    "tenant_id": "ten_01hw3k9v8g2e4r6t8y0a2s4d",
    "day": "2026-03-02",
    "month": "2026-03",
    "today": _SPAN,
    "this_month": _SPAN,
    "quota": {"limit": 10_000, "used": 5, "left": 9_995, "resets_at": "2026-04-01T00:00:00Z"},
}
