"""What others say of a client and its mail, asked before 250 because the answer may be no.

Both are optional: DNS block lists about the client, a spam filter about the
message. Whoever does not answer has said nothing.
"""

import logging
from dataclasses import dataclass

from inbound.blocklists import BlockLists
from inbound.screening import Screening, SpamVerdict
from inbound.spam_filter import SpamFilter
from relay.address import Address
from relay.config import Config
from relay.errors import Refusal
from relay.message.content import Content
from relay.message.envelope import Envelope
from relay.replies import SmtpReply
from relay.resolver import IpAddress, Resolver
from relay.smtp_server import SmtpSession
from relay.smtp_server.manners import Networks, is_within

logger = logging.getLogger("posthouse.inbound")


class ListedClient(Refusal):
    """A block list names the client, and the house refuses such."""

    def __init__(self, client: IpAddress, zone: str) -> None:
        super().__init__(
            f"{client} is listed by {zone}", SmtpReply(554, "5.7.1", f"{client} is listed by {zone}")
        )


class LooksLikeSpam(Refusal):
    """The spam filter wants the message refused, and the house follows it."""

    reply = SmtpReply(554, "5.7.1", "This message looks like spam")


@dataclass(frozen=True, slots=True)
class Screener:
    """Asks the block lists and the filter, and says no where the configuration does."""

    blocklists: BlockLists | None = None
    spam_filter: SpamFilter | None = None
    refuses_listed: bool = False
    refuses_spam: bool = False
    exempt: Networks = ()

    @classmethod
    def from_config(cls, config: Config, resolver: Resolver) -> "Screener":
        inbound = config.inbound
        return cls(
            blocklists=BlockLists(resolver, inbound.dnsbl) if inbound.dnsbl else None,
            spam_filter=SpamFilter(inbound.rspamd_url) if inbound.rspamd_url else None,
            refuses_listed=inbound.on_dnsbl == "reject",
            refuses_spam=inbound.on_spam == "reject",
            exempt=inbound.uncounted_networks,
        )

    async def listing(self, client: IpAddress) -> tuple[str, ...]:
        """The zones that list the client; none for networks that are not counted."""
        if self.blocklists is None or is_within(client, self.exempt):
            return ()
        return await self.blocklists.listing(client)

    def check_client(self, client: IpAddress, listed: tuple[str, ...], recipient: Address) -> None:
        """Raise ListedClient; the postmaster hears everybody who has been listed in error."""
        if listed and self.refuses_listed and recipient.local_part.lower() != "postmaster":
            raise ListedClient(client, listed[0])

    async def screen(
        self, session: SmtpSession, listed: tuple[str, ...], envelope: Envelope, content: Content
    ) -> Screening | None:
        """What is to be kept of all that, None when nobody is asked; raises LooksLikeSpam."""
        if self.blocklists is None and self.spam_filter is None:
            return None
        return Screening(listed, await self._judge(session, envelope, content))

    async def _judge(self, session: SmtpSession, envelope: Envelope, content: Content) -> SpamVerdict | None:
        if self.spam_filter is None:
            return None
        verdict = await self.spam_filter.judge(
            envelope, content, client=str(session.peer), helo=session.helo, session_id=session.id
        )
        if verdict is not None and verdict.action == "reject" and self.refuses_spam:
            raise LooksLikeSpam(f"spam score {verdict.score:g} from {session.peer}")
        return verdict
