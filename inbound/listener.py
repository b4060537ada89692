"""Port 25: who is not here is refused at RCPT, and nobody relays."""

import logging
from dataclasses import dataclass, field

from inbound.authenticate.judge import Judge
from inbound.authenticate.results import Authentication
from inbound.receive import Findings, Receiver
from inbound.screener import Screener
from inbound.standing import Doorkeeper
from relay.address import NULL_PATH
from relay.errors import Refusal
from relay.message.content import Content
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.trace import Origin, protocol_keyword
from relay.replies import SmtpReply
from relay.smtp_server import SmtpSession

logger = logging.getLogger("posthouse.inbound")


# A report goes to one sender (RFC 5321 §4.5.5); forwarders and answering machines stretch that.
REPORT_RECIPIENTS = 10


class TooManyForReport(Refusal):
    """The null reverse path with many recipients: the rest may come in further transactions."""

    reply = SmtpReply(452, "4.5.3", "Too many recipients for a message from <>")


@dataclass(slots=True)
class InboundDoor:
    """The rules of an MX listener."""

    receiver: Receiver
    doorkeeper: Doorkeeper
    judge: Judge
    screener: Screener = field(default_factory=Screener)

    async def connected(self, session: SmtpSession) -> None:
        """The world may knock."""

    async def authenticate(self, session: SmtpSession, login: str, password: str) -> object | None:
        """Nobody logs in at the MX."""
        return None

    async def mail(self, session: SmtpSession, envelope: Envelope) -> None:
        """Any reverse path, the null path among them, unless nothing can be stored."""
        self.receiver.db.check_intake()
        if session.memo is None:
            session.memo = await self.screener.listing(session.peer)

    async def recipient(self, session: SmtpSession, envelope: Envelope, recipient: EnvelopeRecipient) -> None:
        """Who is here, from a client that may write to them; reports go to few at once."""
        self.screener.check_client(session.peer, session.memo, recipient.address)
        if envelope.reverse_path == NULL_PATH and len(envelope.recipients) >= REPORT_RECIPIENTS:
            raise TooManyForReport(f"a report for more than {REPORT_RECIPIENTS}")
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
        findings = await self._look(session, envelope, content)
        ids = await self.receiver.receive(envelope, content, origin, findings)
        logger.info("%s received from %s", ids[0], session.peer)
        return SmtpReply(250, "2.0.0", f"received as {ids[0]}")

    async def _look(self, session: SmtpSession, envelope: Envelope, content: Content) -> Findings:
        """What must be known before 250; raises a Refusal for what is to be refused."""
        authentication = await self._judge(session, envelope, content)
        screening = await self.screener.screen(session, session.memo, envelope, content)
        return Findings(authentication, screening)

    async def _judge(
        self, session: SmtpSession, envelope: Envelope, content: Content
    ) -> Authentication | None:
        """The author's authenticity, where it may be the reason for a no; raises AuthenticationFailed."""
        if not self.doorkeeper.judges_at_the_door:
            return None
        file = content.body.file
        authentication = await self.judge.judge(
            client=str(session.peer),
            helo=session.helo,
            reverse_path=envelope.reverse_path,
            header=content.header,
            body=content.body.data,
            body_file=str(file) if file else None,
        )
        self.doorkeeper.check(authentication)
        return authentication
