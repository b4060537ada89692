"""Who is there and how they are; a node that is drained has its work done by the others."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.clock import to_us
from relay.control.context import Context
from relay.control.operations.cluster import NamedNode
from relay.control.registry import Nothing, find
from relay.daemon.draining import Draining
from relay.daemon.presence import Presence
from relay.errors import InvalidInput, NotFound
from relay.events import audit
from relay.events.audit import Asked
from relay.nodes import records
from relay.nodes.records import Status
from relay.queue import records as queue
from relay.queue.state import State
from relay.store.database import Database, Transaction
from relay.version import __version__
from tests.conftest import open_store_at
from tests.fakes.clock import FakeClock
from tests.fakes.daemon import Daemon
from tests.fakes.far_mx import FarMx
from tests.flows.letters import post, written
from tests.nodes.conftest import MakeNode, OpenNode
from tests.nodes.test_two_nodes import subjects, two_with_a_mailbox
from tests.relay.daemon.client import gets, sends

LIMIT = 30


@pytest.fixture
async def shared(postgres_url: str, data_dir: Path, clock: FakeClock) -> AsyncIterator[Database]:
    """A store that nodes share: only there is a table of them."""
    store = await open_store_at("postgresql", postgres_url, data_dir, clock)
    try:
        yield store
    finally:
        await store.close()


async def enter(db: Database, clock: FakeClock, name: str) -> None:
    async def work(tx: Transaction) -> None:
        await records.enter(tx, clock, name, version="1", roles=("api",), process=7)

    await db.transact(work)


async def beats(db: Database, clock: FakeClock, name: str, *, is_drained: bool = False) -> bool:
    return await db.transact(lambda tx: records.beat(tx, clock, name, is_drained=is_drained))


async def asked(db: Database, clock: FakeClock, name: str, *, wanted: bool) -> None:
    await db.transact(lambda tx: records.set_drain(tx, clock, name, wanted=wanted))


async def status_of(db: Database, clock: FakeClock, name: str) -> Status:
    return (await records.find(db, name)).status(to_us(clock.now()))


async def test_a_node_is_running_until_it_falls_silent_or_leaves(shared: Database, clock: FakeClock) -> None:
    await enter(shared, clock, "a/1")
    clock.advance(seconds=29)
    assert await status_of(shared, clock, "a/1") is Status.RUNNING
    clock.advance(seconds=2)
    assert await status_of(shared, clock, "a/1") is Status.SILENT
    assert await beats(shared, clock, "a/1")
    assert await status_of(shared, clock, "a/1") is Status.RUNNING
    await shared.transact(lambda tx: records.leave(tx, clock, "a/1"))
    assert await status_of(shared, clock, "a/1") is Status.STOPPED


async def test_a_node_stays_drained_through_a_restart_until_it_is_resumed(
    shared: Database, clock: FakeClock
) -> None:
    await enter(shared, clock, "a/1")
    await asked(shared, clock, "a/1", wanted=True)
    assert await status_of(shared, clock, "a/1") is Status.DRAINING
    await beats(shared, clock, "a/1", is_drained=True)
    assert await status_of(shared, clock, "a/1") is Status.DRAINED
    await enter(shared, clock, "a/1")
    assert await records.is_to_drain(shared, "a/1")
    assert await status_of(shared, clock, "a/1") is Status.DRAINING
    await asked(shared, clock, "a/1", wanted=False)
    assert not await records.is_to_drain(shared, "a/1")
    assert await status_of(shared, clock, "a/1") is Status.RUNNING


async def test_nodes_that_have_been_gone_for_a_week_are_forgotten(shared: Database, clock: FakeClock) -> None:
    await enter(shared, clock, "a/1")
    clock.advance(days=7, seconds=1)
    await enter(shared, clock, "b/1")
    assert [node.name for node in await records.list_all(shared)] == ["b/1"]
    assert not await beats(shared, clock, "a/1")


async def test_a_node_is_named_by_the_beginning_of_its_name(shared: Database, clock: FakeClock) -> None:
    for name in ("mail1/ab", "mail1/cd", "mail2/ab", "mail"):
        await enter(shared, clock, name)
    assert (await records.find(shared, "mail2")).name == "mail2/ab"
    assert (await records.find(shared, "mail")).name == "mail"
    with pytest.raises(InvalidInput, match="mail1/ab, mail1/cd"):
        await records.find(shared, "mail1")
    with pytest.raises(NotFound):
        await records.find(shared, "mail3")


async def test_taking_a_node_out_and_letting_it_work_again_are_in_the_audit_log(
    open_node: OpenNode, clock: FakeClock
) -> None:
    house = await open_node()
    await enter(house.station.db, clock, "mail1/ab")
    for name in ("cluster.drain", "cluster.drain", "cluster.resume"):
        operation = find(name)
        assert operation.run is not None
        await operation.run(Context(house.station), NamedNode(node="mail1"))
        clock.advance(seconds=1)
    entries = await audit.page(house.station.db, Asked(action="node"), 10)
    assert [(each.action, each.target, each.actor.id) for each in reversed(entries)] == [
        ("node.drained", "mail1/ab", "cluster.drain"),
        ("node.resumed", "mail1/ab", "cluster.resume"),
    ]


async def test_what_a_node_had_in_hand_is_delivered_by_another_while_it_rests(
    open_node: OpenNode, mx: FarMx
) -> None:
    drained, other = await two_with_a_mailbox(open_node)
    sent = [await drained.submit() for _ in range(6)]
    mx.stalls(".")
    await drained.way_out.dispatcher.look()
    await drained.way_out.dispatcher.pause(timedelta())
    waiting = await queue.waiting(drained.station.db)
    assert [row.state for row in waiting] == [State.QUEUED] * len(sent)
    assert (await drained.way_out.dispatcher.look()).handed_out == 0

    mx.behaves()
    mx.received.clear()
    await other.run_until_idle()
    assert [await each.state() for each in sent] == [State.DELIVERED] * len(sent)

    # Who serves a destination goes on with it until it is taken out itself.
    await other.way_out.dispatcher.pause(timedelta())
    drained.way_out.dispatcher.resume()
    again = await drained.submit()
    await drained.way_out.dispatcher.run_until_idle()
    assert await again.state() is State.DELIVERED


async def test_what_a_resting_node_takes_it_leaves_to_the_others(open_node: OpenNode, mx: FarMx) -> None:
    drained, other = await two_with_a_mailbox(open_node)
    working = asyncio.create_task(drained.way_out.dispatcher.run())
    sent = await drained.submit()
    await mx.messages_arrive()
    await drained.way_out.dispatcher.pause(timedelta(seconds=5))
    assert await sent.state() is State.DELIVERED
    taken = await drained.submit()
    assert await taken.state() is State.QUEUED
    await other.run_until_idle()
    assert await taken.state() is State.DELIVERED
    await drained.way_out.dispatcher.stop(timedelta(seconds=5))
    await working


async def test_another_node_writes_the_notices_while_one_rests(open_node: OpenNode, mx: FarMx) -> None:
    drained, other = await two_with_a_mailbox(open_node)
    await drained.way_out.notifier.pause(timedelta(seconds=5))
    mx.answers("RCPT", "550 5.1.1 no such user")
    await drained.submit()
    await drained.way_out.dispatcher.run_until_idle()
    assert await drained.way_out.notifier.step() == 0
    assert await other.way_out.notifier.step() > 0
    drained.way_out.notifier.resume()
    await drained.way_out.notifier.step()
    await drained.run_until_idle()
    assert len(await drained.notices()) == 1


async def test_another_node_reads_while_one_rests(open_node: OpenNode) -> None:
    drained, other = await two_with_a_mailbox(open_node)
    await drained.way_in.reader.step()
    await drained.way_in.reader.pause(timedelta(seconds=5))
    await post(drained, written())
    assert await drained.way_in.reader.step() == 0
    assert await other.way_in.reader.step() == 1
    await other.way_in.reader.stop()
    drained.way_in.reader.resume()
    await post(drained, written(subject="One more"))
    assert await drained.way_in.reader.step() == 1


async def test_status_tells_of_every_node(make_node: MakeNode, mx: FarMx) -> None:
    nodes = [await make_node(), await make_node()]
    await asyncio.gather(*(node.start() for node in nodes))
    gate = mx.stalls(".")
    await sends(nodes[0])
    await mx.messages_arrive()

    found = await status(nodes[1])

    assert found["engine"] == "postgresql"
    assert [each["status"] for each in found["nodes"]] == ["running", "running"]
    assert {each["version"] for each in found["nodes"]} == {__version__}
    assert found["nodes"][0]["roles"] == ["submission", "inbound", "delivery", "api"]
    assert {each["process"] for each in found["nodes"]} == {node.pid for node in nodes}
    assert sorted(each["leases"] for each in found["nodes"]) == [0, 1]
    assert found["this_node"] in {each["name"] for each in found["nodes"]}
    assert found["store"]["size"] > 0
    assert found["lag"]["oldest_due_at"] is None
    gate.set()
    assert await nodes[0].stop() == 0
    left = await status(nodes[1])
    assert sorted(each["status"] for each in left["nodes"]) == ["running", "stopped"]
    assert [each["leases"] for each in left["nodes"]] == [0, 0]
    assert await nodes[1].stop() == 0


async def test_a_drained_node_sends_everybody_elsewhere_until_it_is_resumed(
    make_node: MakeNode, mx: FarMx
) -> None:
    drained, other = [await make_node(**{"server.drain_timeout": "1s"}) for _ in range(2)]
    await asyncio.gather(drained.start(), other.start())
    name = (await status(drained))["this_node"]
    session = await asyncio.to_thread(smtplib.SMTP, "127.0.0.1", drained.ports["inbound"])

    await other.do("cluster.drain", NamedNode(node=name))
    await becomes(other, name, "drained")

    assert (await gets(drained, "/ready"))[0] == 503
    assert (await gets(drained, "/health"))[0] == 200
    assert (await gets(other, "/ready"))[0] == 200
    assert (await asyncio.to_thread(session.getreply))[0] == 421
    session.close()
    with pytest.raises(smtplib.SMTPConnectError) as turned_away:
        await sends(drained)
    assert turned_away.value.smtp_code == 421
    await sends(other)
    await mx.messages_arrive()

    await drained.stop()
    await drained.start()
    assert (await gets(drained, "/ready"))[0] == 503

    await other.do("cluster.resume", NamedNode(node=name))
    await becomes(other, name, "running")
    await is_ready(drained)
    await sends(drained, "Invoice 8")
    await mx.messages_arrive(2)
    assert sorted(subjects(mx)) == ["Invoice 7", "Invoice 8"]
    assert [await node.stop() for node in (drained, other)] == [0, 0]


async def status(node: Daemon) -> dict[str, Any]:
    found: dict[str, Any] = await node.do("cluster.status", Nothing())
    return found


async def becomes(node: Daemon, name: str, wanted: str) -> None:
    """Wait until another node says so of that one."""
    async with asyncio.timeout(LIMIT):
        while wanted not in {
            each["status"] for each in (await status(node))["nodes"] if each["name"] == name
        }:
            pass


async def is_ready(node: Daemon) -> None:
    async with asyncio.timeout(LIMIT):
        while (await gets(node, "/ready"))[0] != 200:
            pass


async def test_a_node_whose_row_is_gone_writes_it_anew(open_node: OpenNode) -> None:
    house = await open_node()
    station = house.station
    draining = Draining(station.clock, station.standing, timedelta(), [], lambda reply: None)
    presence = Presence(station, ("api",), draining)
    await presence.enter()
    await station.db.transact(lambda tx: tx.execute("delete from nodes"))
    await presence.look()
    assert await records.list_all(station.db) == []
    house.clock.advance(seconds=10)
    await presence.look()
    (node,) = await records.list_all(station.db)
    assert (node.name, node.roles) == (station.node, ("api",))
    await presence.leave()
    assert (await records.find(station.db, station.node)).status(to_us(house.clock.now())) is Status.STOPPED
