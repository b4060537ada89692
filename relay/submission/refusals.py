"""Why a message is not taken, where neither sender, recipients, guards nor allowance say so themselves."""

from collections.abc import Mapping

from relay.address import Address
from relay.errors import Refusal
from relay.replies import SmtpReply
from relay.suppressions.reasons import SuppressionReason
from relay.tenants.mailboxes import Mailbox, MailboxStatus
from relay.tenants.tenants import TenantStatus

Suppressed = Mapping[Address, SuppressionReason]


class UnreadableMessage(Refusal):
    """The header cannot be read, so nobody can say whose mail it is."""

    reply = SmtpReply(554, "5.6.0", "The message header cannot be read")


class MailboxPaused(Refusal):
    """Its owner or an operator has paused the mailbox."""

    reply = SmtpReply(451, "4.7.1", "This mailbox is paused")


class TenantPaused(Refusal):
    """The whole account sends nothing for now."""

    reply = SmtpReply(451, "4.7.1", "This account is paused")
    code = "tenant_paused"


class TenantSuspended(Refusal):
    """The whole account is shut, until the operator opens it again."""

    reply = SmtpReply(550, "5.7.1", "This account is suspended")
    code = "tenant_suspended"


class AllSuppressed(Refusal):
    """Nobody is left to send to; `reasons` says why, by address."""

    reply = SmtpReply(550, "5.7.1", "Every recipient is suppressed")
    code = "all_suppressed"

    def __init__(self, reasons: Suppressed) -> None:
        super().__init__(", ".join(f"{address}: {reason}" for address, reason in reasons.items()))
        self.reasons = reasons


class RecipientUnsubscribed(AllSuppressed):
    """Nobody is left, and each of them has asked for no more: no other address and no later try helps."""

    reply = SmtpReply(550, "5.7.1", "Every recipient has unsubscribed")
    code = "recipient_unsubscribed"


def nobody_left(reasons: Suppressed) -> AllSuppressed:
    """What to refuse a message with all of whose recipients are suppressed."""
    has_left = {reason == SuppressionReason.UNSUBSCRIBE for reason in reasons.values()} == {True}
    return RecipientUnsubscribed(reasons) if has_left else AllSuppressed(reasons)


def check_active(mailbox: Mailbox) -> None:
    """Raise MailboxPaused, TenantPaused or TenantSuspended where nothing is sent at present."""
    if mailbox.tenant_status is TenantStatus.SUSPENDED:
        raise TenantSuspended(f"{mailbox.tenant_id} is suspended")
    if mailbox.tenant_status is TenantStatus.PAUSED:
        raise TenantPaused(f"{mailbox.tenant_id} is paused")
    if mailbox.status is not MailboxStatus.ACTIVE:
        raise MailboxPaused(f"{mailbox.address} is {mailbox.status}")
