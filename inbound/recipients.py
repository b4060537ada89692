"""Who is here: mailboxes, their aliases, `+tag` forms, bounce addresses, postmaster and abuse."""

from dataclasses import dataclass

from relay.address import Address, parse_address
from relay.errors import Refusal
from relay.replies import SmtpReply
from relay.spool import records as spool
from relay.store.database import Database
from relay.tenants import bounce_address
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


@dataclass(frozen=True, slots=True)
class Recipients:
    """Knows who is here.

    `postmaster` reads what is sent to the roles; empty: the domain's first
    mailbox. `bounce_secret` is what the bounce addresses of our own mail are
    signed with: what comes back to them is for the mailbox that sent it.
    """

    db: Database
    directory: Directory
    bounce_secret: bytes
    postmaster: str = ""

    async def find(self, address: Address) -> Mailbox:
        """The mailbox that receives for `address`; raises UnknownMailbox or RelayingDenied."""
        mailbox = await self.directory.mailbox_for_address(address, strip_tag=True)
        mailbox = mailbox or await self._bounce_reader(address)
        if mailbox is not None:
            return mailbox
        ours = not address.domain or await self.directory.domain(address.domain) is not None
        if not ours:
            raise RelayingDenied(f"{address} is not ours")
        if address.local_part.lower() in _ROLES:
            mailbox = await self._role_reader(address.domain)
        if mailbox is None:
            raise UnknownMailbox(f"nobody is {address}")
        return mailbox

    async def _bounce_reader(self, address: Address) -> Mailbox | None:
        message_id = bounce_address.decode(address, self.bounce_secret)
        message = await spool.find(self.db, message_id) if message_id else None
        if message is None or message.mailbox_id is None:
            return None
        return await self.directory.mailbox(message.mailbox_id)

    async def _role_reader(self, domain: str) -> Mailbox | None:
        if self.postmaster:
            chosen = await self.directory.mailbox_for_address(parse_address(self.postmaster))
            if chosen is not None:
                return chosen
        return await self.directory.postmaster_mailbox(domain or None)
