"""The resolver tells facts from trouble, and asks no more than it must."""

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import dns.resolver as dnspython
import pytest

from relay.resolver import (
    MxRecord,
    NameDoesNotExist,
    NoSuchRecord,
    Resolver,
    ResolverTrouble,
    parse_nameserver,
)
from tests.fakes.dns_server import FakeDns

SHORT = timedelta(milliseconds=400)


@pytest.fixture
async def dns() -> AsyncIterator[FakeDns]:
    server = await FakeDns.start()
    yield server
    await server.stop()


@pytest.fixture
def resolver(dns: FakeDns) -> Resolver:
    return Resolver([dns.nameserver], timedelta(seconds=10))


async def test_mx_records_come_lowest_preference_first_in_lower_case(
    dns: FakeDns, resolver: Resolver
) -> None:
    dns.mx("example.net", (20, "MX2.example.net"), (10, "mx1.example.net"))
    assert await resolver.mx("Example.NET") == (
        MxRecord(10, "mx1.example.net"),
        MxRecord(20, "mx2.example.net"),
    )


async def test_null_mx_is_the_root(dns: FakeDns, resolver: Resolver) -> None:
    dns.null_mx("never.test")
    assert await resolver.mx("never.test") == (MxRecord(0, ""),)


async def test_addresses_of_both_families(dns: FakeDns, resolver: Resolver) -> None:
    dns.address("mx.test", "192.0.2.1", "2001:db8::1")
    assert set(map(str, await resolver.addresses("mx.test"))) == {"192.0.2.1", "2001:db8::1"}


async def test_one_family_in_trouble_does_not_hide_the_other(dns: FakeDns, resolver: Resolver) -> None:
    dns.address("mx.test", "192.0.2.1")
    dns.fails("mx.test", "AAAA")
    assert await resolver.addresses("mx.test") == (ipaddress.ip_address("192.0.2.1"),)


async def test_no_address_with_one_family_in_trouble_is_trouble(dns: FakeDns, resolver: Resolver) -> None:
    dns.exists("mx.test")
    dns.fails("mx.test", "AAAA")
    with pytest.raises(ResolverTrouble):
        await resolver.addresses("mx.test")


async def test_txt_strings_are_joined(dns: FakeDns, resolver: Resolver) -> None:
    long = "v=DKIM1; p=" + "A" * 600
    dns.txt("sel._domainkey.test", long)
    assert await resolver.txt("sel._domainkey.test") == (long,)


async def test_ptr_and_cname(dns: FakeDns, resolver: Resolver) -> None:
    dns.ptr("192.0.2.9", "mail.example.net")
    dns.cname("www.test", "host.test")
    assert await resolver.ptr(ipaddress.ip_address("192.0.2.9")) == ("mail.example.net",)
    assert await resolver.cname("www.test") == "host.test"


async def test_nxdomain_is_a_fact(resolver: Resolver) -> None:
    with pytest.raises(NameDoesNotExist):
        await resolver.mx("nobody.test")


async def test_no_data_is_a_fact(dns: FakeDns, resolver: Resolver) -> None:
    dns.exists("bare.test")
    with pytest.raises(NoSuchRecord):
        await resolver.mx("bare.test")
    with pytest.raises(NoSuchRecord):
        await resolver.addresses("bare.test")


async def test_a_label_too_long_for_the_dns_does_not_exist(resolver: Resolver) -> None:
    with pytest.raises(NameDoesNotExist):
        await resolver.addresses("a" * 80 + ".test")


@pytest.mark.parametrize("mood", ["fails", "refuses", "stays_silent", "is_lame"])
async def test_trouble_is_told_from_facts(dns: FakeDns, mood: str) -> None:
    getattr(dns, mood)("broken.test")
    with pytest.raises(ResolverTrouble):
        await Resolver([dns.nameserver], SHORT).mx("broken.test")


async def test_nobody_listening_is_trouble() -> None:
    server = await FakeDns.start()
    await server.stop()
    with pytest.raises(ResolverTrouble):
        await Resolver([server.nameserver], SHORT).mx("example.net")


async def test_a_system_without_nameservers_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_configuration(*_: object) -> None:
        raise dnspython.NoResolverConfiguration

    monkeypatch.setattr(dnspython.BaseResolver, "read_resolv_conf", no_configuration)
    with pytest.raises(ResolverTrouble):
        await Resolver(timeout=SHORT).mx("example.net")


async def test_a_truncated_answer_is_fetched_over_tcp(dns: FakeDns, resolver: Resolver) -> None:
    dns.mx("large.test", *((10, f"mx{n}.large.test") for n in range(200)))
    dns.is_truncated("large.test")
    assert len(await resolver.mx("large.test")) == 200
    assert dns.asked_by_tcp == [("large.test", "MX")]


async def test_truncated_and_tcp_closed_is_trouble(dns: FakeDns, resolver: Resolver) -> None:
    dns.mx("large.test", (10, "mx.large.test"))
    dns.is_truncated("large.test", tcp_works=False)
    with pytest.raises(ResolverTrouble):
        await resolver.mx("large.test")


async def test_an_alias_is_followed(dns: FakeDns, resolver: Resolver) -> None:
    dns.cname("a.test", "b.test")
    dns.cname("b.test", "c.test")
    dns.address("c.test", "192.0.2.7")
    assert await resolver.addresses("a.test") == (ipaddress.ip_address("192.0.2.7"),)


async def test_a_loop_or_an_endless_chain_of_aliases_is_trouble(dns: FakeDns, resolver: Resolver) -> None:
    dns.cname("a.test", "b.test")
    dns.cname("b.test", "a.test")
    for step in range(30):
        dns.cname(f"{step}.chain.test", f"{step + 1}.chain.test")
    dns.address("30.chain.test", "192.0.2.7")
    for name in ("a.test", "0.chain.test"):
        with pytest.raises(ResolverTrouble):
            await resolver.addresses(name)


async def test_answers_are_cached_until_forgotten(dns: FakeDns, resolver: Resolver) -> None:
    dns.mx("example.net", (10, "mx.example.net"))
    await resolver.mx("example.net")
    await resolver.mx("example.net")
    assert len(dns.asked) == 1
    resolver.forget()
    await resolver.mx("example.net")
    assert len(dns.asked) == 2


async def test_a_no_is_remembered_for_minutes_whatever_its_ttl(
    dns: FakeDns, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with pytest.raises(NameDoesNotExist):
            await resolver.mx("late.test")
    assert len(dns.asked) == 1
    dns.mx("late.test", (10, "mx.late.test"))
    later = time.time() + 301  # noqa: TID251 - dnspython's cache reads the wall clock
    monkeypatch.setattr("dns.resolver.time.time", lambda: later)
    assert await resolver.mx("late.test") == (MxRecord(10, "mx.late.test"),)


async def test_a_no_does_not_outlive_a_clock_that_is_set_back(
    dns: FakeDns, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NameDoesNotExist):
        await resolver.mx("late.test")
    dns.mx("late.test", (10, "mx.late.test"))
    yesterday = time.time() - 86_400  # noqa: TID251 - dnspython's cache reads the wall clock
    monkeypatch.setattr("dns.resolver.time.time", lambda: yesterday)
    assert await resolver.mx("late.test") == (MxRecord(10, "mx.late.test"),)
    await resolver.mx("late.test")
    assert len(dns.asked) == 2


async def test_many_who_ask_at_once_share_one_question(dns: FakeDns, resolver: Resolver) -> None:
    dns.mx("example.net", (10, "mx.example.net"))
    gate = dns.waits("example.net")
    askers = [asyncio.create_task(resolver.mx("example.net")) for _ in range(50)]
    await dns.first_question.wait()
    askers[0].cancel()  # who leaves does not take the answer away from the others
    gate.set()
    answers = await asyncio.gather(*askers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [(MxRecord(10, "mx.example.net"),)] * 49
    assert dns.asked == [("example.net", "MX")]


async def test_the_search_list_of_the_machine_is_not_applied(dns: FakeDns, resolver: Resolver) -> None:
    with pytest.raises(NameDoesNotExist):
        await resolver.addresses("mail")
    assert {name for name, _ in dns.asked} == {"mail"}


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.1", "192.0.2.1", 53),
        ("192.0.2.1:5353", "192.0.2.1", 5353),
        ("2001:db8::1", "2001:db8::1", 53),
        ("[2001:db8::1]:5353", "2001:db8::1", 5353),
    ],
)
def test_nameservers_are_written_with_or_without_a_port(text: str, address: str, port: int) -> None:
    server = parse_nameserver(text)
    assert (server.answer_nameserver(), server.answer_port()) == (address, port)


@pytest.mark.parametrize("text", ["", "localhost", "192.0.2.1:http", "1.2.3"])
def test_what_is_no_nameserver_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_nameserver(text)


async def test_each_family_can_be_asked_for_alone(dns: FakeDns, resolver: Resolver) -> None:
    dns.address("mx.test", "192.0.2.1", "2001:db8::1")
    dns.fails("mx.test", "AAAA")
    assert await resolver.a("mx.test") == (ipaddress.ip_address("192.0.2.1"),)
    with pytest.raises(ResolverTrouble):
        await resolver.aaaa("mx.test")
    dns.forget("mx.test")
    dns.address("six.test", "2001:db8::1")
    assert await resolver.aaaa("six.test") == (ipaddress.ip_address("2001:db8::1"),)
    with pytest.raises(NoSuchRecord):
        await resolver.a("six.test")
