"""The far side of a station that has none: an SMTP server that takes everything and keeps it as files.

For `posthouse dev`. It judges each message's signatures as a receiver would,
with dkimpy, against the keys in the key directory instead of the DNS.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path

from relay.clock import Clock
from relay.ids import new_id
from relay.message.content import Content
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.replies import SmtpReply
from relay.signing.keys import KeyRing
from relay.signing.verify import verdicts
from relay.smtp_server import SmtpSession

logger = logging.getLogger("posthouse.sink")


@dataclass(frozen=True, slots=True)
class Caught:
    """One message that came to the sink. `signatures` are like "rsa-sha256 demo.test: pass"."""

    file: Path
    reverse_path: str
    recipients: tuple[str, ...]
    tls: str | None
    signatures: tuple[str, ...]


@dataclass(slots=True)
class SinkDoor:
    """Takes every message for everybody. The newest is `caught[-1]`; `arrived` is set with each."""

    directory: Path
    keys: KeyRing
    clock: Clock
    caught: list[Caught] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def connected(self, session: SmtpSession) -> None:
        """Welcome."""

    async def authenticate(self, session: SmtpSession, login: str, password: str) -> object | None:
        return None

    async def mail(self, session: SmtpSession, envelope: Envelope) -> None:
        """Any sender."""

    async def recipient(self, session: SmtpSession, envelope: Envelope, recipient: EnvelopeRecipient) -> None:
        """Any recipient."""

    def fixes_bare_lf(self, session: SmtpSession, envelope: Envelope) -> bool:
        return False

    async def content(self, session: SmtpSession, envelope: Envelope, content: Content) -> SmtpReply:
        """Kept as one .eml file in the sink's directory."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.directory / f"{new_id('eml', self.clock)}.eml"
        raw = content.header + b"\r\n" + await asyncio.to_thread(content.body.read)
        await asyncio.to_thread(file.write_bytes, raw)
        signatures = await asyncio.to_thread(verdicts, raw, self.keys)
        recipients = tuple(str(recipient.address) for recipient in envelope.recipients)
        tls = str(session.tls) if session.tls else None
        self.caught.append(Caught(file, str(envelope.reverse_path), recipients, tls, signatures))
        self.arrived.set()
        logger.info("the sink caught %s for %s", file.name, ", ".join(recipients))
        return SmtpReply(250, "2.0.0", "caught")
