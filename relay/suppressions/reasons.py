"""Why an address is not written to any more."""

from enum import StrEnum


class SuppressionReason(StrEnum):
    BOUNCE = "bounce"  # its server said: no such mailbox
    COMPLAINT = "complaint"  # its owner reported our mail as spam
    UNSUBSCRIBE = "unsubscribe"  # its owner asked for no more
    MANUAL = "manual"  # a person or program of ours put it here
