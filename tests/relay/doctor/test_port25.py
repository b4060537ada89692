"""Whether mail can leave is found out by knocking, within a bounded time."""

from datetime import timedelta

import pytest

from relay.doctor.finding import Grade
from relay.doctor.port25 import (
    KNOWN_RECEIVERS,
    Exchanger,
    check_smarthost,
    check_way_out,
    knock,
    read_exchanger,
)
from relay.errors import InvalidInput
from relay.resolver import Resolver
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.ports import free_port

LIMIT = timedelta(seconds=10)
SHORT = timedelta(milliseconds=200)


async def test_a_greeting_is_enough_and_nothing_is_sent(resolver: Resolver, mx: FarMx) -> None:
    [finding] = await check_way_out(resolver, [Exchanger(mx.host, mx.port)], limit=LIMIT)
    assert finding.grade is Grade.OK
    assert "220" in finding.found
    assert not mx.taken


async def test_one_of_several_is_enough_and_the_others_are_named(resolver: Resolver, mx: FarMx) -> None:
    closed = Exchanger("127.0.0.1", free_port())
    [finding] = await check_way_out(resolver, [closed, Exchanger(mx.host, mx.port)], limit=LIMIT)
    assert finding.grade is Grade.OK
    assert "Connection refused" in finding.found


async def test_a_closed_port_is_a_problem_that_says_whom_to_ask(resolver: Resolver) -> None:
    [finding] = await check_way_out(resolver, [Exchanger("127.0.0.1", free_port())], limit=LIMIT)
    assert finding.grade is Grade.PROBLEM
    assert "Connection refused" in finding.found
    assert "provider" in finding.advice


async def test_silence_is_bounded(mx: FarMx) -> None:
    mx.stalls("BANNER")
    found = await knock(Exchanger(mx.host, mx.port), None, SHORT)
    assert (found.answered, found.said) == (False, "no answer within 0.2 s")


@pytest.mark.parametrize("banner", ["554 5.7.1 go away", b"\xff\x00\x1b[31m\r\n", b"x" * 5000])
async def test_what_is_no_greeting_is_not_taken_for_one(mx: FarMx, banner: str | bytes) -> None:
    mx.answers("BANNER", banner)
    found = await knock(Exchanger(mx.host, mx.port), None, LIMIT)
    assert not found.answered
    assert found.said.isprintable()
    assert len(found.said) <= 120


async def test_a_server_that_hangs_up_is_no_greeting(mx: FarMx) -> None:
    mx.closes("BANNER")
    assert not (await knock(Exchanger(mx.host, mx.port), None, LIMIT)).answered


async def test_the_known_receivers_are_found_by_mx(dns: FakeDns, resolver: Resolver, mx: FarMx) -> None:
    for name in KNOWN_RECEIVERS:
        dns.mx(name, (10, f"mx.{name}"))
        dns.address(f"mx.{name}", "127.0.0.1")
    [finding] = await check_way_out(resolver, port=mx.port, limit=LIMIT)
    assert finding.grade is Grade.OK
    assert f"mx.{KNOWN_RECEIVERS[0]} [127.0.0.1]" in finding.found


async def test_without_names_the_port_is_not_blamed(resolver: Resolver) -> None:
    [finding] = await check_way_out(resolver, port=25, limit=LIMIT)
    assert finding.grade is Grade.PROBLEM
    assert "nameserver" in finding.advice
    assert all(name in finding.found for name in KNOWN_RECEIVERS)


async def test_a_smarthost_is_knocked_at_instead(mx: FarMx) -> None:
    [finding] = await check_smarthost(mx.host, mx.port)
    assert finding.grade is Grade.OK
    [finding] = await check_smarthost("127.0.0.1", free_port())
    assert finding.grade is Grade.PROBLEM


@pytest.mark.parametrize(
    ("text", "exchanger"),
    [
        ("mx.example.test", Exchanger("mx.example.test", 25)),
        ("127.0.0.1:2525", Exchanger("127.0.0.1", 2525)),
        ("[::1]:2525", Exchanger("::1", 2525)),
        ("::1", Exchanger("::1", 25)),
    ],
)
def test_exchangers_are_written_as_people_do(text: str, exchanger: Exchanger) -> None:
    assert read_exchanger(text) == exchanger


@pytest.mark.parametrize("text", ["mx:", "mx:http", "fd:smtp", ":25"])
def test_what_is_no_exchanger_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="host"):
        read_exchanger(text)
