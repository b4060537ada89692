"""The power goes: what was acknowledged was on the disk before the answer left, and comes back.

Both are shown by what the daemon asks of the kernel. A disk that keeps nothing
but what was synced shows that it is enough; a daemon whose syncs do nothing
shows that these tests would notice.
"""

import secrets
from pathlib import Path

import pytest

from tests.crash.cuts import NO_SYNC, run_cuts
from tests.crash.round import tell
from tests.crash.syscalls import NEEDED, may_trace
from tests.fakes.daemon import MakeDaemon
from tests.fakes.dns_server import FakeDns

pytestmark = pytest.mark.skipif(not may_trace(), reason=NEEDED)


async def test_nothing_acknowledged_is_lost_when_the_power_goes(
    make_daemon: MakeDaemon, dns: FakeDns, tmp_path: Path
) -> None:
    seed = secrets.randbelow(10**6)
    tell(f"seed {seed}")
    sums = await run_cuts(make_daemon, dns, tmp_path, (25, 60, 25), seed)
    assert sums.is_clean, sums
    assert sums.traced >= 110
    assert sums.syncs > 0


async def test_a_daemon_that_does_not_sync_is_found_out(
    make_daemon: MakeDaemon, dns: FakeDns, tmp_path: Path
) -> None:
    sums = await run_cuts(make_daemon, dns, tmp_path, (25,), seed=1, pretended=NO_SYNC, patience=3)
    assert sums.lost > 0, sums
    assert sums.early >= sums.traced >= 25
    assert not sums.is_clean
