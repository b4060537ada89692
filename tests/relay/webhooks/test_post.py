"""One post goes to the address that was judged, asks nobody else, and ends: whatever the far side does."""

import asyncio
import ssl
from datetime import timedelta

import pytest
import trustme

from relay.clock import SystemClock
from relay.resolver import IpAddress, Resolver
from relay.webhooks.post import Outcome, Poster, Streams
from tests.fakes.certificates import server_context
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns
from tests.relay.webhooks.receiver import Receiver

BODY = b'{"type":"message.received"}'
HEADERS = [("webhook-id", "evt_1")]
PUBLIC = "8.8.8.8"
HOST = "hooks.example"


class Exchange:
    """Dials loopback, whatever address it is told, and remembers which that was."""

    def __init__(self, port: int) -> None:
        self.dialled: list[str] = []
        self.names: list[str] = []
        self.port = port
        self.refusals = 0

    async def dial(self, ip: IpAddress, port: int, tls: ssl.SSLContext | None, name: str) -> Streams:
        self.dialled.append(str(ip))
        self.names.append(name)
        if self.refusals:
            self.refusals -= 1
            raise ConnectionRefusedError
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=tls, server_hostname=name if tls else None
        )


@pytest.fixture
def exchange(receiver: Receiver) -> Exchange:
    return Exchange(receiver.port)


@pytest.fixture
def poster(dns: FakeDns, clock: FakeClock, exchange: Exchange) -> Poster:
    """Reaches public addresses only, all of which are the receiver."""
    return Poster(Resolver([dns.nameserver]), clock, timeout=timedelta(seconds=5), dial=exchange.dial)


@pytest.fixture
def neighbour(dns: FakeDns, clock: FakeClock) -> Poster:
    """Dials for itself, and may post to loopback."""
    resolver = Resolver([dns.nameserver])
    return Poster(resolver, clock, timeout=timedelta(seconds=5), allow_private_networks=True)


async def post(poster: Poster, url: str = f"http://{HOST}/hook?a=b") -> Outcome:
    return await poster.post(url, BODY, HEADERS)


async def test_a_post_arrives_as_it_was_given(poster: Poster, dns: FakeDns, receiver: Receiver) -> None:
    dns.address(HOST, PUBLIC)
    outcome = await post(poster)
    assert outcome.taken
    assert outcome.status == 204
    (request,) = receiver.requests
    assert request.line == "POST /hook?a=b HTTP/1.1"
    assert request.body == BODY
    assert request.headers["host"] == HOST
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("Posthouse/")
    assert request.headers["webhook-id"] == "evt_1"


async def test_the_address_that_was_judged_is_the_address_that_is_dialled(
    poster: Poster, dns: FakeDns, exchange: Exchange
) -> None:
    dns.add(HOST, "A", PUBLIC, ttl=0)
    honest = exchange.dial

    async def dial(ip: IpAddress, port: int, tls: ssl.SSLContext | None, name: str) -> Streams:
        # Between the look-up and the connection the name is pointed at ourselves.
        dns.forget(HOST)
        dns.add(HOST, "A", "127.0.0.1", ttl=0)
        return await honest(ip, port, tls, name)

    poster.dial = dial
    assert (await post(poster)).taken
    assert exchange.dialled == [PUBLIC]
    assert sorted(dns.asked) == [(HOST, "A"), (HOST, "AAAA")]

    assert not (await post(poster)).taken
    assert exchange.dialled == [PUBLIC]


@pytest.mark.parametrize(
    "bad", ["10.0.0.1", "127.0.0.1", "::1", "64:ff9b::a00:1", "::ffff:127.0.0.1", "fd00::1", "2002:a00:1::"]
)
async def test_one_private_address_among_public_ones_closes_the_name(
    bad: str, poster: Poster, dns: FakeDns, exchange: Exchange
) -> None:
    dns.address(HOST, PUBLIC, bad)
    outcome = await post(poster)
    assert outcome.error is not None
    assert "public Internet" in outcome.error
    assert bad not in outcome.error
    assert exchange.dialled == []


async def test_an_alias_is_judged_by_where_it_leads(poster: Poster, dns: FakeDns, exchange: Exchange) -> None:
    dns.cname(HOST, "inside.example")
    dns.address("inside.example", "192.168.0.1")
    assert not (await post(poster)).taken
    assert exchange.dialled == []


async def test_an_endpoint_that_was_named_by_a_private_address_is_not_dialled_either(
    poster: Poster, exchange: Exchange
) -> None:
    assert not (await post(poster, "http://127.0.0.1/")).taken
    assert not (await post(poster, "http://localhost/")).taken
    assert exchange.dialled == []


async def test_the_next_address_is_tried_where_one_refuses(
    poster: Poster, dns: FakeDns, exchange: Exchange
) -> None:
    dns.address(HOST, PUBLIC, "8.8.4.4")
    exchange.refusals = 1
    assert (await post(poster)).taken
    assert sorted(exchange.dialled) == ["8.8.4.4", PUBLIC]


async def test_at_most_four_addresses_are_tried(poster: Poster, dns: FakeDns, exchange: Exchange) -> None:
    dns.address(HOST, *(f"8.8.8.{last}" for last in range(20)))
    exchange.refusals = 20
    assert (await post(poster)).error == "the connection was refused"
    assert len(exchange.dialled) == 4


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(
    status: int, poster: Poster, dns: FakeDns, receiver: Receiver, other: Receiver
) -> None:
    dns.address(HOST, PUBLIC)
    receiver.answers(status, Location=other.url)
    outcome = await post(poster)
    assert outcome.status == status
    assert outcome.error == f"answered {status}: redirects are not followed"
    assert len(receiver.requests) == 1
    assert not other.requests


@pytest.mark.parametrize(
    ("status", "taken"), [(200, True), (202, True), (299, True), (400, False), (503, False)]
)
async def test_two_hundreds_alone_mean_taken(
    status: int, taken: bool, poster: Poster, dns: FakeDns, receiver: Receiver
) -> None:
    dns.address(HOST, PUBLIC)
    receiver.answers(status)
    outcome = await post(poster)
    assert outcome.taken is taken
    assert outcome.error == (None if taken else f"answered {status}")


async def test_the_first_kib_of_the_answer_is_kept(poster: Poster, dns: FakeDns, receiver: Receiver) -> None:
    dns.address(HOST, PUBLIC)
    receiver.says(b"HTTP/1.1 500 No\r\nContent-Length: 5003\r\n\r\n\xff\0" + b"x" * 5001)
    assert (await post(poster)).answer == "\ufffd?" + "x" * 1022


async def test_of_an_endless_answer_no_more_than_64_kib_is_read(neighbour: Poster, clock: FakeClock) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
                await writer.drain()
        except OSError:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    async with server:
        outcome = await post(neighbour, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert outcome.taken
    assert outcome.answer == "x" * 1024


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mx.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 20",
        b"\0" * 100_000,
    ],
    ids=["silence", "ssh", "smtp", "short", "headers", "100s", "two lengths", "half", "zeros"],
)
async def test_what_is_no_answer_is_a_failure_in_words(
    wire: bytes, poster: Poster, dns: FakeDns, receiver: Receiver
) -> None:
    dns.address(HOST, PUBLIC)
    receiver.says(wire)
    outcome = await post(poster)
    assert outcome.status is None
    assert outcome.error


async def test_whoever_hangs_is_left(poster: Poster, dns: FakeDns, receiver: Receiver) -> None:
    dns.address(HOST, PUBLIC)
    receiver.hold.clear()
    poster.timeout = timedelta(milliseconds=50)
    assert (await post(poster)).error == "no whole answer within 0.05 s"


async def test_whoever_begins_and_never_ends_is_left(
    poster: Poster, dns: FakeDns, receiver: Receiver, exchange: Exchange
) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
        await reader.read()
        writer.close()

    dns.address(HOST, PUBLIC)
    poster.timeout = timedelta(milliseconds=50)
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        exchange.port = server.sockets[0].getsockname()[1]
        assert (await post(poster)).error == "no whole answer within 0.05 s"


async def test_a_name_without_address_and_a_dns_without_answer_are_told_apart(
    poster: Poster, dns: FakeDns
) -> None:
    assert (await post(poster, "http://nobody.example/")).error == "nobody.example has no address in the DNS"
    dns.fails("broken.example")
    assert (
        await post(poster, "http://broken.example/")
    ).error == "the DNS gave no answer about broken.example"


async def test_tls_keeps_the_name_while_the_address_is_dialled(
    poster: Poster, dns: FakeDns, exchange: Exchange
) -> None:
    authority = trustme.CA()
    secure = await Receiver.start(server_context(HOST, authority=authority))
    exchange.port = secure.port
    dns.address(HOST, PUBLIC)
    authority.configure_trust(poster.tls)
    assert (await post(poster, f"https://{HOST}:8443/")).taken
    assert exchange.names == [HOST]
    assert secure.requests[0].headers["host"] == f"{HOST}:8443"
    await secure.stop()


@pytest.mark.parametrize("name", [HOST, "elsewhere.example"])
async def test_a_certificate_of_nobody_or_for_another_name_is_not_believed(
    name: str, poster: Poster, dns: FakeDns, exchange: Exchange
) -> None:
    authority = trustme.CA()
    secure = await Receiver.start(server_context(name, authority=authority))
    exchange.port = secure.port
    dns.address(HOST, PUBLIC)
    if name != HOST:
        authority.configure_trust(poster.tls)
    error = (await post(poster, f"https://{HOST}/")).error
    assert error is not None
    assert error.startswith("the certificate is not to be believed")
    assert not secure.requests
    await secure.stop()


async def test_tls_with_somebody_who_speaks_none_fails_in_words(
    poster: Poster, dns: FakeDns, exchange: Exchange
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    dns.address(HOST, PUBLIC)
    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        exchange.port = server.sockets[0].getsockname()[1]
        error = (await post(poster, f"https://{HOST}/")).error
    assert error is not None
    assert error.startswith("TLS failed")


async def test_no_proxy_of_the_environment_is_asked(
    neighbour: Poster, receiver: Receiver, other: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{other.port}")
    assert (await post(neighbour, receiver.url)).taken
    assert not other.requests


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("Mon, 02 Mar 2026 09:10:00 GMT", 600),
        ("999999999999999999", 86_400),
        ("Tue, 02 Mar 2027 09:00:00 GMT", 86_400),
        ("Mon, 02 Mar 2026 08:00:00 GMT", None),
        ("-5", None),
        ("soon", None),
        ("٣", None),
    ],
)
async def test_retry_after_is_read_in_both_forms_and_capped(
    value: str, seconds: int | None, poster: Poster, dns: FakeDns, receiver: Receiver
) -> None:
    dns.address(HOST, PUBLIC)
    receiver.says(f"HTTP/1.1 429 Slow\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode())
    wait = (await post(poster)).retry_after
    assert wait == (None if seconds is None else timedelta(seconds=seconds))


async def test_retry_after_counts_with_429_and_503_alone(
    poster: Poster, dns: FakeDns, receiver: Receiver
) -> None:
    dns.address(HOST, PUBLIC)
    receiver.answers(500, Retry_After="60")
    assert (await post(poster)).retry_after is None
    receiver.answers(503, Retry_After="60")
    assert (await post(poster)).retry_after == timedelta(seconds=60)


async def test_how_long_it_took_is_measured(dns: FakeDns, receiver: Receiver) -> None:
    poster = Poster(Resolver([dns.nameserver]), SystemClock(), allow_private_networks=True)
    outcome = await post(poster, receiver.url)
    assert timedelta() < outcome.duration < timedelta(minutes=1)
