"""Who is here: mailboxes, aliases, `+tag` forms, signed addresses, postmaster and abuse, a catch-all."""

from dataclasses import dataclass

from relay.address import Address, parse_address
from relay.errors import Refusal
from relay.replies import SmtpReply
from relay.spool import records as spool
from relay.store.database import Database
from relay.tenants import approval_address, bounce_address, reply_address
from relay.tenants.directory import Directory
from relay.tenants.mailboxes import Mailbox
from relay.tracking import leaving

# RFC 5321 §4.5.1 and RFC 2142: these are always read by somebody.
_ROLES = frozenset({"postmaster", "abuse"})


class UnknownMailbox(Refusal):
    """Our domain, but nobody of that name."""

    reply = SmtpReply(550, "5.1.1", "No such mailbox here")


class RelayingDenied(Refusal):
    """Not our domain: strangers do not relay through us."""

    reply = SmtpReply(550, "5.7.1", "Relaying denied")


@dataclass(frozen=True, slots=True)
class Recipients:
    """Knows who is here.

    `postmaster` reads what is sent to the roles; empty: the domain's first
    mailbox. `bounce_secret` is what the bounce and reply addresses of our own
    mail are signed with, `unsubscribe_secret` its unsubscribe addresses: what
    comes back to them is for the mailbox that sent it.
    """

    db: Database
    directory: Directory
    bounce_secret: bytes
    unsubscribe_secret: bytes
    postmaster: str = ""

    async def find(self, address: Address) -> Mailbox:
        """The mailbox that receives for `address`; raises UnknownMailbox or RelayingDenied."""
        # What we signed goes before the tags: it may look like one of a mailbox named `r` or `b`, and anybody
        # may have a domain with the name of a bounces host.
        mailbox = await self._reply_reader(address) or await self._bounce_reader(address)
        mailbox = mailbox or await self._approval_reader(address) or await self._leave_reader(address)
        mailbox = mailbox or await self.directory.mailbox_for_address(address, strip_tag=True)
        if mailbox is not None:
            return mailbox
        domain = await self.directory.domain(address.domain) if address.domain else None
        if domain is None and address.domain:
            raise RelayingDenied(f"{address} is not ours")
        if address.local_part.lower() in _ROLES:
            mailbox = await self._role_reader(address.domain)
        elif domain is not None and domain.catch_all is not None:
            mailbox = await self.directory.mailbox(domain.catch_all)
        if mailbox is None:
            raise UnknownMailbox(f"nobody is {address}")
        return mailbox

    async def _reply_reader(self, address: Address) -> Mailbox | None:
        """Whoever sent the message: not always the mailbox that the address names, where a pool rotates."""
        return await self._sender_of(reply_address.decode(address, self.bounce_secret), address.domain)

    async def _bounce_reader(self, address: Address) -> Mailbox | None:
        name = bounce_address.domain_of(address.domain)
        message_id = bounce_address.decode(address, self.bounce_secret) if name else None
        return await self._sender_of(message_id, name or "")

    async def _approval_reader(self, address: Address) -> Mailbox | None:
        """Whoever sent what waits; it is recorded, not filed there."""
        return await self._sender_of(approval_address.decode(address, self.bounce_secret), address.domain)

    async def _leave_reader(self, address: Address) -> Mailbox | None:
        """Whoever sent the message that somebody wants no more of."""
        name = bounce_address.domain_of(address.domain) or address.domain
        return await self._sender_of(leaving.message_of(address, self.unsubscribe_secret), name)

    async def _sender_of(self, message_id: str | None, name: str) -> Mailbox | None:
        """The mailbox that sent it, if the domain called `name` is its tenant's: no other is ours to read."""
        message = await spool.find(self.db, message_id) if message_id else None
        if message is None or message.mailbox_id is None:
            return None
        domain = await self.directory.domain(name)
        if domain is None or domain.tenant_id != message.tenant_id:
            return None
        return await self.directory.mailbox(message.mailbox_id)

    async def is_of_trial(self, address: Address) -> bool:
        """Whether it is the bounce address of test mail: what comes there is part of the trial."""
        message_id = bounce_address.decode(address, self.bounce_secret)
        message = await spool.find(self.db, message_id) if message_id else None
        return message is not None and message.is_test

    async def _role_reader(self, domain: str) -> Mailbox | None:
        if self.postmaster:
            chosen = await self.directory.mailbox_for_address(parse_address(self.postmaster))
            if chosen is not None:
                return chosen
        return await self.directory.postmaster_mailbox(domain or None)
