"""The process that delivers beside the daemon: neither outlives the other's death to anybody's harm."""

import asyncio
import os
import signal
from pathlib import Path

from tests.fakes.daemon import Daemon, MakeDaemon
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.relay.daemon.client import sends

MODULE = b"relay.delivery.processes.child"


def delivery_processes(daemon: Daemon) -> list[int]:
    """The process ids of the daemon's children that deliver."""
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    return [int(pid) for pid in children if MODULE in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def ends(descriptor: int) -> None:
    """Wait for the end of the process that a pidfd stands for."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    async with asyncio.timeout(60):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)


async def test_its_death_costs_the_attempt_and_not_the_message(daemon: Daemon, mx: FarMx) -> None:
    gate = mx.stalls("DATA")
    await daemon.start()
    await sends(daemon)
    await mx.hears("DATA")
    (child,) = delivery_processes(daemon)
    os.kill(child, signal.SIGKILL)
    gate.set()
    mx.behaves()
    (received,) = await mx.messages_arrive()
    assert b"Subject: Invoice 7" in received.content
    await daemon.happens("message.delivered")
    assert "nobody knows what became of msg_" in daemon.log
    assert await daemon.stop() == 0


async def test_it_ends_when_the_daemon_is_killed(daemon: Daemon, mx: FarMx) -> None:
    gate = mx.stalls(".")
    await daemon.start()
    await sends(daemon)
    await mx.hears("DATA")
    (child,) = delivery_processes(daemon)
    orphan = os.pidfd_open(child)
    await daemon.kill()
    await ends(orphan)
    gate.set()


async def test_a_daemon_may_deliver_by_itself(make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx) -> None:
    dns.mx("far.example", (10, "mx.far.example"))
    dns.address("mx.far.example", "127.0.0.1")
    settings = {"dns.nameservers": [dns.nameserver], "delivery.port": mx.port, "delivery.processes": 0}
    daemon = await make_daemon(settings)
    await daemon.start()
    await sends(daemon)
    await mx.messages_arrive()
    assert delivery_processes(daemon) == []
    assert await daemon.stop() == 0
