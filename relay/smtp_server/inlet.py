"""Cut what a client sends into command lines and message content.

Commands end in CRLF and content ends in CRLF.CRLF, and in nothing else: a
lone CR or LF never separates anything (RFC 5321 §2.3.8, §4.1.1.4). What a
client sends ahead (RFC 2920) stays here until its turn.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

_END_OF_DATA = b"\r\n.\r\n"
_TLS_HANDSHAKE = b"\x16\x03"


class BadLine(Exception):
    """The client does not speak SMTP, or not any more; the text is for the client."""


class Inlet:
    """Reads through `receive`, which returns the next octets and raises when there are none."""

    def __init__(self, receive: Callable[[float], Awaitable[bytes]]) -> None:
        self._receive = receive
        self._buffer = bytearray()

    @property
    def in_memory(self) -> int:
        """Octets that were received and not yet asked for."""
        return len(self._buffer)

    def clear(self) -> None:
        """Forget what was sent ahead, as RFC 3207 §4.2 asks before a TLS handshake."""
        self._buffer.clear()

    async def line(self, timeout: Callable[[], float], limit: int, auth_limit: int) -> bytes:
        """The next command line without its CRLF; `timeout` is asked before each wait, and may raise.

        Raises BadLine for a line that is too long, ends in a bare LF or
        begins like TLS. `auth_limit` is for lines that begin with AUTH.
        """
        looked = 0
        while (end := self._buffer.find(b"\n", looked)) < 0:
            looked = len(self._buffer)
            self._check_beginning(looked, limit, auth_limit)
            self._buffer += await self._receive(timeout())
        self._check_beginning(end + 1, limit, auth_limit)
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if not line.endswith(b"\r\n"):
            raise BadLine("Line ends in a bare line feed")
        return line[:-2]

    async def content(self, timeout: Callable[[int], float]) -> AsyncIterator[bytes]:
        """The octets of a message in pieces, dots unstuffed, up to its end.

        `timeout` is asked before each wait, is told how many octets came so
        far, and may raise. What follows the end stays for the next line.
        """
        before, octets = b"\r\n", 0  # the line end of the DATA command begins the first line
        while True:
            window = before + self._buffer
            end = window.find(_END_OF_DATA)
            if end >= 0:
                self._buffer = bytearray(window[end + 5 :])
                if piece := _unstuffed(window[: end + 2], len(before)):
                    yield piece
                return
            # The last four octets may be the beginning of the end.
            cut = max(len(before), len(window) - 4)
            piece = _unstuffed(window[:cut], len(before))
            before, self._buffer = window[cut - 2 : cut], bytearray(window[cut:])
            if piece:
                yield piece
            received = await self._receive(timeout(octets))
            octets += len(received)
            self._buffer += received

    def _check_beginning(self, length: int, limit: int, auth_limit: int) -> None:
        if self._buffer.startswith(_TLS_HANDSHAKE):
            raise BadLine("TLS begins with STARTTLS here")
        if length > (auth_limit if self._buffer[:4].upper() == b"AUTH" else limit):
            raise BadLine("Line too long")


def _unstuffed(window: bytes, skip: int) -> bytes:
    """Without the dot that begins a line (RFC 5321 §4.5.2); the first `skip` octets are context."""
    return window.replace(b"\r\n.", b"\r\n")[skip:]
