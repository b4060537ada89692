"""A door that takes everything, remembers it, and refuses what a test tells it to."""

import asyncio
from dataclasses import dataclass, field

from relay.errors import Refusal
from relay.message.content import Content
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.replies import SmtpReply
from relay.smtp_server import SmtpSession

QUEUED = SmtpReply(250, "2.0.0", "queued as msg_test")


@dataclass
class Taken:
    """One message as the door was given it."""

    session: SmtpSession
    envelope: Envelope
    content: Content
    header: bytes
    body: bytes


@dataclass
class RecordingDoor:
    """`fails` maps the name of a method to the exception that it raises."""

    fails: dict[str, Exception] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=lambda: {"ann@example.test": "right"})
    fixes: bool = True
    reply: SmtpReply = QUEUED
    taken: list[Taken] = field(default_factory=list)
    sessions: list[SmtpSession] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    recipients: list[EnvelopeRecipient] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    somebody_came: asyncio.Event = field(default_factory=asyncio.Event)
    content_began: asyncio.Event = field(default_factory=asyncio.Event)
    content_may_end: asyncio.Event = field(default_factory=asyncio.Event)
    content_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.content_may_end.set()

    async def connected(self, session: SmtpSession) -> None:
        self.sessions.append(session)
        self.somebody_came.set()
        self._fail("connected")

    async def authenticate(self, session: SmtpSession, login: str, password: str) -> object | None:
        self.logins.append((login, password))
        self._fail("authenticate")
        return f"credential of {login}" if self.passwords.get(login) == password else None

    async def mail(self, session: SmtpSession, envelope: Envelope) -> None:
        self._fail("mail")
        self.envelopes.append(envelope)

    async def recipient(self, session: SmtpSession, envelope: Envelope, recipient: EnvelopeRecipient) -> None:
        self._fail("recipient")
        if recipient.address.local_part == "nobody":
            raise Refusal("nobody", SmtpReply(550, "5.1.1", "No such mailbox here"))
        self.recipients.append(recipient)

    def fixes_bare_lf(self, session: SmtpSession, envelope: Envelope) -> bool:
        return self.fixes

    async def content(self, session: SmtpSession, envelope: Envelope, content: Content) -> SmtpReply:
        self.content_began.set()
        await self.content_may_end.wait()
        self._fail("content")
        self.taken.append(Taken(session, envelope, content, content.header, content.body.read()))
        self.content_ended.set()
        return self.reply

    @property
    def mail_bytes(self) -> list[bytes]:
        """The messages taken: header, empty line, body."""
        return [taken.header + b"\r\n" + taken.body for taken in self.taken]

    def _fail(self, name: str) -> None:
        if name in self.fails:
            raise self.fails[name]
