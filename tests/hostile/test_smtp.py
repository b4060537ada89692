"""Strangers and our own clients at the SMTP doors of a real daemon, saying whatever the grammar draws."""

import asyncio
import secrets
import sqlite3
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.daemon import APPLICATION, Daemon, keep_daemons
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import dns
from tests.hostile.sentences import HEADER_LIMIT, LARGEST
from tests.hostile.session import Doors, Session

__all__ = ["dns"]

SETTINGS = {
    "inbound.uncounted_networks": ["127.0.0.0/8"],
    "inbound.greeting_delay": "0s",
    "limits.message_size": f"{LARGEST}B",
    "limits.header_size": f"{HEADER_LIMIT}B",
    "limits.connections_per_ip": 1000,
    "limits.auth_failures_per_minute": 1_000_000,
    "limits.auth_failures_per_day": 1_000_000,
    "log.level": "warning",
}
SESSIONS = 150
AT_ONCE = 8


@pytest.fixture
async def daemon(tmp_path: Path, dns: FakeDns) -> AsyncIterator[Daemon]:
    async with keep_daemons(tmp_path) as make_daemon:
        daemon = await make_daemon({**SETTINGS, "dns.nameservers": [dns.nameserver]}, receives=True)
        await daemon.start()
        yield daemon
        assert await daemon.stop() == 0


async def test_no_session_of_a_fuzzed_client_finds_a_fault_of_ours(daemon: Daemon) -> None:
    """Wrong names seed and session; `python -m bench.hostile smtp --seed S --session N` says it again."""
    doors, promised = doors_of(daemon), set[str]()
    for seed in (1, secrets.randbits(32)):
        sys.stdout.write(f"seed {seed}\n")
        commands, taken = await sessions(doors, seed, range(SESSIONS))
        assert commands > 10 * SESSIONS
        assert len(taken) > SESSIONS // 3
        promised |= set(taken)
    assert kept(daemon) >= promised
    assert "fault of ours" not in daemon.log


def doors_of(daemon: Daemon) -> Doors:
    tls = ssl.create_default_context(cafile=str(daemon.ca_file))
    ports = {name: daemon.ports[name] for name in ("submission", "submissions", "inbound")}
    return Doors(ports, tls, (APPLICATION, daemon.password))


async def sessions(doors: Doors, seed: int, numbers: range) -> tuple[int, list[str]]:
    """How many commands were said in these sessions, and the ids that were promised."""
    said, taken, left = 0, list[str](), iter(numbers)

    async def one_after_the_other() -> None:
        nonlocal said
        for number in left:
            session = Session(doors, seed, number)
            await session.run()
            said += session.commands
            taken.extend(session.taken)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())
    return said, taken


def kept(daemon: Daemon) -> set[str]:
    """The ids of the messages in the store."""
    file = f"file:{daemon.config.server.data_dir}/posthouse.db?mode=ro"
    with closing(sqlite3.connect(file, uri=True)) as store:
        return {id_ for (id_,) in store.execute("select id from messages")}
