"""Port 25: who is not here is refused at RCPT, and nobody relays."""

import logging
from dataclasses import dataclass

from inbound.receive import Receiver
from relay.message.content import Content
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.trace import Origin, protocol_keyword
from relay.replies import SmtpReply
from relay.smtp_server import SmtpSession

logger = logging.getLogger("posthouse.inbound")


@dataclass(slots=True)
class InboundDoor:
    """The rules of an MX listener."""

    receiver: Receiver

    async def connected(self, session: SmtpSession) -> None:
        """The world may knock."""

    async def authenticate(self, session: SmtpSession, login: str, password: str) -> object | None:
        """Nobody logs in at the MX."""
        return None

    async def mail(self, session: SmtpSession, envelope: Envelope) -> None:
        """Any reverse path, the null path among them, unless nothing can be stored."""
        self.receiver.db.check_intake()

    async def recipient(self, session: SmtpSession, envelope: Envelope, recipient: EnvelopeRecipient) -> None:
        await self.receiver.recipients.find(recipient.address)

    def fixes_bare_lf(self, session: SmtpSession, envelope: Envelope) -> bool:
        return False

    async def content(self, session: SmtpSession, envelope: Envelope, content: Content) -> SmtpReply:
        """250 once every mailbox has it on disk."""
        origin = Origin(
            source="mx",
            protocol=protocol_keyword(
                esmtp=session.esmtp,
                tls=session.tls is not None,
                authenticated=False,
                utf8=envelope.smtputf8,
            ),
            helo=session.helo,
            client=str(session.peer),
            tls=str(session.tls) if session.tls else None,
            session_id=session.id,
        )
        ids = await self.receiver.receive(envelope, content, origin)
        logger.info("%s received from %s", ids[0], session.peer)
        return SmtpReply(250, "2.0.0", f"received as {ids[0]}")
