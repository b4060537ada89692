"""A domain as the API shows it: its standing, its keys, and each DNS record as expected and as last found."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from api.shapes import Shape
from relay.estate.domains import DomainView
from relay.tenants.dkim_selectors import DkimSelector
from relay.tenants.dns_records import DnsRecord, data_of
from relay.tenants.domains import Domain


class DomainRecord(Shape, frozen=True):
    """`found` is what stood there at the last look, `ok` whether that will do; null where nobody knows.

    Mail does not leave before what is `required` was seen; `note` says what to change.
    """

    type: Literal["MX", "TXT", "CNAME"]
    name: str
    value: str
    priority: int | None
    purpose: str
    required: bool
    found: tuple[str, ...]
    ok: bool | None
    note: str


class DomainKey(Shape, frozen=True):
    """A DKIM key. One that is retired signs nothing, but its record should stand a week longer."""

    selector: str
    algorithm: Literal["rsa", "ed25519"]
    status: Literal["active", "retired"]
    created_at: datetime
    retired_at: datetime | None


class DomainSummary(Shape, frozen=True):
    """`receives`: its mail arrives here; `bounces`: so do bounces of what it sends.

    `assumed`: its operator vouches for the DNS. `catch_all` is the id of the
    inbox that receives for every address that nobody has. Links of tracked
    mail name `tracking_host` while `tracking_verified`, else the server itself.
    """

    id: str
    name: str
    status: Literal["pending", "verified"]
    assumed: bool
    receives: bool
    bounces: bool
    catch_all: str | None
    track_opens: bool
    track_clicks: bool
    tracking_host: str | None
    tracking_verified: bool
    verified_at: datetime | None
    checked_at: datetime | None
    created_at: datetime


class DomainShape(DomainSummary, frozen=True):
    """`new_selectors` are the keys that a rotation made."""

    keys: tuple[DomainKey, ...]
    records: tuple[DomainRecord, ...]
    new_selectors: tuple[str, ...] | UnsetType = UNSET


def summary(domain: Domain) -> DomainSummary:
    return DomainSummary(**_facts(domain))


def domain_shape(view: DomainView) -> DomainShape:
    return DomainShape(
        **_facts(view.domain),
        keys=tuple(map(_key, view.selectors)),
        records=_records(view),
        new_selectors=view.fresh or UNSET,
    )


def _facts(domain: Domain) -> dict[str, Any]:
    return {
        "id": domain.id,
        "name": domain.name,
        "status": domain.status.value,
        "assumed": domain.is_assumed,
        "receives": domain.receives_at is not None,
        "bounces": domain.bounces_verified_at is not None,
        "catch_all": domain.catch_all,
        "track_opens": domain.tracking.opens,
        "track_clicks": domain.tracking.clicks,
        "tracking_host": domain.tracking.host,
        "tracking_verified": domain.tracking.usable_host is not None,
        "verified_at": domain.verified_at,
        "checked_at": domain.checked_at,
        "created_at": domain.created_at,
    }


def _key(key: DkimSelector) -> DomainKey:
    return DomainKey(
        selector=key.selector,
        algorithm=key.algorithm,
        status=key.status.value,
        created_at=key.created_at,
        retired_at=key.retired_at,
    )


def _records(view: DomainView) -> tuple[DomainRecord, ...]:
    looks: Sequence[Mapping[str, Any]] = (view.domain.check_result.get("details") or {}).get("records", ())
    by_record = {(look["type"], look["name"], look["expected"]): look for look in looks}
    return tuple(
        _record(record, by_record.get((record.type, record.name, data_of(record)), {}))
        for record in view.records
    )


def _record(record: DnsRecord, look: Mapping[str, Any]) -> DomainRecord:
    return DomainRecord(
        type=record.type,
        name=record.name,
        value=record.value,
        priority=record.priority,
        purpose=record.purpose,
        required=record.required,
        found=tuple(look.get("found", ())),
        ok=look.get("ok"),
        note=look.get("note", ""),
    )


SUMMARY_EXAMPLE: dict[str, Any] = {
    "id": "dom_01hw3k9v8g2e4r6t8y0a2s4d",
    "name": "example.com",
    "status": "verified",
    "assumed": False,
    "receives": True,
    "bounces": True,
    "catch_all": None,
    "track_opens": False,
    "track_clicks": True,
    "tracking_host": "links.example.com",
    "tracking_verified": True,
    "verified_at": "2026-03-02T09:10:00Z",
    "checked_at": "2026-03-02T09:10:00Z",
    "created_at": "2026-03-02T09:00:00Z",
}
DOMAIN_EXAMPLE: dict[str, Any] = {
    **SUMMARY_EXAMPLE,
    "keys": [
        {
            "selector": "ph20260302r",
            "algorithm": "rsa",
            "status": "active",
            "created_at": "2026-03-02T09:00:00Z",
            "retired_at": None,
        }
    ],
    "records": [
        {
            "type": "TXT",
            "name": "ph20260302r._domainkey.example.com",
            "value": "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOC",
            "priority": None,
            "purpose": "DKIM key, RSA: proves that mail is the domain's",
            "required": True,
            "found": ["v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOC"],
            "ok": True,
            "note": "",
        },
        {
            "type": "MX",
            "name": "example.com",
            "value": "mail.example.com",
            "priority": 10,
            "purpose": "mail for the domain arrives here; leave out if it should not",
            "required": False,
            "found": [],
            "ok": False,
            "note": "add MX example.com",
        },
    ],
}
