"""What is done to the nodes and to their PostgreSQL while mail goes through."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.cluster.scene import Scene
from tests.fakes.daemon import Daemon

LEASE = 15.0
SKEW_SECONDS = 300
CUT_FOR = 5.0
SLOW_FOR, SLOWER_BY = 10.0, 0.05
HELD_FOR = 15.0

_END_BACKENDS = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where pid <> pg_backend_pid() and datname = current_database()"
)

# Returns how many recipients may have been in transfer by whoever was hit: so many may come twice.
Happen = Callable[[Scene], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble; `every` so many seconds from the last one's end, or once."""

    name: str
    happen: Happen
    every: float = 20.0
    lease: str = "30m"


async def kill(scene: Scene) -> int:
    """SIGKILL; it is started again at once, and ends the leases of its earlier life."""
    node = scene.rng.choice(scene.nodes)
    await node.kill()
    await node.start()
    return scene.may_be_on_the_wire(1)


async def stop(scene: Scene) -> int:
    """SIGSTOP until the others have taken over its leases, then SIGCONT."""
    node = scene.rng.choice(scene.nodes)
    scene.signal_tree(node, signal.SIGSTOP)
    try:
        # Kept up every third of a lease, it ends one lease later at most, and is seen within a third.
        await asyncio.sleep(LEASE * 5 / 3)
    finally:
        scene.signal_tree(node, signal.SIGCONT)
    return scene.may_be_on_the_wire(1)


async def crash_server(scene: Scene) -> int:
    """PostgreSQL ends at once, as in a power cut, and comes back."""
    await asyncio.to_thread(scene.server.stop, immediately=True)
    await asyncio.to_thread(scene.server.start)
    return scene.may_be_on_the_wire(len(scene.nodes))


async def end_backends(scene: Scene) -> int:
    """Every session of every node is ended by the server."""
    await scene.ask(_END_BACKENDS)
    return scene.may_be_on_the_wire(len(scene.nodes))


async def cut(scene: Scene) -> int:
    """Every connection to the server is reset, and none gets through for a while."""
    scene.wire.cut()
    try:
        await asyncio.sleep(CUT_FOR)
    finally:
        scene.wire.mend()
    return scene.may_be_on_the_wire(len(scene.nodes))


async def slow_down(scene: Scene) -> int:
    """Whatever passes between nodes and server takes its time."""
    scene.wire.slow_down(SLOWER_BY)
    try:
        await asyncio.sleep(SLOW_FOR)
    finally:
        scene.wire.slow_down(0)
    return 0


async def skew(scene: Scene) -> int:
    """One node's clock is five minutes fast, another's as slow; both are started anew for it."""
    library = fake_time()
    assert library is not None
    for node, seconds in zip(scene.nodes, (SKEW_SECONDS, -SKEW_SECONDS), strict=False):
        await node.kill()
        await _start_at(node, library, seconds)
    return scene.may_be_on_the_wire(2)


async def hold_open(scene: Scene) -> int:
    """Somebody locks rows that are under way, and writes, and does not commit."""
    connection = await asyncpg.connect(scene.url)
    try:
        held = connection.transaction()
        await held.start()
        await connection.execute("insert into cursors (name, seq) values ('held open', 0)")
        await connection.execute("select id from recipients where state = 'leased' limit 20 for update")
        await asyncio.sleep(HELD_FOR)
        await held.rollback()
        return scene.may_be_on_the_wire(len(scene.nodes))
    finally:
        await connection.close()


def fake_time() -> Path | None:
    """The library that changes a program's clock (Debian: libfaketime)."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


async def _start_at(node: Daemon, library: Path, seconds: int) -> None:
    environ = {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{seconds:+}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    await node.start(environ=environ)


FAULTS = (
    Fault("a node is killed (SIGKILL), every 20 s", kill),
    Fault("a node stands still past its lease (SIGSTOP, SIGCONT)", stop, every=5, lease=f"{LEASE:.0f}s"),
    Fault("PostgreSQL ends at once and comes back", crash_server),
    Fault("all backends are terminated", end_backends, every=5),
    Fault("TCP to PostgreSQL is cut for 5 s", cut, every=5),
    Fault("TCP to PostgreSQL is slow (50 ms each way) for 10 s", slow_down, every=5),
    Fault("clocks differ: 5 minutes fast, 5 minutes slow", skew, every=3600),
    Fault("a transaction is held open for 15 s, 20 rows locked", hold_open, every=5),
)
