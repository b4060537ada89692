"""One post: an HTTP/1.1 exchange (RFC 9112) with the address that was judged, and with no other.

The name is looked up once, all its addresses are judged, and one of them is
dialled; TLS and the Host field keep the name. No redirect is followed, no
proxy asked. The whole exchange has one deadline, the answer a size.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeAlias

import h11

from relay.clock import Clock
from relay.errors import InvalidInput, PosthouseError
from relay.resolver import IpAddress, NameDoesNotExist, NoSuchRecord, ResolutionError
from relay.store.text import storable
from relay.version import __version__
from relay.webhooks.retry_after import read_retry_after
from relay.webhooks.targets import Target, is_allowed, read_url

ANSWER_READ = 64 << 10
ANSWER_KEPT = 1 << 10
ADDRESSES_TRIED = 4
_CHUNK = 16 << 10
_HEADER_LIMIT = 16 << 10
_ANSWERS_TO_WAIT = (429, 503)

Headers: TypeAlias = Sequence[tuple[str, str]]
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# Address, port, TLS or none, and the name that the certificate must have.
Dial: TypeAlias = Callable[[IpAddress, int, ssl.SSLContext | None, str], Awaitable[Streams]]


class AddressBook(Protocol):
    """What is needed of `relay.resolver.Resolver`."""

    async def addresses(self, host: str) -> tuple[IpAddress, ...]: ...


class NotPosted(PosthouseError):
    """There was no whole answer; the text says why, for the endpoint's owner."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one post. `error` is None exactly if the endpoint took it.

    `status` is None without an answer; `answer` is its first KiB as text.
    `retry_after` is how long it asked us to wait.
    """

    status: int | None = None
    answer: str = field(default="", repr=False)
    error: str | None = None
    duration: timedelta = timedelta()
    retry_after: timedelta | None = None

    @property
    def taken(self) -> bool:
        return self.error is None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


async def dial(ip: IpAddress, port: int, tls: ssl.SSLContext | None, name: str) -> Streams:
    """A connection to this very address; over TLS its certificate is the name's."""
    return await asyncio.open_connection(str(ip), port, ssl=tls, server_hostname=name if tls else None)


def verifying_context() -> ssl.SSLContext:
    """TLS 1.2 or later, believed to the system's authorities."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(slots=True)
class Poster:
    """Posts to whoever is allowed to be posted to; keeps nothing between two posts."""

    resolver: AddressBook
    clock: Clock
    timeout: timedelta = timedelta(seconds=10)
    allow_private_networks: bool = False
    tls: ssl.SSLContext = field(default_factory=verifying_context)
    dial: Dial = dial

    async def post(self, url: str, body: bytes, headers: Headers) -> Outcome:
        """Post `body` once. Whatever the far side does becomes an outcome, within `timeout`."""
        started = self.clock.monotonic()
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                answer = await self._exchange(read_url(url), body, headers)
            outcome = self._judge(answer)
        except TimeoutError:
            outcome = Outcome(error=f"no whole answer within {self.timeout.total_seconds():g} s")
        except (NotPosted, InvalidInput) as reason:
            outcome = Outcome(error=str(reason))
        except (OSError, h11.RemoteProtocolError) as trouble:
            outcome = Outcome(error=in_words(trouble))
        took = timedelta(seconds=self.clock.monotonic() - started)
        return Outcome(outcome.status, outcome.answer, outcome.error, took, outcome.retry_after)

    async def _exchange(self, target: Target, body: bytes, headers: Headers) -> _Answer:
        reader, writer = await self._connect(target, await self._addresses(target))
        try:
            connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEADER_LIMIT)
            writer.write(_request(connection, target, body, headers))
            await writer.drain()
            return await _read_answer(connection, reader)
        finally:
            # Not closed politely: whoever hangs would be waited for.
            writer.transport.abort()

    async def _addresses(self, target: Target) -> tuple[IpAddress, ...]:
        """Where the target is; raises NotPosted unless we may post to every one of its addresses."""
        found = (target.ip,) if target.ip else target.local_addresses or await self._look_up(target.host)
        if not all(is_allowed(ip, allow_private_networks=self.allow_private_networks) for ip in found):
            raise NotPosted(f"{target.host} is not on the public Internet, or not with all its addresses")
        return found[:ADDRESSES_TRIED]

    async def _look_up(self, host: str) -> tuple[IpAddress, ...]:
        try:
            return await self.resolver.addresses(host)
        except (NameDoesNotExist, NoSuchRecord):
            raise NotPosted(f"{host} has no address in the DNS") from None
        except ResolutionError:
            raise NotPosted(f"the DNS gave no answer about {host}") from None

    async def _connect(self, target: Target, addresses: Sequence[IpAddress]) -> Streams:
        """The first address that answers; each has its share of the time."""
        share = self.timeout.total_seconds() / len(addresses)
        tls = self.tls if target.scheme == "https" else None
        trouble: OSError = OSError()
        for ip in addresses:
            try:
                async with asyncio.timeout(share):
                    return await self.dial(ip, target.port, tls, target.host)
            except OSError as error:
                trouble = error
        raise NotPosted(in_words(trouble)) from trouble

    def _judge(self, answer: _Answer) -> Outcome:
        error = None if 200 <= answer.status < 300 else f"answered {answer.status}"
        if 300 <= answer.status < 400:
            error = f"answered {answer.status}: redirects are not followed"
        wait = dict(answer.headers).get(b"retry-after") if answer.status in _ANSWERS_TO_WAIT else None
        return Outcome(
            status=answer.status,
            answer=storable(answer.body.decode("utf-8", "replace")),
            error=error,
            retry_after=None if wait is None else read_retry_after(wait, self.clock.now()),
        )


def _request(connection: h11.Connection, target: Target, body: bytes, headers: Headers) -> bytes:
    """The whole request, as it goes over the wire."""
    fields = [
        ("Host", target.authority),
        ("User-Agent", f"Posthouse/{__version__}"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        *headers,
    ]
    request = h11.Request(method="POST", target=target.path, headers=fields)
    parts = [connection.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage())]
    return b"".join(part for part in parts if part)


async def _read_answer(connection: h11.Connection, reader: asyncio.StreamReader) -> _Answer:
    """The final answer with the beginning of its body; of more than ANSWER_READ octets nothing is read."""
    response: h11.Response | None = None
    body, received = b"", 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if received >= ANSWER_READ:
                break
            data = await reader.read(min(_CHUNK, ANSWER_READ - received))
            received += len(data)
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)[: ANSWER_KEPT - len(body)]
        elif not isinstance(event, h11.InformationalResponse):
            break
    if response is None:
        raise NotPosted("the connection was closed, or went on and on, without an answer")
    return _Answer(response.status_code, list(response.headers), body)


def in_words(trouble: Exception) -> str:
    """What went wrong between us and the endpoint, without anything of our own network."""
    if isinstance(trouble, ssl.SSLCertVerificationError):
        return f"the certificate is not to be believed: {trouble.verify_message}"
    if isinstance(trouble, ssl.SSLError):
        return f"TLS failed: {trouble.reason or 'the handshake was broken off'}"
    if isinstance(trouble, h11.RemoteProtocolError):
        # Not what h11 says, which quotes it: this is logged.
        return "the answer is no HTTP"
    if isinstance(trouble, TimeoutError):
        return "no connection in time"
    if isinstance(trouble, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(trouble, ConnectionError):
        return "the connection was broken off"
    return f"no connection: {trouble.strerror or 'unreachable'}" if isinstance(trouble, OSError) else "failed"
