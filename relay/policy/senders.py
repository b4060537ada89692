"""May this mailbox write from these addresses? RFC 6409 §6.1 and §8.1, RFC 5322 §3.6.

The reverse path and every address by which a header names an author or
sender must be the mailbox's own, an alias, or one that its sender patterns
name, at a verified domain of its tenant. What cannot be read without doubt
is refused: two readers of one From field are how mail is forged.
"""

import re
from collections.abc import Iterable

from relay.address import Address, InvalidAddress, ReversePath
from relay.errors import PolicyRefusal, Refusal
from relay.message.envelope import Envelope
from relay.message.headers import Header, addresses_of
from relay.replies import SmtpReply
from relay.tenants.directory import Directory
from relay.tenants.mailboxes import Mailbox

# Besides From: who a receiver may show or believe as the sender.
_ALSO = ("sender", "resent-from", "resent-sender")
# A line that we do not read as a field, but that somebody might.
_ALMOST_A_FIELD = re.compile(rb"\W*(?:resent-)?(?:from|sender)\W*:", re.IGNORECASE)


class SenderNotAllowed(PolicyRefusal):
    """The mailbox may not write from this address."""

    code = "sender_not_allowed"

    def __init__(self, mailbox: Mailbox, address: Address, where: str) -> None:
        super().__init__(
            f"{mailbox} may not use {address} as {where}",
            SmtpReply(553, "5.7.1", f"{where}: this login may not send as <{_shown(address)}>"),
        )
        self.address = address


class DomainNotVerified(PolicyRefusal):
    """The address's domain is not, or not yet, one that mail may leave under."""

    code = "domain_not_verified"

    def __init__(self, mailbox: Mailbox, address: Address, where: str) -> None:
        super().__init__(
            f"{mailbox}: the domain of {address} ({where}) is not verified",
            SmtpReply(550, "5.7.1", f"{where}: the domain {address.domain} is not verified"),
        )
        self.address = address


class InvalidFrom(Refusal):
    """Nobody can say for certain whose mail this claims to be."""

    def __init__(self, why: str) -> None:
        super().__init__(why, SmtpReply(550, "5.6.0", why))


async def check_sender(directory: Directory, mailbox: Mailbox, envelope: Envelope, header: Header) -> str:
    """Let the message pass, or raise; returns the domain that signs for it, which is From's.

    Raises InvalidFrom (550 5.6.0), SenderNotAllowed (553 5.7.1) or
    DomainNotVerified (550 5.7.1).
    """
    authors = read_authors(header)
    await check_reverse_path(directory, mailbox, envelope.reverse_path)
    # What was let pass as the reverse path needs no second look.
    await _check(directory, mailbox, [each for each in authors if each != envelope.reverse_path], "From")
    for name in _ALSO:
        if others := _addresses(header, name):
            await _check(directory, mailbox, others, name.title())
    return authors[0].domain


async def check_reverse_path(directory: Directory, mailbox: Mailbox, reverse_path: ReversePath) -> None:
    """What can be said when MAIL comes: the null path passes, since From is still to be seen.

    Raises SenderNotAllowed or DomainNotVerified.
    """
    if isinstance(reverse_path, Address):
        await _check(directory, mailbox, [reverse_path], "MAIL FROM")


def read_authors(header: Header) -> list[Address]:
    """The addresses of the one From field, one or more; raises InvalidFrom."""
    found = len(header.all("from"))
    if found != 1:
        raise InvalidFrom(
            "The message has no From field" if not found else f"The message has {found} From fields"
        )
    if any(_ALMOST_A_FIELD.match(line) for line in header.unparsed):
        raise InvalidFrom("The header has a line that some would read as another From field")
    authors = _addresses(header, "from")
    if not authors:
        raise InvalidFrom("The From field has no address")
    return authors


def _addresses(header: Header, name: str) -> list[Address]:
    try:
        return [address for value in header.all(name) for address in addresses_of(value)]
    except InvalidAddress as error:
        raise InvalidFrom(f"The {name.title()} field cannot be read: {_ascii(str(error))}") from error


async def _check(directory: Directory, mailbox: Mailbox, addresses: Iterable[Address], where: str) -> None:
    for address in addresses:
        if not await _may_use(directory, mailbox, address):
            raise SenderNotAllowed(mailbox, address, where)
        domain = await directory.domain(address.domain)
        if domain is None or not domain.is_verified or domain.tenant_id != mailbox.tenant_id:
            raise DomainNotVerified(mailbox, address, where)


async def _may_use(directory: Directory, mailbox: Mailbox, address: Address) -> bool:
    if mailbox.owns(address):
        return True
    # ann+list@ is ann's, who gets what is sent there, unless somebody else is ann+list@.
    if "+" not in address.local_part:
        return False
    holder = await directory.mailbox_for_address(address, strip_tag=True)
    return holder is not None and holder.id == mailbox.id


def _shown(address: Address) -> str:
    return _ascii(str(address))


def _ascii(text: str) -> str:
    """Replies are ASCII, whoever reads them."""
    return text.encode("ascii", "replace").decode()
