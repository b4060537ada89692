"""Why an address is not written to any more, and what of a refusal leads there."""

from enum import StrEnum

from relay.message.refusals import Reason


class SuppressionReason(StrEnum):
    BOUNCE = "bounce"  # its server said: no such mailbox
    COMPLAINT = "complaint"  # its owner reported our mail as spam
    UNSUBSCRIBE = "unsubscribe"  # its owner asked for no more
    MANUAL = "manual"  # a person or program of ours put it here


def calls_for_suppression(reason: Reason, *, is_local: bool) -> bool:
    """Whether a refusal for good, in a session or in a later report, means that the address is gone.

    Only "no such mailbox" does: a full mailbox, a block or a rule says nothing
    lasting. Who is in our own house we know ourselves, and may be there tomorrow.
    """
    return reason is Reason.NO_SUCH_MAILBOX and not is_local
