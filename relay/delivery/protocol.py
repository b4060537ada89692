"""What travels on the socket of a far server: replies in, read strictly; commands and content out.

aiosmtplib's protocol for the socket and its handshake, with a reader of our
own: replies may be due for several commands at once (RFC 2920), and what
nobody asked for, or what is no SMTP, ends the use of the connection (RFC 5321
§4.2).
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from ssl import SSLContext

from aiosmtplib.errors import SMTPException, SMTPReadTimeoutError, SMTPServerDisconnected
from aiosmtplib.esmtp import parse_esmtp_extensions
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

from relay.delivery.breaks import NotSmtp
from relay.delivery.reply_reader import take_reply


class Garbled(SMTPException):
    """NotSmtp, as aiosmtplib passes it on."""


def read_extensions(text: str) -> tuple[dict[str, str], list[str]]:
    """What the reply to EHLO offers: extensions with their parameters, and ways to log in."""
    return parse_esmtp_extensions(text)


class ReplyReader(SMTPProtocol):
    """Keeps the replies that are due until they are read, in order.

    What is no reply, or was not asked for, puts us `out_of_step` for good.
    """

    def __init__(self) -> None:
        self._replies: deque[SMTPResponse] = deque()
        self._due = 1  # the banner
        self._end: SMTPException | None = None  # why nothing further will be read
        self._reader: asyncio.Future[None] | None = None
        super().__init__(asyncio.get_running_loop())
        self.out_of_step = False
        self.may_write = asyncio.Event()
        self.may_write.set()

    @property
    def has_answered(self) -> bool:
        """Whether a reply, or the end of the connection, waits to be read."""
        return bool(self._replies) or self._end is not None

    def expect_reply(self) -> None:
        """From now on what arrives is an answer."""
        self._due += 1

    def ask(self, lines: Sequence[bytes]) -> None:
        """Send command lines as one piece; a reply is due for each of them."""
        self._due += len(lines)
        self.write(b"\r\n".join((*lines, b"")))

    async def read_response(self, timeout: float | None = None) -> SMTPResponse:
        """The next reply that is due, within `timeout` seconds as a whole.

        Replies that came before the connection ended are still read.
        """
        if not self.has_answered:
            await self._arrival(timeout)
        if self._replies:
            return self._replies.popleft()
        raise self._end or SMTPReadTimeoutError("no reply in time")

    async def start_tls(
        self, tls_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> SMTPResponse:
        """STARTTLS and its handshake."""
        self.expect_reply()
        return await super().start_tls(tls_context, server_hostname, timeout)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._response_waiter = None  # replies are kept here, not there

    def data_received(self, data: bytes) -> None:
        if self._end is not None:
            return
        if not self._due:
            self.out_of_step = True
            return
        self._buffer.extend(data)
        try:
            while self._due and (reply := take_reply(self._buffer)) is not None:
                self._due -= 1
                self._replies.append(SMTPResponse(*reply))
        except NotSmtp as error:
            self.out_of_step = True
            self._end = Garbled(str(error))
        if self._buffer and not self._due:
            self.out_of_step = True
            del self._buffer[:]
        self._wake()

    def eof_received(self) -> bool:
        self._disconnect(None)
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._disconnect(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.may_write.clear()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.may_write.set()

    def _disconnect(self, cause: Exception | None) -> None:
        if self._end is None:
            self._end = SMTPServerDisconnected("the connection was closed")
            self._end.__cause__ = cause
        self._wake()

    def _wake(self) -> None:
        """Whoever reads, or is sending content, should look at what has come."""
        if not self.has_answered:
            return
        self.may_write.set()
        self._release()

    def _release(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def _arrival(self, timeout: float | None) -> None:
        """Wait until something has come, or the time is over."""
        self._reader = self._loop.create_future()
        timer = None if timeout is None else self._loop.call_later(timeout, self._release)
        try:
            await self._reader
        finally:
            self._reader = None
            if timer is not None:
                timer.cancel()
