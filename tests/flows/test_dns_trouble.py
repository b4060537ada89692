"""Trouble with the DNS costs a delay, whatever it is and whichever question it meets."""

from collections.abc import Callable

import pytest

from relay.queue.state import State
from tests.fakes.dns_server import FakeDns
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR

SHAKY = "shaky.example"
MX = f"mx.{SHAKY}"


def loop(dns: FakeDns, name: str) -> None:
    dns.forget(name)
    dns.cname(name, f"a.{name}")
    dns.cname(f"a.{name}", name)


def endless(dns: FakeDns, name: str) -> None:
    dns.forget(name)
    dns.cname(name, f"0.{name}")
    for step in range(39):
        dns.cname(f"{step}.{name}", f"{step + 1}.{name}")


TROUBLES: dict[str, Callable[[FakeDns, str], None]] = {
    "SERVFAIL": lambda dns, name: dns.fails(name),
    "REFUSED": lambda dns, name: dns.refuses(name),
    "lame": lambda dns, name: dns.is_lame(name),
    "silent": lambda dns, name: dns.stays_silent(name),
    "truncated, and no TCP": lambda dns, name: dns.is_truncated(name, tcp_works=False),
    "alias loop": loop,
    "endless chain of aliases": endless,
}


@pytest.mark.parametrize("asked", [SHAKY, MX], ids=["MX", "address"])
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_mail_waits_until_it_is_over_and_goes_out_once(
    make_house: MakeHouse, trouble: str, asked: str
) -> None:
    house = await make_house({"dns.timeout": "300ms"})
    house.dns.mx(SHAKY, (10, MX))
    house.dns.address(MX, house.mx.host)
    TROUBLES[trouble](house.dns, asked)
    waiting = await house.submit(to=f"ann@{SHAKY}")
    beside = await house.submit(to=f"ann@{FAR}")
    await house.run_until_idle()
    assert await beside.state() is State.DELIVERED
    (recipient,) = await waiting.recipients()
    assert (recipient.state, (recipient.last_reply or "")[:9]) == (State.DEFERRED, "451 4.4.3")

    for name in (SHAKY, MX):
        house.dns.forget(name)
    house.dns.mx(SHAKY, (10, MX))
    house.dns.address(MX, house.mx.host)
    house.clock.advance(minutes=6)
    await house.run_until_idle()
    assert await waiting.state() is State.DELIVERED
    assert len(house.mx.received) == 2
    assert await house.notices() == []
    assert await waiting.events("message.bounced") == []


async def test_a_slow_nameserver_holds_up_nobody_else(make_house: MakeHouse) -> None:
    house = await make_house()
    gate = house.dns.waits(SHAKY)
    house.dns.mx(SHAKY, (10, MX))
    house.dns.address(MX, house.mx.host)
    slow = await house.submit(to=f"ann@{SHAKY}")
    await house.way_out.dispatcher.look()
    beside = await house.submit(to=f"ann@{FAR}")
    await house.way_out.dispatcher.look()
    await house.mx.messages_arrive(1)
    assert house.mx.received[0].recipients == [f"ann@{FAR}"]
    gate.set()
    await house.run_until_idle()
    assert {await slow.state(), await beside.state()} == {State.DELIVERED}


async def test_a_large_answer_comes_by_tcp(make_house: MakeHouse) -> None:
    house = await make_house()
    house.dns.mx(SHAKY, *((10, f"{number}.{MX}") for number in range(200)))
    for number in range(200):
        house.dns.address(f"{number}.{MX}", house.mx.host)
    sent = await house.submit(to=f"ann@{SHAKY}")
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert (SHAKY, "MX") in house.dns.asked_by_tcp
