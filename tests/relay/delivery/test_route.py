"""Which addresses are dialled for a destination, in what order, and when there are none."""

import ipaddress
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from relay.delivery.networks import is_public
from relay.delivery.route import NoRoute, Route, find_route
from relay.delivery.settings import DeliverySettings, Limits
from relay.delivery.smarthost import Smarthost
from relay.resolver import Resolver
from tests.fakes.dns_server import FakeDns

Find = Callable[..., Any]
V4 = "11.0.0.{}"  # ordinary public addresses; nothing here dials
V6 = "2a00:1::{}"


@pytest.fixture
def find(dns: FakeDns) -> Find:
    """`find_route` for example.net, with the settings as keywords."""

    async def find(
        destination: str = "example.net", *, seed: int = 1, wait: float = 10, **settings: Any
    ) -> Route:
        resolver = Resolver([dns.nameserver], timedelta(seconds=wait))
        return await find_route(
            destination, resolver, DeliverySettings("relay.test", **settings), random.Random(seed)
        )

    return find


def hosts(route: Route) -> list[str]:
    return [hop.host for hop in route.hops]


def ips(route: Route) -> list[str]:
    return [str(hop.ip) for hop in route.hops]


async def refused(find: Find, *args: Any, **settings: Any) -> tuple[int, str | None]:
    with pytest.raises(NoRoute) as caught:
        await find(*args, **settings)
    return caught.value.reply.code, caught.value.reply.enhanced


async def test_lowest_preference_first_and_equals_in_random_order(dns: FakeDns, find: Find) -> None:
    dns.mx("example.net", (20, "backup.test"), (10, "a.test"), (10, "b.test"), (10, "c.test"))
    for number, host in enumerate(("a.test", "b.test", "c.test", "backup.test"), 1):
        dns.address(host, V4.format(number))
    orders = {tuple(hosts(await find(seed=seed))) for seed in range(30)}
    assert all(order[3] == "backup.test" for order in orders)
    assert len({order[:3] for order in orders}) == 6


async def test_without_mx_the_domain_itself_is_the_exchanger(dns: FakeDns, find: Find) -> None:
    dns.address("example.net", V4.format(1))
    assert ips(await find()) == [V4.format(1)]


async def test_an_mx_without_address_does_not_fall_back_to_the_domain(dns: FakeDns, find: Find) -> None:
    dns.mx("example.net", (10, "gone.test"))
    dns.address("example.net", V4.format(1))
    assert await refused(find) == (550, "5.4.4")


async def test_null_mx_is_for_ever_and_never_tries_the_address(dns: FakeDns, find: Find) -> None:
    dns.null_mx("example.net")
    dns.address("example.net", V4.format(1))
    assert await refused(find) == (556, "5.1.10")


async def test_a_null_mx_beside_others_is_skipped(dns: FakeDns, find: Find) -> None:
    dns.add("example.net", "MX", "0 .", "10 mx.test.")
    dns.address("mx.test", V4.format(1))
    assert hosts(await find()) == ["mx.test"]


async def test_no_such_domain_is_for_ever(find: Find) -> None:
    assert await refused(find, "nobody.test") == (550, "5.1.2")


async def test_a_domain_without_mail_or_address_is_for_ever(dns: FakeDns, find: Find) -> None:
    dns.exists("example.net")
    assert await refused(find) == (550, "5.4.4")


@pytest.mark.parametrize("mood", ["fails", "refuses", "stays_silent", "is_lame"])
async def test_trouble_with_the_mx_question_is_for_now(dns: FakeDns, find: Find, mood: str) -> None:
    dns.address("example.net", V4.format(1))
    getattr(dns, mood)("example.net", "MX")
    assert await refused(find, wait=0.3) == (451, "4.4.3")


async def test_trouble_with_every_address_is_for_now(dns: FakeDns, find: Find) -> None:
    dns.mx("example.net", (10, "mx1.test"), (20, "gone.test"))
    dns.fails("mx1.test")
    assert await refused(find) == (451, "4.4.3")


async def test_trouble_with_one_host_leaves_the_others(dns: FakeDns, find: Find) -> None:
    dns.mx("example.net", (10, "mx1.test"), (20, "mx2.test"))
    dns.fails("mx1.test")
    dns.address("mx2.test", V4.format(2))
    route = await find()
    assert hosts(route) == ["mx2.test"]
    assert any("mx1.test" in note for note in route.notes)


async def test_an_mx_that_is_an_alias_is_followed(dns: FakeDns, find: Find) -> None:
    dns.mx("example.net", (10, "alias.test"))
    dns.cname("alias.test", "mx.test")
    dns.address("mx.test", V4.format(1))
    assert ips(await find()) == [V4.format(1)]


async def test_an_endless_alias_is_for_now(dns: FakeDns, find: Find) -> None:
    dns.mx("example.net", (10, "alias.test"))
    dns.cname("alias.test", "alias.test")
    assert await refused(find) == (451, "4.4.3")


async def test_an_mx_that_is_an_address_is_skipped(dns: FakeDns, find: Find) -> None:
    dns.mx("example.net", (10, V4.format(9)), (20, "mx.test"))
    dns.address("mx.test", V4.format(1))
    assert hosts(await find()) == ["mx.test"]
    dns.mx("other.test", (10, V4.format(9)))
    assert await refused(find, "other.test") == (550, "5.4.4")


async def test_two_hundred_exchangers_with_a_hundred_addresses_each_are_cut_down(
    dns: FakeDns, find: Find
) -> None:
    dns.mx("example.net", *((10, f"mx{n}.test") for n in range(200)))
    for n in range(200):
        dns.address(f"mx{n}.test", *(f"11.1.{n}.{m}" for m in range(100)))
    route = await find()
    assert len(route.hops) == 20
    assert max(hosts(route).count(host) for host in hosts(route)) == 5
    assert len({name for name, _ in dns.asked}) <= 21


async def test_both_families_take_turns_so_that_a_broken_one_cannot_use_up_the_tries(
    dns: FakeDns, find: Find
) -> None:
    dns.mx("example.net", (10, "mx.test"))
    dns.address("mx.test", *(V6.format(n) for n in range(1, 9)), *(V4.format(n) for n in range(1, 9)))
    versions = [hop.ip.version for hop in (await find()).hops]
    assert versions == [4, 6, 4, 6, 4]


async def test_an_address_of_a_family_that_we_have_no_source_for_is_left_out(
    dns: FakeDns, find: Find
) -> None:
    dns.mx("example.net", (10, "mx.test"))
    dns.address("mx.test", V6.format(1), V4.format(1))
    assert ips(await find(source_addresses=(ipaddress.ip_address("11.9.9.9"),))) == [V4.format(1)]


async def test_ourselves_and_all_that_are_no_better_are_left_out(dns: FakeDns, find: Find) -> None:
    dns.mx("example.net", (5, "best.test"), (10, "us.test"), (10, "equal.test"), (20, "worse.test"))
    for number, host in enumerate(("best.test", "us.test", "equal.test", "worse.test"), 1):
        dns.address(host, V4.format(number))
    assert hosts(await find(own_names=frozenset({"us.test"}))) == ["best.test"]
    ours = frozenset({ipaddress.ip_address(V4.format(2))})
    assert hosts(await find(own_addresses=ours)) == ["best.test"]


async def test_being_the_best_exchanger_ourselves_is_a_loop(dns: FakeDns, find: Find) -> None:
    dns.mx("example.net", (10, "us.test"), (20, "backup.test"))
    dns.address("us.test", V4.format(1))
    dns.address("backup.test", V4.format(2))
    assert await refused(find, own_names=frozenset({"us.test"})) == (554, "5.4.6")
    ours = frozenset({ipaddress.ip_address(V4.format(1))})
    assert await refused(find, own_addresses=ours) == (554, "5.4.6")
    assert await refused(find, f"[{V4.format(1)}]", own_addresses=ours) == (554, "5.4.6")


async def test_a_literal_is_dialled_as_it_stands(dns: FakeDns, find: Find) -> None:
    assert ips(await find(f"[{V4.format(7)}]")) == [V4.format(7)]
    assert ips(await find("[IPv6:2a00:1::7]")) == ["2a00:1::7"]
    assert dns.asked == []


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "64:ff9b::7f00:1"])
async def test_an_exchanger_at_a_private_address_is_for_ever_unless_allowed(
    dns: FakeDns, find: Find, ip: str
) -> None:
    dns.mx("example.net", (10, "mx.test"))
    dns.address("mx.test", ip)
    assert await refused(find) == (550, "5.4.4")
    assert ips(await find(allow_private_networks=True)) == [str(ipaddress.ip_address(ip))]


async def test_a_public_address_beside_a_private_one_is_used(dns: FakeDns, find: Find) -> None:
    dns.mx("example.net", (10, "mx.test"))
    dns.address("mx.test", "192.168.1.1", V4.format(1))
    assert ips(await find()) == [V4.format(1)]


async def test_the_smarthost_takes_everything_and_may_be_private(dns: FakeDns, find: Find) -> None:
    dns.address("smart.test", "10.0.0.5")
    route = await find(smarthost=Smarthost("smart.test", 587))
    assert [(hop.host, str(hop.ip), hop.port) for hop in route.hops] == [("smart.test", "10.0.0.5", 587)]
    assert ips(await find(smarthost=Smarthost("127.0.0.1", 25))) == ["127.0.0.1"]
    assert ("example.net", "MX") not in dns.asked


async def test_a_smarthost_that_cannot_be_found_bounces_nobodys_mail(find: Find) -> None:
    assert await refused(find, smarthost=Smarthost("typo.test", 587)) == (451, "4.4.3")


async def test_the_limit_of_candidates_can_be_set(dns: FakeDns, find: Find) -> None:
    dns.mx("example.net", (10, "mx.test"))
    dns.address("mx.test", *(V4.format(n) for n in range(1, 9)))
    assert len((await find(limits=Limits(candidates=2))).hops) == 2


SPECIAL = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.254 127.0.0.1 127.255.255.254 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1
198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1
::127.0.0.1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1
64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::
2002:a00:1::1 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 febf::1 fec0::1 ff02::1 ff0e::1
"""
PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1
169.253.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1 198.17.255.255
198.20.0.1 223.255.255.255 2001:200::1 2001:4860:4860::8888 2003::1 2606:4700::1 2a00:1450::1
2c0f::1
"""


@pytest.mark.parametrize("ip", SPECIAL.split())
def test_special_addresses_are_not_public(ip: str) -> None:
    assert not is_public(ipaddress.ip_address(ip))


@pytest.mark.parametrize("ip", PUBLIC.split())
def test_their_neighbours_are(ip: str) -> None:
    assert is_public(ipaddress.ip_address(ip))
