"""What a key may be allowed to do: every scope by name. `area:*` is all of an area, `*` everything."""

from collections.abc import Mapping
from typing import Final

from relay.tenants.api_keys import EVERYTHING

SCOPES: Final[Mapping[str, str]] = {
    "account:read": "who this key belongs to, and what it may do",
    "inboxes:read": "see inboxes and what is left of their allowance",
    "inboxes:write": "make, change and remove inboxes",
    "messages:read": "read messages, their raw form and attachments",
    "messages:write": "label messages",
    "messages:send": "send, reply and forward from an inbox",
    "threads:read": "read conversations",
    "threads:write": "label, merge and split conversations",
    "drafts:read": "read drafts",
    "drafts:write": "write and remove drafts",
    "domains:read": "see domains and their DNS records",
    "domains:write": "add, verify, rotate and remove domains",
    "lists:read": "see who is always or never written to, or heard from",
    "lists:write": "change those lists",
    "suppressions:read": "see the addresses that are not written to, and why",
    "suppressions:write": "suppress addresses, and let them be written to again",
    "templates:read": "read templates and their versions, and try them out",
    "templates:write": "write, publish and remove templates",
    "keys:read": "see the keys, without their secrets",
    "keys:write": "make keys that may do no more than this one; revoke keys",
    "guards:read": "see what guards inboxes and keys",
    "guards:write": "change what guards inboxes and other keys",
    "approvals:read": "see what waits for approval",
    "approvals:write": "approve and reject what waits, this key's own mail too",
    "webhooks:read": "see webhooks and their attempts",
    "webhooks:write": "make, change, test and remove webhooks",
    "analytics:read": "see figures of what was sent and what became of it",
    "events:read": "read and follow the event log",
    "test:read": "see what test mail was caught",
    "test:write": "raise events for trial, and clear what was caught",
    "brands:read": "see brands",
    "brands:write": "make, change and remove brands",
    "tenants:read": "see the tenant and what it has used; with a root key, every tenant",
    "tenants:write": "set the tenant's footer; with a root key: make, change and suspend tenants",
    "audit:read": "read who changed what",
}


def is_scope(text: str) -> bool:
    """Whether a key can be given this: a scope, all of an area, or everything."""
    area, _, what = text.partition(":")
    areas = {name.partition(":")[0] for name in SCOPES}
    return text in SCOPES or text == EVERYTHING or (what == EVERYTHING and area in areas)
