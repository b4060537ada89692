"""`kill -9` under load, at random and at every named place: what was acknowledged arrives, whole and alone.

$CRASH_SEED repeats a run as far as two processes allow; `python -m
bench.ledger` is the long run.
"""

import os
import random
import secrets
from pathlib import Path

from tests.crash.kills import at_each, at_random
from tests.crash.round import run_round, tell
from tests.fakes.daemon import MakeDaemon
from tests.fakes.dns_server import FakeDns

SEED = int(os.environ.get("CRASH_SEED") or secrets.randbelow(10**6))
AT_RANDOM = 4


async def test_nothing_acknowledged_is_lost(make_daemon: MakeDaemon, dns: FakeDns, tmp_path: Path) -> None:
    tell(f"CRASH_SEED={SEED}")
    rng = random.Random(SEED)
    kills = [*at_random(AT_RANDOM, rng), *at_each(rng)]
    sums = await run_round(make_daemon, dns, tmp_path, kills, SEED)
    assert sums.is_clean, sums
    assert sums.acknowledged >= len(kills)
    # What happens seldom may not have happened within the patience of a slow machine.
    assert len(sums.unreached) <= 3, sums
