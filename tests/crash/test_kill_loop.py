"""`kill -9` again and again under load: what was answered 250 arrives, whole, and nothing else does.

The moment of each kill is a random number of acknowledgements and arrivals
after the start. $CRASH_SEED repeats a run as far as two processes allow,
$CRASH_KILLS makes it longer.
"""

import asyncio
import os
import random
import secrets
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from relay.control.registry import Nothing
from tests.crash.ledger import Ledger
from tests.crash.load import Generator
from tests.fakes.daemon import OURS, Daemon, MakeDaemon
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import Answer, Deed, FarMx

KILLS = int(os.environ.get("CRASH_KILLS", "30"))
SEED = int(os.environ.get("CRASH_SEED") or secrets.randbelow(10**6))
CONNECTIONS = 6
MOST_RECIPIENTS = 3
DRAIN_SECONDS = int(os.environ.get("CRASH_DRAIN", "60"))
OK = "250 2.0.0 ok"

# How often each is written to.
SITES = {"fast.test": 10, "slow.test": 1, "grey.test": 2, "refusing.test": 2, "closing.test": 2}


async def test_nothing_acknowledged_is_lost(make_daemon: MakeDaemon, dns: FakeDns, tmp_path: Path) -> None:
    tell(f"CRASH_SEED={SEED} CRASH_KILLS={KILLS}")
    rng, ledger = random.Random(SEED), Ledger(tmp_path / "acknowledged")
    far_side = await open_far_side(dns, ledger, rng)
    daemon = await make_daemon(
        {
            "dns.nameservers": [dns.nameserver],
            "delivery.port": far_side["fast.test"].port,
            "delivery.retry_schedule": ["1s"],
            "submission.allow_plaintext_auth_from": ["127.0.0.0/8"],
            "log.level": "warning",
        },
        watchdog=timedelta(seconds=1),
    )
    generator = Generator(daemon, ledger, rng, SITES)
    load = asyncio.create_task(generator.run(CONNECTIONS))
    open_at_kills = 0
    for _ in range(KILLS):
        daemon.launch()
        await ledger.after(rng.randint(1, 60))
        open_at_kills += sum(mx.open_sessions for mx in far_side.values())
        await daemon.kill()
        assert not load.done() or load.result() is None

    await daemon.start()
    generator.stopping.set()
    await load
    await drain(daemon, ledger)
    assert await daemon.stop() == 0
    for mx in far_side.values():
        await mx.stop()

    duplicates = sum(ledger.duplicates().values())
    acknowledged = len(ledger.acknowledged())
    tell(f"{len(ledger.offered)} offered, {acknowledged} acknowledged, {duplicates} duplicates")
    assert ledger.missing() == set(), f"lost; CRASH_SEED={SEED}"
    assert ledger.phantoms == []
    assert ledger.corrupt == []
    assert ledger.unlike() == []
    assert acknowledged >= KILLS
    # Twice comes only what was on the wire when it was killed.
    assert duplicates <= MOST_RECIPIENTS * open_at_kills
    assert (await daemon.do("store.verify", Nothing()))["problems"] == []
    assert set(states(daemon)) <= {"delivered", "bounced"}, f"CRASH_SEED={SEED}"
    assert not [who for who in ledger.reports if not who[1].endswith("refusing.test")]


async def open_far_side(dns: FakeDns, ledger: Ledger, rng: random.Random) -> dict[str, FarMx]:
    """One exchanger for each site, on loopback addresses of their own, and what reports come back to."""
    port, far_side = 0, {}
    for number, site in enumerate(SITES, start=1):
        mx = await FarMx.start(f"127.0.0.{number}", port)
        mx.on_message = ledger.arrive
        port, far_side[site] = mx.port, mx
        dns.mx(site, (10, f"mx.{site}"))
        dns.address(f"mx.{site}", mx.host)
    dns.mx(OURS, (10, "mx.fast.test"))
    far_side["slow.test"].reads_slowly(every=0.05)
    far_side["refusing.test"].answers("RCPT", "550 5.1.1 nobody of that name")
    later = sometimes("451 4.7.1 greylisted", rng)
    far_side["grey.test"].answers("RCPT", later[0], then=later[1:])
    hangs_up = sometimes(Deed.CLOSE, rng)
    far_side["closing.test"].answers(".", hangs_up[0], then=hangs_up[1:])
    return far_side


def sometimes(answer: Answer, rng: random.Random) -> list[Answer]:
    """One in three of the next two thousand; then all is well."""
    return [*(answer if rng.random() < 1 / 3 else OK for _ in range(2000)), OK]


async def drain(daemon: Daemon, ledger: Ledger) -> None:
    """Until nothing waits, and nothing is missing; or until it is certain that it never comes."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while True:
                heard = await daemon.manager.hears("STATUS")
                if heard["STATUS"] == "0 recipients waiting" and not ledger.missing():
                    return
    except TimeoutError:
        tell(f"not drained: {states(daemon)}\n{daemon.log[-5000:]}")


def tell(text: str) -> None:
    """Shown when the test fails, or with -s."""
    sys.stdout.write(f"{text}\n")


def states(daemon: Daemon) -> Counter[str]:
    with closing(sqlite3.connect(f"file:{daemon.config.store_file}?mode=ro", uri=True)) as store:
        return Counter(state for (state,) in store.execute("select state from recipients"))
