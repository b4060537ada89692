"""A destination is served by one node at a time, so its limits hold; it moves when that node is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from relay.control.registry import Nothing
from relay.dispatch.sites import ANYBODYS_AFTER, SharedSites
from relay.queue.claims import Site
from relay.queue.state import State
from tests.fakes.daemon import Daemon
from tests.fakes.far_mx import FarMx
from tests.flows.house import FAR, House, Sent
from tests.nodes.conftest import MakeNode, OpenNode
from tests.nodes.test_two_nodes import subjects, two_with_a_mailbox
from tests.relay.daemon.client import sends

LIMIT = 30


def sites_of(house: House) -> SharedSites:
    sites = house.way_out.dispatcher._sites
    assert isinstance(sites, SharedSites)
    return sites


async def leases(house: House) -> dict[str, str]:
    rows = await house.station.db.fetch_all("select destination, node from site_leases")
    return {row["destination"]: row["node"] for row in rows}


@asynccontextmanager
async def delivering(house: House) -> AsyncIterator[None]:
    task = asyncio.create_task(house.way_out.dispatcher.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        await house.way_out.dispatcher.stop(timedelta(seconds=5))
        await task


async def reaches(sent: Sent, state: State) -> None:
    async with asyncio.timeout(LIMIT):
        while await sent.state() is not state:
            pass


async def test_who_serves_a_destination_goes_on_with_it(open_node: OpenNode, mx: FarMx) -> None:
    first, second = await two_with_a_mailbox(open_node)
    await first.submit()
    await first.run_until_idle()
    assert await leases(first) == {FAR: first.station.node}
    sent = await second.submit()
    await second.run_until_idle()
    assert await sent.state() is State.QUEUED
    await first.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_fresh_mail_for_a_site_of_anothers_goes_through_the_store(
    open_node: OpenNode, mx: FarMx
) -> None:
    owner, other = await two_with_a_mailbox(open_node)
    async with delivering(owner), delivering(other):
        await reaches(await owner.submit(), State.DELIVERED)
        sent = await other.submit()
        (row,) = await sent.recipients()
        assert (row.state, row.attempts) == (State.QUEUED, 0)
        owner.way_out.dispatcher.wake()  # as it is by the log within a second
        await reaches(sent, State.DELIVERED)
        # To the owner itself it needs no claim.
        (row,) = await (await owner.submit()).recipients()
        assert row.attempts == 1
        assert await leases(owner) == {FAR: owner.station.node}


async def test_a_site_moves_when_the_lease_of_a_dead_node_ends(open_node: OpenNode) -> None:
    dead, other = await two_with_a_mailbox(open_node)
    await dead.submit()
    await dead.run_until_idle()
    sent = await other.submit()
    other.clock.advance(minutes=9)
    found = await other.way_out.dispatcher.look()
    assert (found.handed_out, await sent.state()) == (0, State.QUEUED)
    assert found.next_due is not None  # it looks again when the lease ends
    other.clock.advance(minutes=2)
    await other.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert await leases(other) == {FAR: other.station.node}


async def test_a_node_that_lost_its_lease_begins_nothing(open_node: OpenNode, mx: FarMx) -> None:
    sleeper, other = await two_with_a_mailbox(open_node)
    sent = [await sleeper.submit() for _ in range(4)]
    gate = mx.stalls(".")
    await sleeper.way_out.dispatcher.look()
    await mx.messages_arrive(2)
    sleeper.clock.advance(minutes=11)  # both, as they share a clock
    assert not sites_of(sleeper).has(FAR)
    late = await other.submit()
    mx.behaves()
    await other.run_until_idle()
    assert await late.state() is State.DELIVERED
    gate.set()
    await sleeper.run_until_idle()
    await other.run_until_idle()
    assert [await each.state() for each in sent] == [State.DELIVERED] * 4
    assert len(mx.received) == 5


async def test_free_sites_are_spread_and_taken_over_when_nobody_comes(open_node: OpenNode) -> None:
    house = await open_node()
    sites = sites_of(house)
    sites.meet(["a", "b", house.station.node])
    now = 1_000_000
    found = [sites.when(Site(f"far{number}.example", False, now)) for number in range(300)]
    ours = [site for site in found if site.due_at == now]
    assert 60 < len(ours) < 140
    assert {site.due_at - now for site in found} == {0, ANYBODYS_AFTER // timedelta(microseconds=1)}
    sites.meet(["a", house.station.node])
    kept = {site.destination for site in found if sites.when(site).due_at <= site.due_at}
    assert kept > {site.destination for site in ours}


async def test_a_limit_of_connections_holds_for_three_nodes_whoever_is_killed(
    make_node: MakeNode, mx: FarMx
) -> None:
    settings: dict[str, Any] = {
        "delivery.max_connections_per_destination": 2,
        "delivery.site_lease": "3s",
        "delivery.lease": "5s",
    }
    nodes = [await make_node(**settings) for _ in range(3)]
    await asyncio.gather(*(node.start() for node in nodes))
    wanted = [f"Invoice {number}" for number in range(30)]
    await asyncio.gather(*(sends(nodes[place % 3], subject) for place, subject in enumerate(wanted)))
    await mx.messages_arrive(len(wanted))
    assert sorted(subjects(mx)) == sorted(wanted)
    assert mx.most_sessions <= 2

    # Whoever serves it now is killed in the middle of a message: the others take over.
    mx.received.clear()
    gate = mx.stalls(".")
    await asyncio.gather(*(sends(nodes[place], f"More {place}") for place in range(3)))
    await mx.messages_arrive()
    owner = await owner_of(nodes)
    await nodes[owner].kill()
    mx.behaves()
    gate.set()
    others = [node for place, node in enumerate(nodes) if place != owner]
    await asyncio.gather(*(sends(node, f"Last {place}") for place, node in enumerate(others)))
    async with asyncio.timeout(LIMIT):
        while not {"Last 0", "Last 1"} <= set(subjects(mx)):
            await mx.messages_arrive(len(mx.received) + 1)
    assert mx.most_sessions <= 2
    assert [await node.stop() for node in others] == [0, 0]


async def owner_of(nodes: list[Daemon]) -> int:
    """The place of the only node that has leases."""
    found = await nodes[0].do("cluster.status", Nothing())
    (name,) = {each["name"] for each in found["nodes"] if each["leases"]}
    (process,) = [each["process"] for each in found["nodes"] if each["name"] == name]
    return [node.pid for node in nodes].index(process)
