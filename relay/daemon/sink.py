"""The far side of a station that has none: an SMTP server that takes everything and keeps it as files.

For `posthouse dev`. It judges each message's signatures as a receiver would,
with dkimpy, against the keys in the key directory instead of the DNS.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path

import dkim

from relay.clock import Clock
from relay.ids import new_id
from relay.message.content import Content
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.replies import SmtpReply
from relay.signing.keys import KeyRing
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
        signatures = await asyncio.to_thread(self._judge, raw)
        recipients = tuple(str(recipient.address) for recipient in envelope.recipients)
        tls = str(session.tls) if session.tls else None
        self.caught.append(Caught(file, str(envelope.reverse_path), recipients, tls, signatures))
        self.arrived.set()
        logger.info("the sink caught %s for %s", file.name, ", ".join(recipients))
        return SmtpReply(250, "2.0.0", "caught")

    def _judge(self, raw: bytes) -> tuple[str, ...]:
        verdicts = []
        for index in range(raw.count(b"DKIM-Signature:")):
            judge = dkim.DKIM(raw)
            try:
                passes = judge.verify(idx=index, dnsfunc=self._public_key)
            except dkim.DKIMException:
                passes = False
            algorithm = judge.signature_fields.get(b"a", b"?").decode()
            domain = judge.signature_fields.get(b"d", b"?").decode()
            verdicts.append(f"{algorithm} {domain}: {'pass' if passes else 'fail'}")
        return tuple(verdicts)

    def _public_key(self, name: bytes, timeout: int = 5) -> bytes | None:
        selector, _, domain = name.decode().rstrip(".").partition("._domainkey.")
        records = {key.dns_name: key.dns_record for key in self.keys.active(domain)}
        record = records.get(f"{selector}._domainkey.{domain}")
        return record.encode() if record else None
