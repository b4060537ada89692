"""A domain's catch-all receives what nobody else does, and nothing that somebody does."""

import pytest

from relay.estate import domains as estate
from relay.queue.state import State
from relay.tenants.tenants import DEFAULT_TENANT
from tests.flows.house import OURS, House
from tests.flows.test_inbound import deliver

CATCHER = f"catcher@{OURS}"


@pytest.fixture
async def catching(house: House) -> House:
    house.clock.advance(seconds=1)  # so that the roles are read by the mailbox that was there before
    await house.mailbox(CATCHER)
    await estate.set_catch_all(house.station, DEFAULT_TENANT, OURS, CATCHER)
    return house


@pytest.mark.parametrize("name", ["nobody", "Sales.Team", "x+tag", "bounce"])
async def test_what_nobody_is_named_for_is_caught(catching: House, name: str) -> None:
    replies = await deliver(catching, f"<{name}@{OURS}>")
    assert [reply[:3] for reply in replies] == ["250", "250"]
    assert len(await catching.received_by(CATCHER)) == 1


@pytest.mark.parametrize("name", ["app", "APP", "alias", "app+tag"])
async def test_who_is_here_receives_himself(catching: House, name: str) -> None:
    await catching.mailbox(f"ann@{OURS}", aliases=[f"alias@{OURS}"])
    await deliver(catching, f"<{name}@{OURS}>")
    assert await catching.received_by(CATCHER) == []


@pytest.mark.parametrize("role", ["postmaster", "Abuse"])
async def test_the_roles_stay_with_who_reads_them(catching: House, role: str) -> None:
    await deliver(catching, f"<{role}@{OURS}>")
    assert await catching.received_by(CATCHER) == []
    assert len(await catching.received_by(f"app@{OURS}")) == 1


async def test_other_domains_are_not_caught(catching: House) -> None:
    await catching.domain("two.test")
    (reply,) = await deliver(catching, "<nobody@two.test>")
    assert reply.startswith("550 5.1.1 ")
    (reply,) = await deliver(catching, f"<nobody@sub.{OURS}>")
    assert reply.startswith("550 5.7.1 ")


async def test_mail_of_the_house_is_caught_too(catching: House) -> None:
    sent = await catching.submit(to=f"nobody@{OURS}")
    await catching.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert len(await catching.received_by(CATCHER)) == 1


async def test_without_its_catch_all_a_domain_refuses_again(catching: House) -> None:
    await estate.set_catch_all(catching.station, DEFAULT_TENANT, OURS, None)
    (reply,) = await deliver(catching, f"<nobody@{OURS}>")
    assert reply.startswith("550 5.1.1 ")
