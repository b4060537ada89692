"""A block list lists by an answer in 127.0.0.0/8, and by nothing else that a zone may do."""

from datetime import timedelta
from ipaddress import ip_address

import pytest

from inbound.blocklists import BlockLists, question
from relay.resolver import Resolver
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import dns

__all__ = ["dns"]

CLIENT = ip_address("198.51.100.7")
ASKED = "7.100.51.198.bl.test"


def lists(dns: FakeDns, *zones: str, timeout: timedelta = timedelta(seconds=3)) -> BlockLists:
    return BlockLists(Resolver([dns.nameserver]), zones or ("bl.test",), timeout)


def test_addresses_are_asked_for_the_other_way_round() -> None:
    assert question(CLIENT, "bl.test") == ASKED
    # RFC 5782 §2.4
    assert question(ip_address("2001:db8:1:2:3:4:567:89ab"), "ugly.test") == (
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.test"
    )


@pytest.mark.parametrize(
    ("answers", "is_listed"),
    [
        (["127.0.0.2"], True),
        (["127.0.0.10", "127.0.0.4"], True),
        (["127.1.2.3"], True),
        (["192.0.2.1"], False),
        (["192.0.2.1", "127.0.0.2"], True),
        (["127.255.255.254"], False),
        (["127.255.255.252", "127.255.255.255"], False),
        ([], False),
    ],
)
async def test_only_an_answer_that_can_be_meant_lists(
    answers: list[str], is_listed: bool, dns: FakeDns
) -> None:
    dns.exists(ASKED)
    dns.address(ASKED, *answers)
    assert await lists(dns).listing(CLIENT) == (("bl.test",) if is_listed else ())


async def test_ipv6_clients_are_asked_about_too(dns: FakeDns) -> None:
    client = ip_address("2001:db8::7")
    dns.address(question(client, "bl.test"), "127.0.0.2")
    assert await lists(dns).listing(client) == ("bl.test",)
    assert await lists(dns).listing(ip_address("2001:db8::8")) == ()


async def test_trouble_with_one_list_neither_lists_nor_hides_another(dns: FakeDns) -> None:
    dns.fails("7.100.51.198.broken.test")
    dns.refuses("7.100.51.198.closed.test")
    dns.stays_silent("7.100.51.198.silent.test")
    for zone in ("bl.test", "last.test"):
        dns.address(f"7.100.51.198.{zone}", "127.0.0.2")
    asked = lists(
        dns,
        *("broken.test", "bl.test", "closed.test", "silent.test", "unknown.test", "last.test"),
        timeout=timedelta(seconds=0.5),
    )
    assert await asked.listing(CLIENT) == ("bl.test", "last.test")


async def test_an_answer_is_remembered(dns: FakeDns) -> None:
    dns.address(ASKED, "127.0.0.2")
    asked = lists(dns)
    for _ in range(3):
        assert await asked.listing(CLIENT) == ("bl.test",)
    assert dns.asked == [(ASKED, "A")]


async def test_nobody_is_asked_about_this_machine(dns: FakeDns) -> None:
    dns.address("1.0.0.127.bl.test", "127.0.0.2")
    assert await lists(dns).listing(ip_address("127.0.0.1")) == ()
    assert dns.asked == []
