"""Trouble of nodes and of their PostgreSQL: nothing is lost, and only what was on the wire comes twice.

`python -m bench.cluster faults` does the same to processes under load.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import asyncpg
import pytest

from relay.queue.state import State
from tests.fakes import postgres
from tests.fakes.clock import FakeClock
from tests.fakes.far_mx import FarMx
from tests.fakes.postgres import PostgresServer, running_server
from tests.fakes.wire import Wire
from tests.flows.house import House, Sent
from tests.nodes.conftest import MakeNode, OpenNode
from tests.nodes.test_two_nodes import subjects, two_with_a_mailbox
from tests.relay.daemon.client import sends

LIMIT = 60
MESSAGES = 4


def name_of(url: str) -> str:
    """The database of an address."""
    return url.partition("@/")[2].partition("?")[0]


@pytest.fixture
async def wire(postgres_server: PostgresServer) -> AsyncIterator[Wire]:
    made = await Wire.start(postgres_server.socket)
    yield made
    await made.stop()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    if postgres.programs() is None:
        pytest.skip(postgres.NEEDED)
    with running_server("fsync=on") as server:
        yield server


async def under_way(house: House, mx: FarMx) -> tuple[list[Sent], asyncio.Event]:
    """Messages of which the far side has some, and answers none before the event."""
    gate = mx.stalls(".")
    sent = [await house.submit() for _ in range(MESSAGES)]
    await house.way_out.dispatcher.look()
    await mx.messages_arrive()
    return sent, gate


async def each_arrives_once(nodes: tuple[House, House], sent: list[Sent], mx: FarMx) -> None:
    """When everything is done; and another message goes through either node."""
    async with asyncio.timeout(LIMIT):
        for node in nodes:
            await node.station.db.probe()
            assert node.station.db.accepting
        mx.behaves()
        sent = [*sent, *[await node.submit() for node in nodes]]
        while {await each.state() for each in sent} != {State.DELIVERED}:
            # What one took may be the other's to deliver, and what met trouble is due a little later.
            for node in nodes:
                await node.run_until_idle()
                node.clock.advance(minutes=6)
    assert len(mx.received) == len(sent)


async def test_backends_that_are_terminated_cost_nothing(
    open_node: OpenNode, mx: FarMx, postgres_url: str
) -> None:
    nodes = await two_with_a_mailbox(open_node)
    sent, gate = await under_way(nodes[0], mx)
    beside = await asyncpg.connect(postgres_url)
    try:
        ended = await beside.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    finally:
        await beside.close()
    assert ended
    gate.set()
    await each_arrives_once(nodes, sent, mx)


async def test_a_server_that_crashes_and_comes_back_has_lost_nothing(
    open_node: OpenNode, mx: FarMx, own_server: PostgresServer
) -> None:
    url = await asyncio.to_thread(own_server.empty_database)
    nodes = await two_on(open_node, url)
    sent, gate = await under_way(nodes[0], mx)
    await asyncio.to_thread(own_server.stop, immediately=True)
    gate.set()
    await asyncio.to_thread(own_server.start)
    await each_arrives_once(nodes, sent, mx)


async def test_a_wire_that_is_cut_and_mended_costs_nothing(
    open_node: OpenNode, mx: FarMx, postgres_url: str, wire: Wire
) -> None:
    nodes = await two_on(open_node, wire.url(name_of(postgres_url)))
    sent, gate = await under_way(nodes[0], mx)
    assert wire.carries
    wire.cut()
    gate.set()
    with pytest.raises(Exception, match=r"4\.3\.0"):
        await nodes[1].submit()
    wire.mend()
    await each_arrives_once(nodes, sent, mx)


async def test_a_slow_wire_slows_down_and_nothing_else(
    open_node: OpenNode, mx: FarMx, postgres_url: str, wire: Wire
) -> None:
    nodes = await two_on(open_node, wire.url(name_of(postgres_url)))
    wire.slow_down(0.01)
    sent, gate = await under_way(nodes[0], mx)
    gate.set()
    await each_arrives_once(nodes, sent, mx)


async def test_an_outcome_waits_for_a_row_that_somebody_has_locked(
    open_node: OpenNode, mx: FarMx, postgres_url: str
) -> None:
    nodes = await two_with_a_mailbox(open_node)
    sent, gate = await under_way(nodes[0], mx)
    beside, watching = [await asyncpg.connect(postgres_url) for _ in range(2)]
    try:
        held = beside.transaction()
        await held.start()
        await beside.execute("insert into cursors (name, seq) values ('held open', 0)")
        await beside.execute("select id from recipients where state = 'leased' for update")
        gate.set()
        async with asyncio.timeout(LIMIT):
            while not await watching.fetchval("select count(*) from pg_locks where not granted"):
                pass
        # What is claimed goes round it.
        nodes[1].dns.mx("other.example", (10, "mx.far.example"))
        free = await nodes[1].submit("ann@other.example")
        await nodes[1].way_out.dispatcher.run_until_idle()
        assert await free.state() is State.DELIVERED
        await held.rollback()
    finally:
        for connection in (beside, watching):
            await connection.close()
    await each_arrives_once(nodes, [*sent, free], mx)


async def test_clocks_that_differ_by_five_minutes_take_nothing_from_each_other(
    open_node: OpenNode, mx: FarMx, clock: FakeClock
) -> None:
    fast = FakeClock(clock.now() + timedelta(minutes=5))
    nodes = await open_node(), await open_node(fast)
    await nodes[0].domain("ours.test")
    await nodes[0].mailbox("app@ours.test", daily_cap=MESSAGES + 2)
    nodes[1].passwords.update(nodes[0].passwords)
    sent, gate = await under_way(nodes[0], mx)
    await nodes[1].way_out.sweeper.keep_leases()
    await nodes[1].way_out.dispatcher.look()
    assert {row.lease_owner for each in sent for row in await each.recipients()} == {nodes[0].station.node}
    gate.set()
    await each_arrives_once(nodes, sent, mx)
    assert await nodes[0].used_today() == MESSAGES + 2


async def test_a_node_that_stood_still_past_its_lease_begins_nothing_under_it(
    open_node: OpenNode, mx: FarMx, clock: FakeClock
) -> None:
    """What was on the wire comes twice, the rest once."""
    later = FakeClock(clock.now() + timedelta(hours=1))
    asleep = await open_node(**{"delivery.max_connections_per_destination": 1})
    other = await open_node(later)
    await asleep.domain("ours.test")
    await asleep.mailbox("app@ours.test")
    sent, gate = await under_way(asleep, mx)
    assert mx.open_sessions == 1 < asleep.way_out.dispatcher.in_flight

    mx.behaves()
    await other.way_out.sweeper.keep_leases()
    async with asyncio.timeout(LIMIT):
        await other.run_until_idle()
    assert [await each.state() for each in sent] == [State.DELIVERED] * MESSAGES

    clock.advance(hours=1)
    gate.set()
    async with asyncio.timeout(LIMIT):
        await asleep.run_until_idle()
    assert len(mx.received) == MESSAGES + 1
    assert [await each.state() for each in sent] == [State.DELIVERED] * MESSAGES


async def test_what_a_killed_node_had_in_hand_it_delivers_when_it_is_started_again(
    make_node: MakeNode, mx: FarMx
) -> None:
    killed, other = await make_node(), await make_node()
    await asyncio.gather(killed.start(), other.start())
    gate = mx.stalls(".")
    wanted = [f"Invoice {number}" for number in range(MESSAGES)]
    await asyncio.gather(*(sends(killed, subject) for subject in wanted))
    await mx.messages_arrive()
    on_the_wire = mx.open_sessions
    await killed.kill()
    mx.behaves()
    gate.set()  # the destination may have been the other's
    await killed.start()
    await all_arrive(mx, wanted)
    assert [await node.stop() for node in (killed, other)] == [0, 0]
    assert sum((Counter(subjects(mx)) - Counter(wanted)).values()) <= on_the_wire


async def all_arrive(mx: FarMx, wanted: list[str]) -> None:
    async with asyncio.timeout(LIMIT):
        while not set(wanted) <= set(subjects(mx)):
            await mx.messages_arrive(len(mx.received) + 1)


async def two_on(open_node: OpenNode, url: str) -> tuple[House, House]:
    """Two nodes on the store at that address, with a mailbox."""
    first, second = [await open_node(**{"store.url": url}) for _ in range(2)]
    await first.domain("ours.test")
    await first.mailbox("app@ours.test")
    second.passwords.update(first.passwords)
    return first, second
