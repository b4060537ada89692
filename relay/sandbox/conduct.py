"""What the simulator does with whom: addresses at simulator.test, each also with a `+tag` of its own.

Whoever is not named here, there or elsewhere, takes his mail.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from relay.address import Address
from relay.replies import SmtpReply
from relay.suppressions.reasons import SuppressionReason

DOMAIN: Final = "simulator.test"


class Conduct(StrEnum):
    """By the local part; the comments say what comes of it."""

    DELIVERED = "delivered"  # taken
    BOUNCE = "bounce"  # refused for good in the session: no such mailbox
    LATE_BOUNCE = "late-bounce"  # taken, then a delivery status notification comes back
    COMPLAIN = "complain"  # taken, then its owner reports it as spam (ARF)
    GREYLIST = "greylist"  # put off once, then taken
    DELAY = "delay"  # put off twice, then taken
    FULL = "full"  # put off twice, then refused for good: the mailbox is full
    SUPPRESSED = "suppressed"  # not written to, as if it stood on the list


_BY_NAME: Final = {conduct.value: conduct for conduct in Conduct}
_NO_SUCH_MAILBOX = SmtpReply(550, "5.1.1", "No such mailbox here")
_GREYLISTED = SmtpReply(451, "4.7.1", "Greylisted, please try again later")
_BUSY = SmtpReply(450, "4.2.0", "Mailbox busy, please try again later")
# As servers have them; 552 to RCPT is 452 said in the old way (RFC 5321 §4.5.3.1.10).
_FULL = (
    SmtpReply(452, "4.2.2", "Mailbox full"),
    SmtpReply(552, "5.2.2", "Mailbox full"),
    SmtpReply(554, "5.2.2", "Mailbox full"),
)
_DELAYS: Final = 2


def conduct_of(address: Address) -> Conduct:
    """How the owner of `address` behaves."""
    if address.domain != DOMAIN:
        return Conduct.DELIVERED
    name = address.local_part.lower().partition("+")[0]
    return _BY_NAME.get(name, Conduct.DELIVERED)


def refusal(conduct: Conduct, attempt: int) -> SmtpReply | None:
    """The answer to RCPT at the `attempt`-th attempt, from 1 on; None where it is yes."""
    if conduct is Conduct.BOUNCE:
        return _NO_SUCH_MAILBOX
    if conduct is Conduct.GREYLIST and attempt <= 1:
        return _GREYLISTED
    if conduct is Conduct.DELAY and attempt <= _DELAYS:
        return _BUSY
    if conduct is Conduct.FULL:
        return _FULL[min(attempt, len(_FULL)) - 1]
    return None


def suppressed_among(addresses: Iterable[Address]) -> dict[Address, SuppressionReason]:
    """Those that a trial finds suppressed, whatever the list says."""
    return {
        address: SuppressionReason.MANUAL
        for address in addresses
        if conduct_of(address) is Conduct.SUPPRESSED
    }
