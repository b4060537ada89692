"""Damaged letters through the real daemon and its reading children: each is kept, read and shown."""

import secrets
import sys
from pathlib import Path

from tests.fakes.daemon import keep_daemons
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import dns
from tests.hostile.post import SETTINGS, all_are_read, check_shown, complaints_in, hand_in

__all__ = ["dns"]

LETTERS = 100


async def test_no_letter_is_lost_and_none_finds_a_fault_of_ours(tmp_path: Path, dns: FakeDns) -> None:
    async with keep_daemons(tmp_path) as make_daemon:
        daemon = await make_daemon({**SETTINGS, "dns.nameservers": [dns.nameserver]}, receives=True)
        await daemon.start()
        for seed in (1, secrets.randbits(32)):
            sys.stdout.write(f"seed {seed}\n")
            sent = await hand_in(daemon.ports["inbound"], seed, range(LETTERS))
            assert len(sent) > LETTERS * 3 // 4
            await all_are_read(daemon)
            flags = await check_shown(daemon, seed, sent)
            assert "unreadable" not in flags
        assert await daemon.stop() == 0
        assert complaints_in(daemon.log) == []
