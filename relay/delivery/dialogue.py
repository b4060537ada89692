"""What is said and heard on the socket of one far server: commands, their replies, content.

Of aiosmtplib, whose home is here and in `protocol`, we use the protocol, a
command at a time: its message-level calls parse addresses, rewrite line ends
and hold whole messages. Every wait has a deadline, every line stands in the
trail, and every way in which a conversation can break is a `SessionBroken`.
"""

import asyncio
import re
import ssl
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import cast

from aiosmtplib.errors import SMTPException, SMTPResponseException, SMTPTimeoutError
from aiosmtplib.response import SMTPResponse

from relay.delivery.breaks import HandshakeFailed, SessionBroken, our_reply, puzzled_by
from relay.delivery.classify import is_puzzling, is_yes
from relay.delivery.commands import Command
from relay.delivery.content import send_pieces
from relay.delivery.outcome import Phase
from relay.delivery.protocol import Garbled, ReplyReader
from relay.delivery.route import Hop
from relay.delivery.settings import Timeouts
from relay.delivery.trail import Trail
from relay.failpoints import ARMED, reach_soon
from relay.replies import SmtpReply

_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
_SHORT = 100  # characters of a reply that may be kept


class Dialogue:
    """Asks, and hears what is answered; who is asked what is for a `Connection` to say."""

    def __init__(self, hop: Hop, timeouts: Timeouts, trail: Trail) -> None:
        self.hop = hop
        self.trail = trail
        self.lost_step = False  # when several commands were sent together
        self._timeouts = timeouts
        self._protocol = ReplyReader()

    async def command(self, phase: Phase, line: bytes, timeout: float, *, shown: str = "") -> SmtpReply:
        """Send one line and return its reply; raises SessionBroken when none comes, or none can be read."""
        self._ask([Command(phase, line, timeout)], shown)
        return await self.hear(phase, timeout)

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
                reply = await self.hear(command.phase, command.timeout, command.recipient_id)
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

    async def hear(self, phase: Phase, timeout: float, recipient_id: int | None = None) -> SmtpReply:
        """The next reply; raises SessionBroken when none comes, or none can be read."""
        try:
            raw = await self._protocol.read_response(timeout=timeout)
        except (SMTPException, OSError) as error:
            raise self._broken(phase, error) from error
        return self._heard(raw, recipient_id)

    async def send(self, pieces: Iterable[bytes], size: int) -> SmtpReply:
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
        return reply

    def require(self, phase: Phase, reply: SmtpReply) -> None:
        """Raises SessionBroken unless the reply is the success that belongs to the phase."""
        if not is_yes(phase, reply):
            raise SessionBroken(phase, reply)

    async def shake_hands(self, context: ssl.SSLContext, name: str) -> None:
        """STARTTLS and its handshake; raises HandshakeFailed when that does not succeed."""
        self._check_in_step(Phase.STARTTLS)
        self.trail.said("STARTTLS")
        try:
            raw = await self._protocol.start_tls(context, name, self._timeouts.handshake)
        except SMTPResponseException as error:
            reply = self._heard(SMTPResponse(error.code, error.message))
            raise SessionBroken(Phase.STARTTLS, reply) from error
        except Garbled as error:
            raise self._broken(Phase.STARTTLS, error) from error
        except (SMTPException, OSError, ValueError) as error:
            raise self._no_handshake(said_by(error)) from error
        self._heard(raw)
        if self._protocol.out_of_step:
            raise self._no_handshake("text behind the 220, before the handshake")

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


def said_by(error: BaseException) -> str:
    """One line of what a socket or a handshake says of its trouble."""
    if isinstance(error, (TimeoutError, SMTPTimeoutError)):
        return "no answer in time"
    return (str(error) or type(error).__name__).split("\n")[0][:200]


def _read(raw: SMTPResponse) -> tuple[SmtpReply, list[str]]:
    reply = SmtpReply.read(*raw)
    return reply, reply.lines()


_read_short = lru_cache(maxsize=256)(_read)  # servers say the same few things over and over
