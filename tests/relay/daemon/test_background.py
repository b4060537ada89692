"""What runs beside the doors goes on through trouble, or the daemon ends: it never half works."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from relay.config import Config
from relay.daemon.process import Role, TaskEnded, run_station, serve_until_stopped
from relay.store.database import Transaction
from relay.systemd import ServiceManager
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.service_manager import FakeServiceManager
from tests.flows.house import configuration

DELIVERY: tuple[Role, ...] = ("delivery",)


@pytest.fixture
def config(tmp_path: Path, dns: FakeDns, mx: FarMx) -> Config:
    return configuration(tmp_path, dns, mx)


def named(name: str) -> "asyncio.Task[None]":
    return next(task for task in asyncio.all_tasks() if task.get_name() == name)


async def test_a_task_that_ends_takes_the_daemon_with_it(config: Config) -> None:
    async with run_station(config, roles=DELIVERY) as running:
        await running.way_out.dispatcher.stop(timedelta())
        with pytest.raises(TaskEnded, match="dispatch"):
            await serve_until_stopped(running)


async def test_the_watch_outlives_a_store_that_cannot_be_read(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeServiceManager(tmp_path) as systemd:
        manager = ServiceManager(systemd.environment["NOTIFY_SOCKET"])
        watchdog = timedelta(milliseconds=30)
        async with run_station(config, roles=(), manager=manager, watchdog=watchdog) as running:

            async def work(tx: Transaction) -> None:
                await tx.execute("alter table recipients rename to elsewhere")

            await running.station.db.transact(work)
            systemd.forget()
            for _ in range(3):
                await systemd.hears("WATCHDOG=1")
            assert not named("watch").done()
        manager.close()
    assert "how much waits cannot be read" in caplog.text
