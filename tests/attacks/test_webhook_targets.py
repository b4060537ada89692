"""Webhooks as a way into our own network: a canary on loopback that every URL wants to reach hears nobody."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

import pytest

from relay.resolver import IpAddress, Resolver
from relay.webhooks.post import Poster, Streams
from relay.webhooks.targets import is_public
from tests.fakes.api_client import http_client, make_key
from tests.fakes.clock import FakeClock
from tests.fakes.daemon import MakeDaemon
from tests.fakes.dns_server import FakeDns
from tests.relay.webhooks.test_targets import REFUSED


def words(text: str) -> list[str]:
    return text.split()


# Spellings of this machine; PORT is the canary's.
SPELLINGS = words("""
127.0.0.1 127.1 127.0.1 127.000.000.001 0127.0.0.1 0x7f.0.0.1 0x7f000001 0x7f.1 2130706433 017700000001
0177.0.0.1 0 0.0.0.0 00 0x0 127.127.127.127 127.0.0.1. 127。0。0。1 １２７.０.０.１ ⑫7.0.0.1 ①②⑦.⓪.⓪.①
[::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [::7f00:1] [::1%25lo]
[64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2001:0:7f00:1::] [fe80::1%lo]
[127.0.0.1] localhost LOCALHOST localhost. sub.localhost ⓛⓞⓒⓐⓛⓗⓞⓢⓣ x@127.0.0.1 x:y@127.0.0.1
hooks.example@127.0.0.1 127.0.0.1#a.example 127.0.0.1\\.a.example %31%32%37.0.0.1 %6cocalhost
""")
SCHEMES = (
    *("http://{}:PORT/", "HTTP://{}:PORT/v1/keys", "https://{}:PORT/"),
    *("http:////{}:PORT/", "http:\\\\{}:PORT/", "http:/\\{}:PORT/"),
)
URLS = [scheme.format(host) for scheme in SCHEMES for host in SPELLINGS] + REFUSED
# What a name of theirs may lead to; never an address of the world, so that nobody is dialled.
ADDRESSES = words("""
127.0.0.1 127.255.255.254 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 169.254.169.254 168.63.129.16
192.0.0.192 198.18.0.1 224.0.0.1 255.255.255.255 240.0.0.1 192.0.2.1 198.51.100.1 203.0.113.1 ::1 ::
::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1::
2001:0:7f00:1:: fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 2001:db8::1 100::1
""")


@dataclass
class Canary:
    """Counts who connects to it."""

    port: int = 0
    visits: int = 0

    async def visited(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.close()


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    found = Canary()
    server = await asyncio.start_server(found.visited, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


def test_there_are_a_hundred_and_fifty_urls() -> None:
    assert len(set(URLS)) >= 150


async def test_no_url_and_no_name_reaches_this_machine(
    make_daemon: MakeDaemon, dns: FakeDns, canary: Canary
) -> None:
    for number, address in enumerate(ADDRESSES):
        dns.address(f"h{number}.evil.example", address)
        dns.cname(f"c{number}.evil.example", f"h{number}.evil.example")
    dns.address("all.evil.example", *ADDRESSES)
    names = [f"{letter}{number}.evil.example" for letter in "hc" for number in range(len(ADDRESSES))]
    settings = {"dns.nameservers": [dns.nameserver], "webhooks.endpoints_per_tenant": 1000}
    daemon = await make_daemon({**settings, "limits.api_requests_per_minute": 100_000})
    key = await make_key(daemon)
    await daemon.start()
    async with http_client(daemon, key) as http:
        for url in URLS:
            answer = await http.post("/v1/webhooks", json={"url": url.replace("PORT", str(canary.port))})
            assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "$.url"), url
        for name in [*names, "all.evil.example"]:
            made = await http.post("/v1/webhooks", json={"url": f"http://{name}:{canary.port}/"})
            assert made.status_code == 201, made.text
            tried = await http.post(f"/v1/webhooks/{made.json()['id']}/test")
            told = tried.json()
            assert tried.status_code == 200, tried.text
            assert told["status"] is None, told
            # The owner hears that it is not public, not where it leads.
            assert "public Internet" in told["error"], told
            assert not any(address in told["error"] for address in ADDRESSES if len(address) > 3), told
        # A change is judged as a new one is.
        changed = await http.patch(f"/v1/webhooks/{made.json()['id']}", json={"url": "http://127.0.0.1/"})
        assert changed.status_code == 422
    assert canary.visits == 0


async def test_a_name_that_changes_its_mind_is_asked_once_for_each_post(clock: FakeClock) -> None:
    """DNS rebinding, twenty times: the nameserver says something public and something private in turn."""
    dialled: list[IpAddress] = []

    class Turncoat:
        """The resolver as a hostile nameserver with a TTL of 0 makes it."""

        def __init__(self, first: int) -> None:
            self._answers = itertools.cycle(["8.8.8.8", "127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
            for _ in range(first):
                next(self._answers)

        async def addresses(self, host: str) -> tuple[IpAddress, ...]:
            return (ip_address(next(self._answers)),)

    async def dial(ip: IpAddress, port: int, tls: ssl.SSLContext | None, name: str) -> Streams:
        dialled.append(ip)
        raise ConnectionRefusedError

    for run in range(20):
        poster = Poster(Turncoat(run % 4), clock, timeout=timedelta(seconds=5), dial=dial)
        for _ in range(4):
            assert not (await poster.post("http://hooks.evil.example/", b"{}", [])).taken
    assert len(dialled) == 20
    assert all(is_public(ip) for ip in dialled)


async def test_ttl_zero_is_not_remembered_as_public(dns: FakeDns, clock: FakeClock) -> None:
    """Through a real nameserver: once the name leads home, no cache says that it was public."""
    resolver, dialled = Resolver([dns.nameserver]), []

    async def dial(ip: IpAddress, port: int, tls: ssl.SSLContext | None, name: str) -> Streams:
        dialled.append(str(ip))
        raise ConnectionRefusedError

    poster = Poster(resolver, clock, timeout=timedelta(seconds=5), dial=dial)
    for address in ("8.8.8.8", "127.0.0.1", "8.8.4.4", "10.0.0.1", "::1"):
        dns.forget("hooks.evil.example")
        dns.add("hooks.evil.example", "AAAA" if ":" in address else "A", address, ttl=0)
        await poster.post("http://hooks.evil.example/", b"{}", [])
    assert dialled == ["8.8.8.8", "8.8.4.4"]
