"""Ask rspamd what it thinks of a message: POST /checkv2 of its normal worker.

It sees the message as it came, and what the session told of the client. It is
waited for no longer than `timeout`; when it cannot be asked there is no verdict.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from urllib.parse import SplitResult, urlsplit

import h11
import msgspec

from inbound.screening import SpamVerdict
from relay.message.content import Content
from relay.message.envelope import Envelope
from relay.version import __version__

logger = logging.getLogger("posthouse.inbound")

_SPAM = frozenset({"reject", "add header", "rewrite subject"})
_ANSWER_LIMIT = 1 << 20
_CHUNK = 65536
_SYMBOLS_KEPT = 100
_RECIPIENTS_TOLD = 50

Fields = list[tuple[str, str]]


class NoVerdict(Exception):
    """The filter answered, but with no verdict."""


class _Answer(msgspec.Struct):
    action: str
    score: float = 0.0
    symbols: dict[str, msgspec.Raw] = {}


@dataclass(frozen=True, slots=True)
class SpamFilter:
    """One rspamd, at the base `url` of its normal worker (such as http://127.0.0.1:11333)."""

    url: str
    timeout: timedelta = timedelta(seconds=5)

    async def judge(
        self, envelope: Envelope, content: Content, *, client: str, helo: str, session_id: str
    ) -> SpamVerdict | None:
        """What the filter says of this message, or None when it says nothing in time; never raises."""
        about = [("IP", client), ("Helo", helo), ("Queue-Id", session_id)]
        about.append(("From", str(envelope.reverse_path)))
        about += [("Rcpt", str(each.address)) for each in envelope.recipients[:_RECIPIENTS_TOLD]]
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                return _verdict(await self._ask(content, about))
        except TimeoutError:
            logger.warning("%s the spam filter did not answer in time", session_id)
        except (OSError, h11.ProtocolError, msgspec.DecodeError, NoVerdict) as trouble:
            logger.warning("%s the spam filter gave no verdict: %s", session_id, type(trouble).__name__)
        return None

    async def _ask(self, content: Content, about: Fields) -> bytes:
        target = urlsplit(self.url)
        tls = _verifying_context() if target.scheme == "https" else None
        port = target.port or (443 if tls else 80)
        reader, writer = await asyncio.open_connection(target.hostname, port, ssl=tls)
        try:
            connection = h11.Connection(h11.CLIENT)
            await _send(connection, writer, _request(target, content, about), content)
            return await _read_answer(connection, reader)
        finally:
            # Not closed politely: a filter that hangs would be waited for.
            writer.transport.abort()


@cache
def _verifying_context() -> ssl.SSLContext:
    """Made once: it reads the authorities of the system."""
    return ssl.create_default_context()


def _request(target: SplitResult, content: Content, about: Fields) -> h11.Request:
    fields: Fields = [
        ("Host", target.netloc.rpartition("@")[2]),
        ("User-Agent", f"Posthouse/{__version__}"),
        ("Content-Length", str(len(content.header) + 2 + content.body.size)),
        ("Connection", "close"),
        *about,
    ]
    return h11.Request(
        method="POST",
        target=f"{target.path.rstrip('/')}/checkv2",
        headers=[(name.encode(), value.encode()) for name, value in fields],
    )


async def _send(
    connection: h11.Connection, writer: asyncio.StreamWriter, request: h11.Request, content: Content
) -> None:
    writer.write(connection.send(request) or b"")
    pieces = _pieces(content)
    while piece := await _off_the_loop(lambda: next(pieces, b""), content):
        writer.write(connection.send(h11.Data(data=piece)) or b"")
        await writer.drain()
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()


def _pieces(content: Content) -> Iterator[bytes]:
    yield content.header + b"\r\n"
    yield from content.body.chunks(_CHUNK)


async def _off_the_loop(read: Callable[[], bytes], content: Content) -> bytes:
    """What `read` returns; a body in a file is read in a thread."""
    return read() if content.body.file is None else await asyncio.to_thread(read)


async def _read_answer(connection: h11.Connection, reader: asyncio.StreamReader) -> bytes:
    """The body of a 200; raises NoVerdict for any other answer."""
    body = bytearray()
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response) and event.status_code != 200:
            raise NoVerdict(f"status {event.status_code}")
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.ConnectionClosed) or len(body) > _ANSWER_LIMIT:
            raise NoVerdict("the answer is too long, or has no end")
    return bytes(body)


def _verdict(answer: bytes) -> SpamVerdict:
    read = msgspec.json.decode(answer, type=_Answer)
    return SpamVerdict(
        action=read.action,
        score=read.score,
        symbols=_names(sorted(read.symbols)),
        is_spam=read.action in _SPAM,
    )


def _names(symbols: Sequence[str]) -> tuple[str, ...]:
    return tuple(symbols[:_SYMBOLS_KEPT])
