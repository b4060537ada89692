"""One SMTP conversation with one far server: dialling, greeting, TLS, commands, content.

Of aiosmtplib, whose home is here and in `protocol`, we use the protocol, a
command at a time: its message-level calls parse addresses, rewrite line ends
and hold whole messages. Every wait has a deadline, and every way in which a
conversation can break is a `SessionBroken`.
"""

import asyncio
import re
import ssl
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import cast

from aiosmtplib.errors import SMTPException, SMTPResponseException, SMTPTimeoutError
from aiosmtplib.esmtp import parse_esmtp_extensions
from aiosmtplib.response import SMTPResponse

from relay.clock import Clock
from relay.delivery.breaks import HandshakeFailed, SessionBroken, our_reply, puzzled_by
from relay.delivery.classify import is_puzzling, is_yes
from relay.delivery.commands import Command
from relay.delivery.content import send_pieces
from relay.delivery.outcome import Phase
from relay.delivery.protocol import Garbled, ReplyReader
from relay.delivery.route import Hop
from relay.delivery.settings import DeliverySettings
from relay.delivery.smarthost import TlsUse
from relay.delivery.tls import TlsFacts, find_tls, tls_context
from relay.delivery.trail import Trail
from relay.failpoints import ARMED, reach, reach_soon
from relay.replies import SmtpReply

_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
_SHORT = 100  # characters of a reply that may be kept


class Connection:
    """A greeted server, ready for MAIL. Open it with `opening.open_connection`, end it with `close`."""

    def __init__(self, hop: Hop, settings: DeliverySettings, clock: Clock, trail: Trail) -> None:
        self.hop = hop
        self.trail = trail
        self.tls: TlsFacts | None = None
        self.extensions: dict[str, str] = {}
        self.auth_methods: list[str] = []
        self.messages_sent = 0
        self.may_pipeline = True
        self.lost_step = False  # when several commands were sent together
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
    def pipelines(self) -> bool:
        """Whether commands may be sent together here."""
        return self.may_pipeline and self.offers("pipelining")

    @property
    def size_limit(self) -> int | None:
        """The advertised greatest message size in octets, None when there is none (RFC 1870 §4)."""
        text = self.extensions.get("size", "").strip()
        return int(text) or None if text.isascii() and text.isdigit() and len(text) < 20 else None

    async def command(self, phase: Phase, line: bytes, timeout: float, *, shown: str = "") -> SmtpReply:
        """Send one line and return its reply; raises SessionBroken when none comes, or none can be read."""
        command = Command(phase, line, timeout)
        self._ask([command], shown)
        return await self._answer(command)

    async def together(self, commands: Sequence[Command]) -> list[SmtpReply]:
        """Send the commands in one write and return their replies, in order (RFC 2920 §3.1).

        After a 421 nothing more is read, and the connection has ended. Raises
        SessionBroken, whose `before` holds the replies that count all the
        same. None count where it is in doubt which reply belongs to which of
        several commands: then we have `lost_step`.
        """
        self._ask(commands)
        replies: list[SmtpReply] = []
        try:
            for command in commands:
                reply = await self._answer(command)
                if len(commands) > 1:
                    self._check_fits(command.phase, reply)
                replies.append(reply)
                if reply.code == 421:
                    self.abort()
                    return replies
            if len(commands) > 1:
                self._check_in_step(commands[-1].phase)
        except SessionBroken as broken:
            if not broken.in_doubt:
                broken.before = tuple(replies)
            self.lost_step = broken.in_doubt and bool(replies)
            raise
        return replies

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
                all_sent = await send_pieces(self._protocol, pieces, self._timeouts.block)
            phase = Phase.FINAL_DOT if all_sent else Phase.CONTENT
            if ARMED and all_sent:
                reach_soon("delivery.dot")
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

    def require(self, phase: Phase, reply: SmtpReply) -> None:
        """Raises SessionBroken unless the reply is the success that belongs to the phase."""
        if not is_yes(phase, reply):
            raise SessionBroken(phase, reply)

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
                self._ask([Command(Phase.RESET, b"QUIT", self._timeouts.quit)])
                self._heard(await self._protocol.read_response(timeout=self._timeouts.quit))
        except (SessionBroken, SMTPException, OSError):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Hang up at once."""
        if self._protocol.transport is not None:
            cast(asyncio.WriteTransport, self._protocol.transport).abort()

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
            raise SessionBroken(Phase.CONNECT, our_reply(enhanced, f"{hop}: {_what(error)}")) from error
        self._note_tls()
        try:
            raw = await self._protocol.read_response(timeout=self._timeouts.banner)
        except (SMTPException, OSError) as error:
            raise self._broken(Phase.BANNER, error) from error
        self.require(Phase.BANNER, self._heard(raw))

    async def greet(self) -> None:
        """EHLO, or HELO to a server that does not know it; afterwards `extensions` holds."""
        name = self._settings.hostname.encode("ascii")
        reply = await self.command(Phase.HELLO, b"EHLO " + name, self._timeouts.hello)
        if reply.is_permanent:
            reply = await self.command(Phase.HELLO, b"HELO " + name, self._timeouts.hello)
            self.extensions, self.auth_methods = {}, []
        else:
            self.extensions, self.auth_methods = parse_esmtp_extensions(reply.text)
        self.require(Phase.HELLO, reply)
        if ARMED:
            reach("delivery.connected")

    async def start_tls(self) -> None:
        """STARTTLS and a new greeting; raises HandshakeFailed when the handshake does not succeed."""
        self._check_in_step(Phase.STARTTLS)
        self.trail.said("STARTTLS")
        try:
            raw = await self._protocol.start_tls(
                tls_context(self._verifies), self._tls_name, self._timeouts.handshake
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

    def _ask(self, commands: Sequence[Command], shown: str = "") -> None:
        self._check_in_step(commands[0].phase)
        lines = [command.line for command in commands]
        if _CONTROLS.search(b"".join(lines)):
            raise ValueError("a command holds a control character")
        for command in commands:
            self.trail.said(shown or command.line.decode("utf-8", "replace"), command.recipient_id)
        try:
            self._protocol.ask(lines)
        except (SMTPException, OSError) as error:
            raise self._broken(commands[0].phase, error) from error

    async def _answer(self, command: Command) -> SmtpReply:
        try:
            raw = await self._protocol.read_response(timeout=command.timeout)
        except (SMTPException, OSError) as error:
            raise self._broken(command.phase, error) from error
        return self._heard(raw, command.recipient_id)

    def _heard(self, raw: SMTPResponse, recipient_id: int | None = None) -> SmtpReply:
        reply, lines = (_read_short if len(raw.message) < _SHORT else _read)(raw)
        for line in lines:
            self.trail.heard(line, recipient_id)
        return reply

    def _check_fits(self, phase: Phase, reply: SmtpReply) -> None:
        """A yes of another kind than was asked for belongs to another command."""
        if is_puzzling(phase, reply):
            self.abort()
            broken = SessionBroken(phase, puzzled_by(reply))
            broken.in_doubt = True
            raise broken

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
        broken = SessionBroken(phase, reply)
        broken.in_doubt = isinstance(error, (Garbled, TimeoutError, SMTPTimeoutError))
        return broken

    def _no_handshake(self, why: str) -> HandshakeFailed:
        self.abort()
        self.trail.note(f"TLS handshake failed: {why}")
        return HandshakeFailed(Phase.STARTTLS, our_reply("4.7.5", f"{self.hop}: TLS handshake failed: {why}"))


def _what(error: BaseException) -> str:
    if isinstance(error, (TimeoutError, SMTPTimeoutError)):
        return "no answer in time"
    return (str(error) or type(error).__name__).split("\n")[0][:200]


def _read(raw: SMTPResponse) -> tuple[SmtpReply, list[str]]:
    reply = SmtpReply.read(*raw)
    return reply, reply.lines()


_read_short = lru_cache(maxsize=256)(_read)  # servers say the same few things over and over
