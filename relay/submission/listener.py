"""Ports 587 and 465, and trusted networks: SMTP words become a Draft, and what `accept` says a reply.

Whose rules apply: the mailbox that logged in; for a trusted network, which
has no login, the mailbox that the reverse path names (for `<>`, the header
From).
"""

import logging
from dataclasses import dataclass, replace

from relay.address import NULL_PATH, Address
from relay.config import Config
from relay.errors import PolicyRefusal
from relay.message.content import Content
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.headers import Header, MalformedHeader
from relay.message.trace import Origin, protocol_keyword
from relay.policy.caps import DailyCapReached, QuotaExceeded
from relay.policy.senders import check_reverse_path, read_authors
from relay.replies import SmtpReply
from relay.smtp_server import SmtpSession
from relay.smtp_server.manners import is_within
from relay.store.database import Database
from relay.submission import repeats
from relay.submission.accept import Acceptor
from relay.submission.booking import Booking
from relay.submission.draft import Draft
from relay.submission.refusals import UnreadableMessage, check_active
from relay.tenants.credentials import Credential
from relay.tenants.directory import Directory
from relay.tenants.mailboxes import Mailbox

logger = logging.getLogger("posthouse.submission")


class NobodySends(PolicyRefusal):
    """No mailbox of ours stands behind this sender."""

    reply = SmtpReply(553, "5.7.1", "No mailbox here may send from this address")
    code = "sender_not_allowed"


@dataclass(frozen=True, slots=True)
class Login:
    """What a session's credential is: whose login, and how its line ends are read."""

    credential: Credential
    fixes_line_ends: bool


@dataclass(slots=True)
class SubmissionDoor:
    """The rules of a submission listener."""

    db: Database
    config: Config
    directory: Directory
    booking: Booking
    acceptor: Acceptor

    async def connected(self, session: SmtpSession) -> None:
        """Anybody may knock; what counts is the login or the network."""

    async def authenticate(self, session: SmtpSession, login: str, password: str) -> Login | None:
        credential = await self.directory.check_password(login, password)
        if credential is None:
            return None
        mailbox = await self.directory.mailbox(credential.mailbox_id)
        return Login(credential, mailbox is None or mailbox.fix_line_ends)

    def offers_auth(self, session: SmtpSession) -> bool:
        """AUTH needs TLS, but from networks where the operator allows passwords in the clear."""
        plain = self.config.submission.allow_plaintext_auth_from
        return session.tls is not None or is_within(session.peer, plain)

    def requires_auth(self, session: SmtpSession) -> bool:
        return not is_within(session.peer, self.config.submission.trusted_networks)

    async def mail(self, session: SmtpSession, envelope: Envelope) -> None:
        """Refuses a reverse path that is not the sender's, and everything while nothing can be stored."""
        self.db.check_intake()
        session.memo = 0
        mailbox = await self._mailbox(session, envelope)
        if mailbox is not None:
            check_active(mailbox)
            await check_reverse_path(self.directory, mailbox, envelope.reverse_path)

    async def recipient(self, session: SmtpSession, envelope: Envelope, recipient: EnvelopeRecipient) -> None:
        """Refuses the recipient whom lists or guards keep out, or for whom today's allowance does not reach.

        The allowance is read once for a transaction, and again before any no;
        what happened meanwhile is noticed when it is reserved. A client that
        may be asking again because our 250 was lost is not held up here: only
        its content says whether it is the message that was paid for.
        """
        mailbox = await self._mailbox(session, envelope)
        if mailbox is None:
            return
        await self.acceptor.lists.check(mailbox, [recipient.address])
        await self.acceptor.guarding.check_recipients(mailbox, [recipient.address])
        if len(envelope.recipients) >= session.memo:
            wanted = replace(envelope, recipients=[*envelope.recipients, recipient])
            session.memo = await self._allowance(session, mailbox, wanted)

    async def _allowance(self, session: SmtpSession, mailbox: Mailbox, wanted: Envelope) -> int:
        """How many pass unasked; raises DailyCapReached or QuotaExceeded for what is certainly new."""
        try:
            return await self.booking.check(mailbox, [each.address for each in wanted.recipients])
        except (DailyCapReached, QuotaExceeded):
            clock, login = self.acceptor.clock, session.login
            if not await repeats.may_be_resubmission(self.db, clock, mailbox.id, login, wanted):
                raise
            return 0

    def fixes_bare_lf(self, session: SmtpSession, envelope: Envelope) -> bool:
        return not isinstance(session.credential, Login) or session.credential.fixes_line_ends

    async def content(self, session: SmtpSession, envelope: Envelope, content: Content) -> SmtpReply:
        """250 only after the commit; its text names the message."""
        mailbox = await self._mailbox(session, envelope) or await self._from_header(content)
        draft = Draft(
            tenant_id=mailbox.tenant_id,
            mailbox=mailbox,
            envelope=envelope,
            content=content,
            origin=_origin(session, envelope),
        )
        accepted = await self.acceptor.accept(draft)
        logger.info(
            "%s accepted from %s for %d recipients%s",
            accepted.message_id,
            mailbox,
            len(envelope.recipients),
            ", again" if accepted.repeated else "",
        )
        return SmtpReply(250, "2.0.0", f"queued as {accepted.message_id}")

    async def _mailbox(self, session: SmtpSession, envelope: Envelope) -> Mailbox | None:
        """Whose rules apply; None when only the header can tell (a trusted network's `<>`)."""
        if isinstance(session.credential, Login):
            credential = session.credential.credential
            mailbox = await self.directory.mailbox(credential.mailbox_id)
            if mailbox is None:
                raise NobodySends(f"{credential.login} was removed meanwhile")
            return mailbox
        if envelope.reverse_path == NULL_PATH:
            return None
        assert isinstance(envelope.reverse_path, Address)
        return await self._sender(envelope.reverse_path)

    async def _from_header(self, content: Content) -> Mailbox:
        try:
            authors = read_authors(Header.parse(content.header))
        except MalformedHeader as error:
            raise UnreadableMessage(str(error)) from error
        return await self._sender(authors[0])

    async def _sender(self, address: Address) -> Mailbox:
        mailbox = await self.directory.sender_mailbox(address)
        if mailbox is None:
            raise NobodySends(f"no mailbox may send from {address}")
        return mailbox


def _origin(session: SmtpSession, envelope: Envelope) -> Origin:
    return Origin(
        source="smtp",
        protocol=protocol_keyword(
            esmtp=session.esmtp,
            tls=session.tls is not None,
            authenticated=session.login is not None,
            utf8=envelope.smtputf8,
        ),
        helo=session.helo,
        client=str(session.peer),
        login=session.login,
        tls=str(session.tls) if session.tls else None,
        session_id=session.id,
    )
