"""One SMTP session with one far server: dialling, greeting, TLS, what it offers, whether it may be reused."""

import asyncio
import ssl
from collections.abc import Iterable

from relay.clock import Clock
from relay.delivery.breaks import SessionBroken, our_reply
from relay.delivery.classify import is_yes
from relay.delivery.dialogue import Dialogue, said_by
from relay.delivery.outcome import Phase
from relay.delivery.protocol import read_extensions
from relay.delivery.route import Hop
from relay.delivery.settings import DeliverySettings
from relay.delivery.smarthost import TlsUse
from relay.delivery.tls import TlsFacts, find_tls, tls_context
from relay.delivery.trail import Trail
from relay.failpoints import ARMED, reach
from relay.replies import SmtpReply


class Connection(Dialogue):
    """A greeted server, ready for MAIL. Open it with `opening.open_connection`, end it with `close`."""

    def __init__(self, hop: Hop, settings: DeliverySettings, clock: Clock, trail: Trail) -> None:
        super().__init__(hop, settings.timeouts, trail)
        self.tls: TlsFacts | None = None
        self.extensions: dict[str, str] = {}
        self.auth_methods: list[str] = []
        self.messages_sent = 0
        self.may_pipeline = True
        self._settings = settings
        self._clock = clock
        self._used_at = clock.monotonic()

    @property
    def is_reusable(self) -> bool:
        """Whether another message may be sent here: alive, in step, not too old or too busy."""
        limits = self._settings.limits
        return (
            self._protocol.is_connected
            and not self._protocol.out_of_step
            and self.messages_sent < limits.messages_per_connection
            and self._clock.monotonic() - self._used_at < limits.idle
        )

    def offers(self, extension: str) -> bool:
        """Whether the EHLO reply names the extension."""
        return extension.lower() in self.extensions

    @property
    def pipelines(self) -> bool:
        """Whether commands may be sent together here."""
        return self.may_pipeline and self.offers("pipelining")

    @property
    def size_limit(self) -> int | None:
        """The advertised greatest message size in octets, None when there is none (RFC 1870 §4)."""
        text = self.extensions.get("size", "").strip()
        return int(text) or None if text.isascii() and text.isdigit() and len(text) < 20 else None

    async def send_content(self, pieces: Iterable[bytes], size: int) -> SmtpReply:
        """Send what follows 354 and return the reply to the final dot, as `send` does; it counts as a use."""
        reply = await self.send(pieces, size)
        self.messages_sent += 1
        self._used_at = self._clock.monotonic()
        return reply

    async def reset(self) -> bool:
        """RSET; False when the connection is of no use any more."""
        try:
            reply = await self.command(Phase.RESET, b"RSET", self._timeouts.reset)
        except SessionBroken:
            return False
        return is_yes(Phase.RESET, reply)

    async def dial(self) -> None:
        """Connect and read the banner."""
        hop, implicit = self.hop, self.hop.tls is TlsUse.IMPLICIT
        self.trail.note(f"connecting to {hop}")
        try:
            async with asyncio.timeout(self._timeouts.connect):
                await asyncio.get_running_loop().create_connection(
                    lambda: self._protocol,
                    str(hop.ip),
                    hop.port,
                    local_addr=self._source(),
                    ssl=tls_context(self._verifies) if implicit else None,
                    server_hostname=self._tls_name if implicit else None,
                )
        except (OSError, ValueError) as error:
            enhanced = "4.7.5" if isinstance(error, ssl.SSLError) else "4.4.1"
            raise SessionBroken(Phase.CONNECT, our_reply(enhanced, f"{hop}: {said_by(error)}")) from error
        self._note_tls()
        self.require(Phase.BANNER, await self.hear(Phase.BANNER, self._timeouts.banner))

    async def greet(self) -> None:
        """EHLO, or HELO to a server that does not know it; afterwards `extensions` holds."""
        name = self._settings.hostname.encode("ascii")
        reply = await self.command(Phase.HELLO, b"EHLO " + name, self._timeouts.hello)
        if reply.is_permanent:
            reply = await self.command(Phase.HELLO, b"HELO " + name, self._timeouts.hello)
            self.extensions, self.auth_methods = {}, []
        else:
            self.extensions, self.auth_methods = read_extensions(reply.text)
        self.require(Phase.HELLO, reply)
        if ARMED:
            reach("delivery.connected")

    async def start_tls(self) -> None:
        """STARTTLS and a new greeting; raises HandshakeFailed when the handshake does not succeed."""
        await self.shake_hands(tls_context(self._verifies), self._tls_name)
        self._note_tls()
        await self.greet()

    @property
    def _verifies(self) -> bool:
        return self.hop.smarthost is not None and self.hop.smarthost.verify

    @property
    def _tls_name(self) -> str:
        """The name for SNI and the check; an address where there is no name."""
        return str(self.hop.ip) if self.hop.host.startswith("[") else self.hop.host

    def _source(self) -> tuple[str, int] | None:
        for source in self._settings.source_addresses:
            if source.version == self.hop.ip.version:
                return str(source), 0
        return None

    def _note_tls(self) -> None:
        self.tls = find_tls(self._protocol.transport, self._verifies)
        if self.tls is not None:
            self.trail.note(f"TLS: {self.tls}")
