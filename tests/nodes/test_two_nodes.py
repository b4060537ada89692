"""Two nodes share one store: each message goes out once, whoever dies; no cap is overshot."""

import asyncio

from tests.fakes.daemon import Daemon
from tests.fakes.far_mx import FarMx
from tests.nodes.conftest import MakeNode
from tests.relay.daemon.client import sends


def subjects(mx: FarMx) -> list[str]:
    """Of what has arrived, as often as it did."""
    lines = (line for message in mx.received for line in message.content.decode().split("\r\n"))
    return [line.removeprefix("Subject: ") for line in lines if line.startswith("Subject: ")]


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
    assert sorted(subjects(mx)) == sorted(wanted)
