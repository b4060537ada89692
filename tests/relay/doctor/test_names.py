"""Name, addresses and PTR must point at each other."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from relay.config import build_config
from relay.doctor.finding import Grade
from relay.doctor.names import addresses_in_the_world, check_hostname, check_reverse, leaving_addresses
from relay.resolver import Resolver
from tests.fakes.dns_server import FakeDns

HOSTNAME = "mail.example.test"
IP = ip_address("192.0.2.25")
PUBLIC = ip_address("9.9.9.25")


async def test_a_name_with_an_address_is_well(dns: FakeDns, resolver: Resolver) -> None:
    dns.address(HOSTNAME, str(IP), "2001:db8::25")
    [finding] = await check_hostname(resolver, HOSTNAME, [IP])
    assert (finding.grade, finding.found) == (Grade.OK, "192.0.2.25, 2001:db8::25")


@pytest.mark.parametrize("name", ["localhost", "mail", "mail.local"])
async def test_a_name_that_only_we_know_is_a_problem(resolver: Resolver, name: str) -> None:
    [finding] = await check_hostname(resolver, name, [])
    assert finding.grade is Grade.PROBLEM
    assert "server.hostname" in finding.advice


async def test_a_name_without_address_is_a_problem_and_names_ours(resolver: Resolver) -> None:
    [finding] = await check_hostname(resolver, HOSTNAME, [PUBLIC])
    assert finding.grade is Grade.PROBLEM
    assert str(PUBLIC) in finding.advice


async def test_mail_that_leaves_from_elsewhere_is_a_warning(dns: FakeDns, resolver: Resolver) -> None:
    dns.address(HOSTNAME, "192.0.2.25")
    [finding] = await check_hostname(resolver, HOSTNAME, [PUBLIC])
    assert finding.grade is Grade.WARNING
    assert str(PUBLIC) in finding.advice


async def test_a_nameserver_in_trouble_proves_nothing(dns: FakeDns, resolver: Resolver) -> None:
    dns.fails(HOSTNAME)
    dns.fails("25.2.0.192.in-addr.arpa")
    [finding] = await check_hostname(resolver, HOSTNAME, [])
    assert finding.grade is Grade.UNKNOWN
    assert (await check_reverse(resolver, IP, HOSTNAME)).grade is Grade.UNKNOWN


async def test_a_ptr_that_leads_there_and_back_is_well(dns: FakeDns, resolver: Resolver) -> None:
    dns.address(HOSTNAME, str(IP))
    dns.ptr(str(IP), HOSTNAME)
    assert (await check_reverse(resolver, IP, HOSTNAME)).grade is Grade.OK


async def test_a_missing_ptr_is_a_problem_for_the_provider(resolver: Resolver) -> None:
    finding = await check_reverse(resolver, IP, HOSTNAME)
    assert finding.grade is Grade.PROBLEM
    assert finding.advice == f"ask the provider of {IP} to set its reverse DNS to {HOSTNAME}"


async def test_a_ptr_that_does_not_lead_back_is_a_problem(dns: FakeDns, resolver: Resolver) -> None:
    dns.ptr(str(IP), HOSTNAME)
    dns.address(HOSTNAME, "192.0.2.99")
    assert (await check_reverse(resolver, IP, HOSTNAME)).grade is Grade.PROBLEM


async def test_a_ptr_of_another_name_is_a_warning(dns: FakeDns, resolver: Resolver) -> None:
    dns.ptr(str(IP), "static-25.provider.test")
    dns.address("static-25.provider.test", str(IP))
    finding = await check_reverse(resolver, IP, HOSTNAME)
    assert (finding.grade, finding.found) == (Grade.WARNING, "static-25.provider.test")


async def test_behind_address_translation_the_name_tells_the_address(
    dns: FakeDns, resolver: Resolver
) -> None:
    dns.address(HOSTNAME, str(PUBLIC), "10.0.0.1")
    inside = ip_address("192.168.1.2")
    assert await addresses_in_the_world(resolver, HOSTNAME, [inside]) == [PUBLIC]
    assert await addresses_in_the_world(resolver, HOSTNAME, [inside, ip_address("9.9.9.26")]) == [
        ip_address("9.9.9.26")
    ]
    assert await addresses_in_the_world(resolver, "nowhere.test", []) == []


def test_configured_source_addresses_are_what_mail_leaves_from(tmp_path: Path) -> None:
    config = build_config({"delivery.source_addresses": ["9.9.9.25"]}, base=tmp_path)
    assert leaving_addresses(config) == [PUBLIC]
