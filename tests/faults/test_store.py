"""The disk fails under a running daemon: it never lies, never ends, and recovers alone."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from relay.control.registry import Nothing
from tests.fakes.daemon import Daemon, MakeDaemon
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.faults import means
from tests.faults.doors import TAKEN, Doors, started
from tests.relay.daemon.client import gets

Fault = Callable[[Daemon], AbstractContextManager[None]]
RECOVERS_WITHIN = 10
# Beside a full disk, which needs one of its own.
FAULTS: dict[str, Fault] = {
    "writes fail": means.writes_fail,
    "syncs fail": means.syncs_fail,
    "locked": means.locked,
    "read-only": means.read_only,
}


async def test_a_full_disk_costs_a_delay_and_never_a_message(
    make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx, tmp_path: Path
) -> None:
    with means.small_disk(tmp_path / "disk") as disk:
        daemon, doors = await started(make_daemon, dns, mx, disk / "data")
        await endure(doors, mx, means.full, "452 4.3.1 ")
        assert await daemon.stop() == 0
        assert (await daemon.do("store.verify", Nothing()))["problems"] == []


async def test_a_failing_disk_costs_a_delay_and_never_a_message(
    make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx, tmp_path: Path
) -> None:
    daemon, doors = await started(make_daemon, dns, mx, tmp_path / "data")
    not_made = []
    for name, fault in FAULTS.items():
        try:
            await endure(doors, mx, fault, "451 4.3.0 ")
        except means.NotHere as why:
            not_made.append(f"{name}: {why}")
    await daemon.kill()
    await daemon.start()
    await daemon.manager.hears("STATUS=0 recipients waiting")
    assert doors.lost() == set()
    assert (await daemon.do("store.verify", Nothing()))["problems"] == []
    assert await daemon.stop() == 0
    if not_made:
        pytest.skip("; ".join(not_made))


async def endure(doors: Doors, mx: FarMx, fault: Fault, refusal: str) -> None:
    """Mail comes in and goes out, the fault comes and goes, and all is as before."""
    daemon, arrived = doors.daemon, len(mx.received)
    on_the_wire = mx.stalls(".")
    assert await doors.knock() == TAKEN
    await mx.messages_arrive(arrived + 1)
    try:
        with fault(daemon):
            said = await doors.refuse()
            on_the_wire.set()
            mx.behaves()
            for door in ("submission", "inbound"):
                assert said[door].startswith(refusal), said
            assert said["api"].startswith("503 "), said
            assert "not_accepting" in said["api"]
            assert (await gets(daemon, "/health"))[0] == 200
            assert (await gets(daemon, "/ready"))[0] == 503
            assert doors.lost() == set()
    finally:  # a fault that cannot be made here holds up nothing
        on_the_wire.set()
        mx.behaves()
    daemon.manager.forget()
    await daemon.manager.hears("STATUS=0 recipients waiting", RECOVERS_WITHIN)
    assert await doors.knock() == TAKEN
