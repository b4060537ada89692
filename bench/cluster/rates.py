"""One load over so many nodes: rates, what a message costs the nodes and the database, and memory."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from bench.cluster.nodes import hand_in, running, settings
from bench.cluster.server import Books, server_below
from bench.cluster.sink import SlowSink
from bench.process import Peak, cpu_seconds
from relay.clock import SystemClock
from tests.fakes.daemon import Daemon

CLOCK = SystemClock()
WARM_UP = 40
DEAREST = 12


@dataclass(frozen=True, slots=True)
class Load:
    """`messages` for each node, over `sessions` in all; `connections` of each node to the sink."""

    messages: int
    sessions: int
    connections: int
    delay: float


@dataclass(frozen=True, slots=True)
class Result:
    """Of one round: messages a second, seconds, megabytes; statements and milliseconds of all messages."""

    nodes: int
    messages: int
    accepted: float
    delivered: float
    statements: int
    database_ms: float
    log_octets: int
    store_octets: int
    rolled_back: int
    node_cpu: float
    server_cpu: float
    node_mb: float
    server_mb: float
    load_average: float
    dearest: tuple[tuple[str, int, float], ...]


async def measure(base: Path, count: int, load: Load) -> Result:
    """Fresh nodes on a fresh server."""
    sink = await SlowSink.start(load.delay)
    try:
        with server_below(base) as server:
            url = await asyncio.to_thread(server.empty_database)
            wanted = settings(url, f"127.0.0.1:{sink.port}", load.connections)
            async with running(base, count, wanted) as nodes:
                warm = WARM_UP * count
                await hand_in(nodes, load.sessions, warm)
                await sink.takes(warm, 120)
                return await _count(nodes, load, Books(server, url), sink)
    finally:
        await sink.stop()


async def _count(nodes: list[Daemon], load: Load, books: Books, sink: SlowSink) -> Result:
    """From the first connection until the last message has come out and its outcome is written."""
    pids, server = tuple(node.pid for node in nodes), books.server.pid
    await books.begin()
    turned_back, size = await books.turned_back(), await books.size()
    node_cpu, server_cpu = _cpu(pids), cpu_seconds(server)
    async with Peak(pids) as node_peak, Peak((server,)) as server_peak:
        accepted_in, delivered_in = await _load(nodes, load, sink)
        await books.settled()
    cost = await books.cost()
    return Result(
        nodes=len(nodes),
        messages=load.messages * len(nodes),
        accepted=load.messages * len(nodes) / accepted_in,
        delivered=load.messages * len(nodes) / delivered_in,
        statements=cost.statements,
        database_ms=cost.milliseconds,
        log_octets=cost.log_octets,
        store_octets=await books.size() - size,
        rolled_back=await books.turned_back() - turned_back,
        node_cpu=_cpu(pids) - node_cpu,
        server_cpu=cpu_seconds(server) - server_cpu,
        node_mb=node_peak.megabytes,
        server_mb=server_peak.megabytes,
        load_average=os.getloadavg()[0],
        dearest=tuple(await books.dearest(DEAREST)),
    )


async def _load(nodes: list[Daemon], load: Load, sink: SlowSink) -> tuple[float, float]:
    """Seconds until the last 250, and until the sink has the last message."""
    count, before, began = load.messages * len(nodes), sink.taken, CLOCK.monotonic()
    delivered = asyncio.create_task(sink.takes(before + count, 300))
    try:
        await hand_in(nodes, load.sessions, count)
        accepted_in = CLOCK.monotonic() - began
        await delivered
        return accepted_in, CLOCK.monotonic() - began
    finally:
        delivered.cancel()


def _cpu(pids: tuple[int, ...]) -> float:
    return sum(map(cpu_seconds, pids))
