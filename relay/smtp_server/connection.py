"""The connection below an SMTP session: octets in, replies out, TLS. The one user of aiosmtpd.

aiosmtpd carries connection, stream and PROXY header. What it says and
understands itself is replaced: its address parser decodes encoded-words, its
exceptions answer 500 with their text, its DATA costs a list entry for each
line, and a client that hangs up cancels what it has under way.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from typing import Any

from aiosmtpd.proxy_protocol import get_proxy
from aiosmtpd.smtp import SMTP

from relay.replies import SmtpReply
from relay.smtp_server.incoming import Incoming
from relay.smtp_server.session import IpAddress, TlsFacts, unmapped

_UNSENT_LIMIT = 65536
_PROXY_TIMEOUT = 5.0
_LONGEST_LINE = 510  # octets of a reply line before its CRLF (RFC 5321 §4.5.3.1.5)
_PRINTABLE = {**{code: "?" for code in range(32)}, 127: "?", 9: " "}

# Below warnings it logs what clients say.
for _name in ("mail.log", "mail.debug"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class HungUp(Exception):
    """The client is gone, or says nothing more."""


class Interrupted(Exception):
    """A wait for the client was cut short by `SmtpConnection.interrupt`."""


class _Unsearched:
    """aiosmtpd looks for commands among all attributes of each connection and its handler: here are none."""

    def __dir__(self) -> tuple[str, ...]:
        return ()


_NO_HANDLER = _Unsearched()


class SmtpConnection(_Unsearched, SMTP):
    """One accepted connection; `converse` is run once over it and closes it by returning."""

    def __init__(
        self, hostname: str, write_timeout: float, converse: Callable[["SmtpConnection"], Awaitable[None]]
    ) -> None:
        # Without a host name aiosmtpd asks the resolver, and blocks.
        super().__init__(_NO_HANDLER, hostname=hostname, loop=asyncio.get_running_loop())
        self._converse = converse
        self._write_timeout = write_timeout
        self._unsent = bytearray()
        self._incoming = Incoming(self.loop, self._hold_client)
        self._header_reader: asyncio.StreamReader | None = None
        self._interrupted = False

    def get_peer(self) -> tuple[IpAddress, int]:
        """The address and port at the other end; raises ValueError when there is none any more."""
        name = self.transport.get_extra_info("peername") if self.transport else None
        if not isinstance(name, tuple):
            raise ValueError("no peer")
        return unmapped(name[0]), name[1]

    def find_tls(self) -> TlsFacts | None:
        secured = self.transport.get_extra_info("ssl_object") if self.transport else None
        if secured is None:
            return None
        return TlsFacts(secured.version() or "", (secured.cipher() or ("",))[0])

    async def receive(self, timeout: float) -> bytes:
        """The next octets, after sending what is unsent.

        Raises TimeoutError, HungUp, or Interrupted.
        """
        await self.flush()
        if self._interrupted:
            raise Interrupted
        try:
            octets = await self._incoming.next(timeout)
        except TimeoutError:
            if self._interrupted:
                raise Interrupted from None
            raise
        if not octets:
            raise HungUp
        return octets

    def interrupt(self) -> None:
        """End the present and every later wait for the client."""
        self._interrupted = True
        self._incoming.give_up()

    def reply(self, reply: SmtpReply) -> None:
        """Say this, at the latest before the next wait."""
        self._unsent += _wire_form(reply)

    def say(self, *lines: str) -> None:
        """Lines of a reply as they stand on the wire, made harmless and short enough."""
        self._unsent += _harmless(lines)

    async def flush(self) -> None:
        """Send what is unsent; raises HungUp when nobody takes it."""
        if not self._unsent:
            return
        transport = self._writer.transport
        if self.transport is None or transport.is_closing():
            raise HungUp
        transport.write(bytes(self._unsent))
        self._unsent.clear()
        if transport.get_write_buffer_size() > _UNSENT_LIMIT:
            await self._drain()

    async def start_tls(self, context: ssl.SSLContext, timeout: float) -> None:
        """Go on under TLS; raises HungUp when the handshake fails.

        Octets that came before the handshake are forgotten (RFC 3207 §4.2):
        from here on they could be somebody else's.
        """
        await self.flush()
        self._incoming.take()
        try:
            await self._writer.start_tls(context, ssl_handshake_timeout=timeout)
        except (OSError, ssl.SSLError, AttributeError) as error:
            self.abort()
            self.transport = None  # after a handshake that timed out nobody tells us of the end
            raise HungUp("TLS handshake failed") from error
        self.transport = self._writer.transport

    async def read_proxy_header(self) -> tuple[IpAddress, int] | None:
        """The client that a trusted proxy speaks for, None when it speaks for itself.

        Raises HungUp when there is no valid header.
        """
        reader = self._header_reader = asyncio.StreamReader(loop=self.loop)
        reader.feed_data(self._incoming.take())
        try:
            async with asyncio.timeout(_PROXY_TIMEOUT):
                header = await get_proxy(reader)
        except (TimeoutError, EOFError, OSError) as error:
            raise HungUp("no PROXY header") from error
        finally:
            self._header_reader = None
        self._incoming.feed(bytes(reader._buffer))  # type: ignore[attr-defined]  # what came behind it
        if not header:
            raise HungUp("bad PROXY header")
        if header.src_addr is None:
            return None
        if isinstance(header.src_addr, (str, bytes, bytearray)):
            raise HungUp("PROXY header names no IP address")
        return unmapped(str(header.src_addr)), header.src_port or 0

    def abort(self) -> None:
        """Drop the connection; what is unsent is lost."""
        if self.transport is not None:
            self._writer.transport.abort()

    async def _handle_client(self) -> None:
        try:
            await self._converse(self)
            with contextlib.suppress(HungUp):
                await self.flush()
        finally:
            self._incoming.close()
            if self.transport is not None:
                self.transport.close()
                await self._writer.wait_closed()

    def data_received(self, octets: bytes) -> None:
        if self._header_reader is not None:
            self._header_reader.feed_data(octets)
        else:
            self._incoming.feed(octets)

    def eof_received(self) -> bool:
        """A client that only closes its own side still gets its replies, where there is no TLS."""
        self._end_input()
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is None

    def connection_lost(self, error: Exception | None) -> None:
        self._end_input()  # a reset is an end like any other
        super().connection_lost(None)

    def _end_input(self) -> None:
        self._incoming.end()
        if self._header_reader is not None:
            self._header_reader.feed_eof()

    def _hold_client(self, hold: bool) -> None:
        """Let the kernel's buffers fill up while what was sent is not read."""
        transport = self.transport
        if not isinstance(transport, asyncio.ReadTransport) or transport.is_closing():
            return
        if hold:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _reset_timeout(self, duration: float | None = None) -> None:
        """aiosmtpd's timer is for one command; ours are at each wait."""
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_later(0, _nothing)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._write_timeout):
                await self._writer.drain()
        except (TimeoutError, OSError) as error:
            self.abort()
            raise HungUp("does not read our replies") from error


@lru_cache(maxsize=256)
def _wire_form(reply: SmtpReply) -> bytes:
    """Most replies are the same few."""
    return _harmless(reply.lines())


def _harmless(lines: Iterable[str]) -> bytes:
    octets = (line.translate(_PRINTABLE).encode("ascii", "replace") for line in lines)
    return b"".join(line[:_LONGEST_LINE] + b"\r\n" for line in octets)


def _nothing(*_: Any) -> None:
    """Stands where aiosmtpd wants a timer."""
