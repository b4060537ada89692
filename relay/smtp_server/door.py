"""What a listener decides, apart from how SMTP is spoken."""

from typing import Protocol

from relay.message.content import Content
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.replies import SmtpReply
from relay.smtp_server.session import SmtpSession


class SmtpDoor(Protocol):
    """The rules behind one listener.

    Each method says no by raising a Refusal, whose reply the client gets.
    StoreUnavailable gives its own reply; any other exception is a fault of
    ours, is logged under the session's id and answers 451 4.3.0.
    """

    async def connected(self, session: SmtpSession) -> None:
        """Before the greeting; a Refusal (421 or 554) turns the client away and closes."""
        ...

    async def authenticate(self, session: SmtpSession, login: str, password: str) -> object | None:
        """The credential that this login and password open, or None when they are wrong.

        Takes the same time for a login that does not exist as for a wrong password.
        """
        ...

    async def mail(self, session: SmtpSession, envelope: Envelope) -> None:
        """MAIL was given; `envelope` has no recipients yet."""
        ...

    async def recipient(self, session: SmtpSession, envelope: Envelope, recipient: EnvelopeRecipient) -> None:
        """RCPT was given; the recipient joins `envelope.recipients` when this returns.

        `<postmaster>` without a domain comes as an Address whose domain is "".
        """
        ...

    def fixes_bare_lf(self, session: SmtpSession, envelope: Envelope) -> bool:
        """Whether a bare LF in the content is read as CRLF, or the message refused."""
        ...

    async def content(self, session: SmtpSession, envelope: Envelope, content: Content) -> SmtpReply:
        """The message is whole; a positive reply means that it is durable.

        Called once per DATA, in a task of its own: a client that hangs up
        cancels nothing. A body in a file is yours to move away; what is still
        in its place when this returns is removed.
        """
        ...
