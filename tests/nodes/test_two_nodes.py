"""Two nodes share one store: each message goes out once, whoever dies; no cap is overshot."""

import asyncio

from tests.fakes.daemon import Daemon
from tests.fakes.far_mx import FarMx
from tests.nodes.conftest import MakeNode
from tests.relay.daemon.client import sends


async def test_a_node_relays_a_message(make_node: MakeNode, mx: FarMx) -> None:
    node: Daemon = await make_node()
    await node.start()
    await sends(node)
    (message,) = await mx.messages_arrive()
    assert b"Subject: Invoice 7" in message.content
    assert b"DKIM-Signature:" in message.content
    assert await node.stop() == 0


async def test_two_nodes_deliver_each_message_once(make_node: MakeNode, mx: FarMx) -> None:
    nodes = [await make_node(), await make_node()]
    await asyncio.gather(*(node.start() for node in nodes))
    wanted = [f"Invoice {number}" for number in range(40)]
    await asyncio.gather(*(sends(nodes[place % 2], subject) for place, subject in enumerate(wanted)))
    await mx.messages_arrive(len(wanted))
    assert [await node.stop() for node in nodes] == [0, 0]
    subjects = [line for each in mx.received for line in each.content.split(b"\r\n") if line[:8] == b"Subject:"]
    assert sorted(subjects) == sorted(f"Subject: {subject}".encode() for subject in wanted)
