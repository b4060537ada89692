"""One SMTP conversation with one far server: dialling, greeting, TLS, commands, content.

Of aiosmtplib, whose home is here and in `protocol`, we use the protocol, a
command at a time: its message-level calls parse addresses, rewrite line ends
and hold whole messages. Every wait has a deadline, and every way in which a
conversation can break is a `SessionBroken`.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import cast

from aiosmtplib.errors import SMTPException, SMTPResponseException, SMTPTimeoutError
from aiosmtplib.esmtp import parse_esmtp_extensions
from aiosmtplib.response import SMTPResponse

from relay.clock import Clock
from relay.delivery.breaks import HandshakeFailed, SessionBroken, our_reply
from relay.delivery.classify import is_yes
from relay.delivery.outcome import Phase
from relay.delivery.protocol import Garbled, ReplyReader
from relay.delivery.route import Hop
from relay.delivery.settings import DeliverySettings
from relay.delivery.smarthost import TlsUse
from relay.delivery.trail import Trail
from relay.replies import SmtpReply

_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What protects the connection; `verified` says that the certificate was checked."""

    version: str
    cipher: str
    verified: bool

    def __str__(self) -> str:
        return f"{self.version} {self.cipher} {'verified' if self.verified else 'unverified'}"


class Connection:
    """A greeted server, ready for MAIL. Open it with `opening.open_connection`, end it with `close`."""

    def __init__(self, hop: Hop, settings: DeliverySettings, clock: Clock, trail: Trail) -> None:
        self.hop = hop
        self.trail = trail
        self.tls: TlsFacts | None = None
        self.extensions: dict[str, str] = {}
        self.messages_sent = 0
        self._auth_methods: list[str] = []
        self._settings = settings
        self._timeouts = settings.timeouts
        self._clock = clock
        self._used_at = clock.monotonic()
        self._protocol = ReplyReader()

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
    def size_limit(self) -> int | None:
        """The advertised greatest message size in octets, None when there is none (RFC 1870 §4)."""
        text = self.extensions.get("size", "").strip()
        return int(text) or None if text.isascii() and text.isdigit() and len(text) < 20 else None

    async def command(
        self, phase: Phase, line: bytes, timeout: float, *, shown: str = "", recipient_id: int | None = None
    ) -> SmtpReply:
        """Send one line and return its reply; raises SessionBroken when none comes, or none can be read."""
        self._check_in_step(phase)
        if _CONTROLS.search(line):
            raise ValueError("a command holds a control character")
        self.trail.said(shown or line.decode("utf-8", "replace"), recipient_id)
        try:
            raw = await self._protocol.execute_command(line, timeout=timeout)
        except (SMTPException, OSError) as error:
            raise self._broken(phase, error) from error
        return self._heard(raw, recipient_id)

    async def send_content(self, pieces: Iterable[bytes], size: int) -> SmtpReply:
        """Send what follows 354 and return the reply to the final dot.

        The last of `pieces` must hold the final dot. A refusal that comes
        early is returned as it is, and the connection is of no more use.
        """
        least_rate = max(self._timeouts.slowest, 1.0)
        self._protocol.expect_reply()
        phase = Phase.CONTENT
        try:
            async with asyncio.timeout(self._timeouts.block + size / least_rate):
                all_sent = await self._send_pieces(pieces)
            phase = Phase.FINAL_DOT if all_sent else Phase.CONTENT
            raw = await self._protocol.read_response(timeout=self._timeouts.final_dot)
        except (SMTPException, OSError) as error:
            broken = self._broken(phase, error)
            broken.ambiguous = phase is Phase.FINAL_DOT
            raise broken from error
        reply = self._heard(raw)
        if not all_sent:
            self.abort()
            if reply.code < 400:
                raise self._broken(phase, Garbled("an answer before the end of the message"))
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

    async def close(self) -> None:
        """QUIT, briefly, and hang up. Never raises for what the far side does."""
        try:
            if self._protocol.is_connected and not self._protocol.out_of_step:
                await self.command(Phase.RESET, b"QUIT", self._timeouts.quit)
        except SessionBroken:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Hang up at once."""
        if self._protocol.transport is not None:
            cast(asyncio.WriteTransport, self._protocol.transport).abort()

    async def _send_pieces(self, pieces: Iterable[bytes]) -> bool:
        """Whether everything was written; False as soon as the server answers early."""
        waiting: bytes | None = None
        for piece in pieces:
            if waiting is not None:
                await self._write(waiting)
                if self._protocol.has_answered:
                    return False
            waiting = piece
        await asyncio.sleep(0)  # read what is there before the dot makes it final
        if self._protocol.has_answered:
            return False
        self._protocol.write(waiting or b"")
        return True

    async def _write(self, piece: bytes) -> None:
        self._protocol.write(piece)
        await asyncio.sleep(0)  # others have work too while this server takes all we give
        async with asyncio.timeout(self._timeouts.block):
            await self._protocol.may_write.wait()

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
                    ssl=_tls_context(self._verifies) if implicit else None,
                    server_hostname=self._tls_name if implicit else None,
                )
        except (OSError, ValueError) as error:
            enhanced = "4.7.5" if isinstance(error, ssl.SSLError) else "4.4.1"
            raise SessionBroken(Phase.CONNECT, our_reply(enhanced, f"{hop}: {_what(error)}")) from error
        self._note_tls()
        try:
            raw = await self._protocol.read_response(timeout=self._timeouts.banner)
        except (SMTPException, OSError) as error:
            raise self._broken(Phase.BANNER, error) from error
        self._must(Phase.BANNER, self._heard(raw))

    async def greet(self) -> None:
        """EHLO, or HELO to a server that does not know it; afterwards `extensions` holds."""
        name = self._settings.hostname.encode("ascii")
        reply = await self.command(Phase.HELLO, b"EHLO " + name, self._timeouts.hello)
        if reply.is_permanent:
            reply = await self.command(Phase.HELLO, b"HELO " + name, self._timeouts.hello)
            self.extensions, self._auth_methods = {}, []
        else:
            self.extensions, self._auth_methods = parse_esmtp_extensions(reply.text)
        self._must(Phase.HELLO, reply)

    async def start_tls(self) -> None:
        """STARTTLS and a new greeting; raises HandshakeFailed when the handshake does not succeed."""
        self._check_in_step(Phase.STARTTLS)
        self.trail.said("STARTTLS")
        try:
            raw = await self._protocol.start_tls(
                _tls_context(self._verifies), self._tls_name, self._timeouts.handshake
            )
        except SMTPResponseException as error:
            reply = self._heard(SMTPResponse(error.code, error.message))
            raise SessionBroken(Phase.STARTTLS, reply) from error
        except Garbled as error:
            raise self._broken(Phase.STARTTLS, error) from error
        except (SMTPException, OSError, ValueError) as error:
            raise self._no_handshake(_what(error)) from error
        self._heard(raw)
        if self._protocol.out_of_step:
            raise self._no_handshake("text behind the 220, before the handshake")
        self._note_tls()
        await self.greet()

    async def authenticate(self, login: str, password: str) -> None:
        """AUTH PLAIN or LOGIN, only inside TLS; neither secret is ever in the trail."""
        if self.tls is None:
            raise SessionBroken(Phase.AUTH, our_reply("4.7.0", "no TLS, so no password"))
        if "plain" in self._auth_methods:
            secret = base64.b64encode(f"\0{login}\0{password}".encode())
            reply = await self._auth(b"AUTH PLAIN " + secret, "AUTH PLAIN …")
        elif "login" in self._auth_methods:
            reply = await self._auth(b"AUTH LOGIN", "AUTH LOGIN")
            for text, shown in ((login, "(login)"), (password, "(password)")):
                if reply.code == 334:
                    reply = await self._auth(base64.b64encode(text.encode()), shown)
        else:
            raise SessionBroken(Phase.AUTH, our_reply("4.7.0", "the server offers neither PLAIN nor LOGIN"))
        self._must(Phase.AUTH, reply)

    async def _auth(self, line: bytes, shown: str) -> SmtpReply:
        return await self.command(Phase.AUTH, line, self._timeouts.hello, shown=shown)

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
        transport = self._protocol.transport
        channel = transport.get_extra_info("ssl_object") if transport is not None else None
        if channel is not None:
            cipher = channel.cipher()
            self.tls = TlsFacts(channel.version() or "?", cipher[0] if cipher else "?", self._verifies)
            self.trail.note(f"TLS: {self.tls}")

    def _heard(self, raw: SMTPResponse, recipient_id: int | None = None) -> SmtpReply:
        reply = SmtpReply.read(raw.code, raw.message)
        for line in reply.lines():
            self.trail.heard(line, recipient_id)
        return reply

    def _must(self, phase: Phase, reply: SmtpReply) -> None:
        if not is_yes(phase, reply):
            raise SessionBroken(phase, reply)

    def _check_in_step(self, phase: Phase) -> None:
        if self._protocol.out_of_step:
            raise self._broken(phase, Garbled("an answer that nothing had asked for"))

    def _broken(self, phase: Phase, error: BaseException) -> SessionBroken:
        """A SessionBroken for what the socket or the protocol said; the connection ends here."""
        self.abort()
        where = f"{self.hop} at {phase.value}"
        if isinstance(error, Garbled):
            reply = our_reply("4.5.0", f"{where}: {error}")
        elif isinstance(error, (TimeoutError, SMTPTimeoutError)):
            reply = our_reply("4.4.2", f"{where}: no answer in time")
        else:
            reply = our_reply("4.4.2", f"{where}: the connection was closed")
        self.trail.note(reply.text)
        return SessionBroken(phase, reply)

    def _no_handshake(self, why: str) -> HandshakeFailed:
        self.abort()
        self.trail.note(f"TLS handshake failed: {why}")
        return HandshakeFailed(Phase.STARTTLS, our_reply("4.7.5", f"{self.hop}: TLS handshake failed: {why}"))


@cache
def _tls_context(verify: bool) -> ssl.SSLContext:
    """Verified as a browser would, or any certificate at all: better than plain text (RFC 7435)."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def _what(error: BaseException) -> str:
    if isinstance(error, (TimeoutError, SMTPTimeoutError)):
        return "no answer in time"
    return (str(error) or type(error).__name__).split("\n")[0][:200]
