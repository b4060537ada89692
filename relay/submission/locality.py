"""Which recipients stay in the house, and whether answers will come to it."""

from relay.address import POSTMASTER, Address
from relay.submission.draft import Draft
from relay.tenants.directory import Directory


async def local_recipients(directory: Directory, draft: Draft) -> frozenset[Address]:
    """Those whose mail takes the inbound path in process."""
    addresses = (recipient.address for recipient in draft.envelope.recipients)
    return frozenset([address for address in addresses if await _stays_here(directory, address)])


async def signs_replies(directory: Directory, draft: Draft) -> bool:
    """Whether the mailbox wants signed reply addresses, and its domain's MX is known to point here."""
    if draft.mailbox is None or not draft.mailbox.signed_replies:
        return False
    domain = await directory.domain(draft.mailbox.address.domain)
    return domain is not None and domain.receives_at is not None


async def _stays_here(directory: Directory, address: Address) -> bool:
    """Whether its domain's MX points here, or that can only be guessed at.

    Where the owner's word stands for the DNS, whoever has a mailbox here
    is here, and the MX decides for everybody else.
    """
    if address == POSTMASTER:  # without a domain it is ours (RFC 5321 §4.5.1)
        return True
    domain = await directory.domain(address.domain)
    if domain is None or not domain.is_assumed:
        return domain is not None and domain.receives_at is not None
    known = await directory.mailbox_for_address(address, strip_tag=True)
    return domain.receives_at is not None or known is not None
