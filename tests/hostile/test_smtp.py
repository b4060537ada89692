"""Strangers and our own clients at the SMTP doors of a real daemon, saying whatever the grammar draws."""

import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.daemon import Daemon, keep_daemons
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import dns
from tests.hostile.house import SETTINGS, doors_of, kept, sessions

__all__ = ["dns"]

SESSIONS = 150


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
