"""What the suite does not ask: the price of a hostile record, and a real resolver's trouble."""

from datetime import timedelta

import msgspec
import pytest

from inbound.authenticate.spf import check_host
from relay.resolver import Resolver
from tests.fakes.dns_server import FakeDns
from tests.inbound.authenticate.zone import Zone, ZoneResolver

_MANY = " ".join(f"a:{number}.b.test" for number in range(30))

BOMBS: dict[str, Zone] = {
    "includes itself": {"b.test": [{"TXT": "v=spf1 include:b.test include:b.test -all"}]},
    "two that include each other": {
        "b.test": [{"TXT": "v=spf1 include:c.test -all"}],
        "c.test": [{"TXT": "v=spf1 include:b.test -all"}],
    },
    "redirects to itself": {"b.test": [{"TXT": "v=spf1 redirect=b.test"}]},
    "many that do not exist": {"b.test": [{"TXT": f"v=spf1 {_MANY} -all"}]},
    "many exchangers": {
        "b.test": [{"TXT": "v=spf1 mx -all"}] + [{"MX": [10, f"{number}.b.test"]} for number in range(40)]
    },
    "macros that grow": {"b.test": [{"TXT": "v=spf1 " + "exists:" + "%{s}.%{h}." * 20 + "b.test " * 12}]},
}


@pytest.mark.parametrize("zone", BOMBS.values(), ids=BOMBS)
async def test_a_hostile_record_costs_less_than_twenty_questions(zone: Zone) -> None:
    dns = ZoneResolver(zone)
    result = await check_host(dns, "192.0.2.1", "b.test", "ann@b.test", "h" * 60 + ".test")
    assert result.verdict == "permerror"
    assert len(dns.asked) < 20


async def test_names_of_an_address_beyond_the_tenth_are_not_asked_for() -> None:
    names = [f"{number}.b.test" for number in range(50)]
    zone: Zone = {
        "b.test": [{"TXT": "v=spf1 ptr -all"}],
        "1.2.0.192.in-addr.arpa": [{"PTR": name} for name in names],
        **{name: [{"A": "192.0.2.9"}] for name in names[:-1]},
        names[-1]: [{"A": "192.0.2.1"}],
    }
    dns = ZoneResolver(zone)
    assert (await check_host(dns, "192.0.2.1", "b.test", "ann@b.test", "b.test")).verdict == "fail"
    assert len(dns.asked) == 12


@pytest.mark.parametrize("mood", ["fails", "refuses", "stays_silent", "is_lame"])
@pytest.mark.parametrize("name", ["b.test", "c.test"])
async def test_a_dns_in_trouble_is_a_temporary_error(dns: FakeDns, mood: str, name: str) -> None:
    dns.txt("b.test", "v=spf1 include:c.test -all")
    dns.txt("c.test", "v=spf1 -all")
    getattr(dns, mood)(name)
    resolver = Resolver([dns.nameserver], timedelta(milliseconds=400))
    result = await check_host(resolver, "192.0.2.1", "b.test", "ann@b.test", "b.test")
    assert result.verdict == "temperror"


@pytest.mark.parametrize(
    ("ip", "verdict"),
    [("192.0.2.1", "pass"), ("::ffff:192.0.2.1", "pass"), ("2001:db8::1", "pass"), ("192.0.2.2", "fail")],
)
async def test_both_families_are_asked_of_a_real_server(dns: FakeDns, ip: str, verdict: str) -> None:
    dns.txt("b.test", "v=spf1 a:mail.b.test -all exp=why.b.test")
    dns.txt("why.b.test", "%{c} is not ours")
    dns.address("mail.b.test", "192.0.2.1", "2001:db8::1")
    result = await check_host(Resolver([dns.nameserver]), ip, "b.test", "ann@b.test", "b.test")
    assert result.verdict == verdict
    assert result.explanation == ("192.0.2.2 is not ours" if verdict == "fail" else "")


@pytest.mark.parametrize(
    "domain", ["", "localhost", "[192.0.2.1]", "a..test", "x" * 64 + ".test", "ä" * 40 + ".test"]
)
async def test_what_is_no_domain_has_no_record(domain: str) -> None:
    dns = ZoneResolver({})
    assert (await check_host(dns, "192.0.2.1", domain, f"ann@{domain}", domain)).verdict == "none"


@pytest.mark.parametrize(
    "record", ["v=spf1 a:\udce4.test -all", "v=spf1 \x00 -all", "v=spf1 ip4:1.2.3.4\n -all"]
)
async def test_odd_octets_in_a_record_are_its_owners_mistake(record: str) -> None:
    result = await check_host(
        ZoneResolver({"b.test": [{"TXT": record}]}), "192.0.2.1", "b.test", "a@b.test", "b.test"
    )
    assert result.verdict == "permerror"
    assert result.reason.isascii()


async def test_odd_octets_in_an_address_do_not_disturb() -> None:
    zone: Zone = {"b.test": [{"TXT": "v=spf1 exists:%{l}.%{L}.%{h}.b.test -all"}]}
    sender = 'a\\\udcff"@ ä(@b.test'
    result = await check_host(ZoneResolver(zone), "192.0.2.1", "b.test", sender, "\\\udcff")
    assert result.verdict == "fail"
    odd = await check_host(ZoneResolver(zone), "192.0.2.1", "\udcff.test", sender, "\x00")
    assert msgspec.json.encode([result, odd])


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 a:" + "x" * 16_000 + "-.test",
        "v=spf1 a:" + "a." * 8_000 + "-",
        "v=spf1 exists:" + "%{s}." * 3_000 + "test",
        "v=spf1 ip4:" + "1" * 16_000,
        "v=spf1 a:a.test" + "/" * 16_000,
        "v=spf1 " + "x=%" * 5_000,
        "v=spf1 " + "?all " * 13_000,
    ],
    ids=lambda record: record[:20],
)
async def test_a_huge_record_is_read_in_one_go(record: str) -> None:
    sender = "a.b." * 15 + "@" + "b." * 90 + "b.test"
    result = await check_host(
        ZoneResolver({"b.test": [{"TXT": record}]}), "192.0.2.1", "b.test", sender, "b.test"
    )
    assert result.verdict in ("permerror", "neutral")
