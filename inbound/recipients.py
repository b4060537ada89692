"""Who is here: mailboxes, their aliases, `+tag` forms, postmaster and abuse."""

from relay.address import Address
from relay.errors import Refusal
from relay.replies import SmtpReply
from relay.tenants.directory import Directory
from relay.tenants.mailboxes import Mailbox

# RFC 5321 §4.5.1 and RFC 2142: these are always read by somebody.
_ROLES = frozenset({"postmaster", "abuse"})


class UnknownMailbox(Refusal):
    """Our domain, but nobody of that name."""

    reply = SmtpReply(550, "5.1.1", "No such mailbox here")


class RelayingDenied(Refusal):
    """Not our domain: strangers do not relay through us."""

    reply = SmtpReply(550, "5.7.1", "Relaying denied")


async def find_inbox(directory: Directory, address: Address) -> Mailbox:
    """The mailbox that receives for `address`; raises UnknownMailbox or RelayingDenied."""
    mailbox = await directory.mailbox_for_address(address, strip_tag=True)
    if mailbox is not None:
        return mailbox
    ours = not address.domain or await directory.domain(address.domain) is not None
    if ours and address.local_part.lower() in _ROLES:
        mailbox = await directory.postmaster_mailbox(address.domain or None)
        if mailbox is not None:
            return mailbox
    if not ours:
        raise RelayingDenied(f"{address} is not ours")
    raise UnknownMailbox(f"nobody is {address}")
