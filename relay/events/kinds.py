"""Every event that the log can hold, with what it means.

Names are noun.past participle, and are an interface: webhooks, the API and
people's scripts read them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class EventKind(StrEnum):
    """The name of an event; `meaning` says in one line what happened."""

    meaning: str

    def __new__(cls, name: str, meaning: str) -> "EventKind":
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.meaning = meaning
        return kind

    MESSAGE_ACCEPTED = "message.accepted", "we took the message on; it is on disk"
    MESSAGE_SCHEDULED = "message.scheduled", "it waits for its time, or for a day with allowance"
    MESSAGE_RELEASED = "message.released", "it no longer waits and may travel"
    MESSAGE_SENT = "message.sent", "an attempt began to transfer it to a far server"
    MESSAGE_DELIVERED = "message.delivered", "the far server took responsibility for it"
    MESSAGE_DEFERRED = "message.deferred", "the attempt failed for now; it is tried again"
    MESSAGE_BOUNCED = "message.bounced", "the far side refused it for good"
    MESSAGE_EXPIRED = "message.expired", "it could not be delivered within its lifetime"
    MESSAGE_SUPPRESSED = "message.suppressed", "the address is not to be written to; nothing was sent"
    MESSAGE_CANCELED = "message.canceled", "a person or program took it back before it was sent"
    MESSAGE_HELD = "message.held", "it waits for a person to release or cancel it"
    MESSAGE_COMPLAINED = "message.complained", "the recipient reported it as spam"
    MESSAGE_OPENED = "message.opened", "its tracking image was loaded"
    MESSAGE_CLICKED = "message.clicked", "a tracked link in it was followed"
    MESSAGE_UNSUBSCRIBED = "message.unsubscribed", "the recipient asked for no more of its kind"
    MESSAGE_RECEIVED = "message.received", "mail arrived in one of our mailboxes"
    MESSAGE_BLOCKED = "message.blocked", "mail arrived from somebody who may not write here; it was put aside"
    MESSAGE_QUARANTINED = "message.quarantined", "mail arrived that is not believed; it was put aside"
    MESSAGE_REPLIED = "message.replied", "mail arrived that answers this message"

    BATCH_COMPLETED = "batch.completed", "every message of a batch was accepted or refused"

    DOMAIN_CREATED = "domain.created", "a domain was added; it is not verified yet"
    DOMAIN_VERIFIED = "domain.verified", "the domain's DNS records were found, or vouched for"
    DOMAIN_UNVERIFIED = "domain.unverified", "the domain's DNS records were gone for days"
    DOMAIN_ROTATED = "domain.rotated", "new DKIM keys sign for the domain; the old ones are retired"
    DOMAIN_UPDATED = "domain.updated", "a domain's settings changed"
    DOMAIN_REMOVED = "domain.removed", "the domain is no longer ours to send from"

    MAILBOX_CREATED = "mailbox.created", "a mailbox was added"
    MAILBOX_UPDATED = "mailbox.updated", "a mailbox's settings or password changed"
    MAILBOX_REMOVED = "mailbox.removed", "a mailbox is gone"
    MAILBOX_CAP_REACHED = "mailbox.cap_reached", "a mailbox has used up its allowance of a day"
    MAILBOX_RATES_EXCEEDED = (
        "mailbox.rates_exceeded",
        "too much of a mailbox's mail bounced or was complained of",
    )
    MAILBOX_RATES_RECOVERED = "mailbox.rates_recovered", "a mailbox's bounces and complaints are few again"
    MAILBOX_PAUSED = "mailbox.paused", "a mailbox sends no more until a person resumes it, for its rates"
    USAGE_THRESHOLD = (
        "usage.threshold",
        "a mailbox has used 80 % of its allowance of a day, or a tenant of its month",
    )

    KEY_CREATED = "key.created", "an API key was made"
    KEY_UPDATED = "key.updated", "an API key's settings changed"
    KEY_REVOKED = "key.revoked", "an API key stopped working"

    APPROVAL_ANSWERED = "approval.answered", "somebody answered the mail that asks for an approval"
    APPROVAL_DECIDED = "approval.decided", "held mail was approved or rejected, or nobody decided in time"

    SUPPRESSION_CREATED = "suppression.created", "an address will not be written to from now on"
    SUPPRESSION_REMOVED = "suppression.removed", "an address may be written to again"
    SUPPRESSION_IMPORTED = (
        "suppression.imported",
        "a file of suppressed addresses was taken; `data` counts them",
    )

    WEBHOOK_CREATED = "webhook.created", "an endpoint for webhooks was added"
    WEBHOOK_UPDATED = "webhook.updated", "an endpoint's address, kinds of event or standing were changed"
    WEBHOOK_ROTATED = "webhook.rotated", "an endpoint has a new secret"
    WEBHOOK_PAUSED = (
        "webhook.paused",
        "posts to an endpoint failed ten times in a row; it gets none until resumed",
    )
    WEBHOOK_DISABLED = "webhook.disabled", "an endpoint answered that it is gone; it gets nothing more"
    WEBHOOK_REMOVED = "webhook.removed", "an endpoint for webhooks is gone"
    WEBHOOK_TEST = "webhook.test", "a post to try an endpoint; it stands in no log"

    TENANT_CREATED = "tenant.created", "a tenant was added"
    TENANT_UPDATED = "tenant.updated", "a tenant's name, standing, quota or settings changed"

    BRAND_CREATED = "brand.created", "a brand was added"
    BRAND_UPDATED = "brand.updated", "a brand's sender, footer, tracking host or pool changed"
    BRAND_REMOVED = "brand.removed", "a brand is gone"

    TEMPLATE_CREATED = "template.created", "a template was written; it is a draft"
    TEMPLATE_UPDATED = "template.updated", "a template's draft or name changed"
    TEMPLATE_PUBLISHED = "template.published", "mail is made of a new version of a template"
    TEMPLATE_REMOVED = "template.removed", "a template is gone, with its versions"

    LIST_CREATED = "list.created", "an address or domain was put on an allow or block list"
    LIST_REMOVED = "list.removed", "an address or domain was taken off an allow or block list"


BY_NAME: Final[Mapping[str, EventKind]] = {kind.value: kind for kind in EventKind}
