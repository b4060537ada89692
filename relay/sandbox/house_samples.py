"""What events about the house itself say: domains, mailboxes, keys and all else that people set."""

from collections.abc import Mapping
from typing import Any, Final

from relay.events.kinds import EventKind

_DOMAIN: Final = {"domain_id": "dom_01hw3k9v8g2e4r6t8y0a2s4d", "domain": "ours.example"}
_MAILBOX: Final = {"address": "shop@ours.example"}
_RATES: Final[Mapping[str, Any]] = {
    **_MAILBOX,
    "days": 7,
    "sent": 100,
    "delivered": 90,
    "bounced": 10,
    "complained": 0,
    "bounce_rate": 0.1,
    "complaint_rate": 0.0,
}
_EXCEEDED: Final = {**_RATES, "exceeded": "bounce_rate", "threshold": 0.05}
_KEY: Final = {
    "key_id": "key_01hw3k9v8g2e4r6t8y0a2s4d",
    "name": "shop",
    "mode": "test",
    "hint": "7k2m",
}
_WEBHOOK: Final = {"webhook_id": "wh_01hw3k9v8g2e4r6t8y0a2s4d", "label": "shop", "host": "hooks.ours.example"}
_TENANT: Final = {"tenant": "ten_01hw3k9v8g2e4r6t8y0a2s4d", "name": "Acme"}
_BRAND: Final = {"brand_id": "brd_01hw3k9v8g2e4r6t8y0a2s4d", "name": "shop"}
_TEMPLATE: Final = {"template_id": "tmp_01hw3k9v8g2e4r6t8y0a2s4d", "name": "order_shipped", "version": 1}
_ENTRY: Final = {"entry_id": "lst_01hw3k9v8g2e4r6t8y0a2s4d", "entry": "far.example", "list": "send/block"}
_APPROVAL: Final = {"approval_id": "apr_01hw3k9v8g2e4r6t8y0a2s4d"}

ABOUT_THE_HOUSE: Final[Mapping[EventKind, Mapping[str, Any]]] = {
    EventKind.DOMAIN_CREATED: _DOMAIN,
    EventKind.DOMAIN_VERIFIED: _DOMAIN,
    EventKind.DOMAIN_UNVERIFIED: _DOMAIN,
    EventKind.DOMAIN_ROTATED: {**_DOMAIN, "selectors": ["ph20260302e", "ph20260302r"]},
    EventKind.DOMAIN_UPDATED: _DOMAIN,
    EventKind.DOMAIN_REMOVED: _DOMAIN,
    EventKind.MAILBOX_CREATED: _MAILBOX,
    EventKind.MAILBOX_UPDATED: {**_MAILBOX, "changed": ["daily_cap"]},
    EventKind.MAILBOX_REMOVED: _MAILBOX,
    EventKind.MAILBOX_RATES_EXCEEDED: _EXCEEDED,
    EventKind.MAILBOX_RATES_RECOVERED: {**_RATES, "bounced": 1, "bounce_rate": 0.01},
    EventKind.MAILBOX_PAUSED: _EXCEEDED,
    EventKind.KEY_CREATED: _KEY,
    EventKind.KEY_UPDATED: _KEY,
    EventKind.KEY_REVOKED: _KEY,
    EventKind.APPROVAL_ANSWERED: {
        **_APPROVAL,
        "from": "boss@ours.example",
        "authentic": True,
        "automatic": False,
        "counts": True,
        "decision": "approve",
        "reason": None,
        "text": "approve",
    },
    EventKind.APPROVAL_DECIDED: {
        **_APPROVAL,
        "decision": "approved",
        "by": "boss@ours.example",
        "reason": None,
    },
    EventKind.SUPPRESSION_CREATED: {"address": "ann@far.example", "reason": "bounce", "stream": None},
    EventKind.SUPPRESSION_REMOVED: {"address": "ann@far.example", "stream": None},
    EventKind.SUPPRESSION_IMPORTED: {"rows": 3, "added": 2, "unchanged": 0, "failed": 1},
    EventKind.WEBHOOK_CREATED: _WEBHOOK,
    EventKind.WEBHOOK_UPDATED: _WEBHOOK,
    EventKind.WEBHOOK_ROTATED: _WEBHOOK,
    EventKind.WEBHOOK_PAUSED: {**_WEBHOOK, "reason": "ten posts in a row failed"},
    EventKind.WEBHOOK_DISABLED: {**_WEBHOOK, "reason": "410 Gone"},
    EventKind.WEBHOOK_REMOVED: _WEBHOOK,
    EventKind.TENANT_CREATED: _TENANT,
    EventKind.TENANT_UPDATED: {**_TENANT, "status": "active", "changed": ["name"]},
    EventKind.BRAND_CREATED: _BRAND,
    EventKind.BRAND_UPDATED: _BRAND,
    EventKind.BRAND_REMOVED: _BRAND,
    EventKind.TEMPLATE_CREATED: {**_TEMPLATE, "version": None},
    EventKind.TEMPLATE_UPDATED: _TEMPLATE,
    EventKind.TEMPLATE_PUBLISHED: _TEMPLATE,
    EventKind.TEMPLATE_REMOVED: _TEMPLATE,
    EventKind.LIST_CREATED: _ENTRY,
    EventKind.LIST_REMOVED: _ENTRY,
}
