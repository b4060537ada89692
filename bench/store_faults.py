"""What does a daemon do while its disk is full, fails, is locked or read-only, and how soon is it well?

    python -m bench.store_faults [--seconds 60] [--only locked]… [--dir /var/tmp]

Each fault is real (tests/faults/means.py) and lasts so long, under knocks at
three doors: submission, inbound, HTTP. Counted are messages that were
acknowledged and are not in the store, answers for ever, ends of the process,
and the seconds until all doors take mail again. Needs root, for a disk of its
own and for files that nobody may write; strace for a disk that fails to sync.
"""

import argparse
import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from relay.clock import SystemClock
from relay.control.registry import Nothing
from tests.fakes.daemon import Daemon, keep_daemons
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.faults import means
from tests.faults.doors import TAKEN, Doors, started

CLOCK = SystemClock()
GIVES_UP_AFTER = 120
FAULTS: dict[str, Callable[[Daemon], AbstractContextManager[None]]] = {
    "full": means.full,
    "writes fail": means.writes_fail,
    "syncs fail": means.syncs_fail,
    "locked": means.locked,
    "read-only": means.read_only,
}


@dataclass(slots=True)
class Result:
    """Of one fault. `answers` are first digits and words of what was said while it lasted."""

    answers: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    ended: bool = False
    recovered_in: float = 0.0
    problems: int = 0


async def endure(
    base: Path, make: Callable[[Daemon], AbstractContextManager[None]], seconds: float
) -> Result:
    """One fault for so many seconds, on a daemon of its own."""
    result = Result()
    dns, mx = await FakeDns.start(), await FarMx.start()
    with means.small_disk(base / "disk", 256 << 20) as disk:
        async with keep_daemons(base) as make_daemon:
            where = disk if make is means.full else base
            daemon, doors = await started(make_daemon, dns, mx, where / "data")
            await doors.knock()
            with make(daemon):
                until = CLOCK.monotonic() + seconds
                while CLOCK.monotonic() < until:
                    result.answers.update(_class(said) for said in (await doors.knock()).values())
                result.lost = len(doors.lost())
            result.recovered_in = await _recovered(doors)
            result.ended = daemon.process is None or daemon.process.poll() is not None
            await daemon.manager.hears("STATUS=0 recipients waiting", GIVES_UP_AFTER)
            result.lost += len(doors.lost())
            result.problems = len((await daemon.do("store.verify", Nothing()))["problems"])
            await daemon.stop()
    await mx.stop()
    await dns.stop()
    return result


async def _recovered(doors: Doors) -> float:
    """Seconds until every door takes mail."""
    began = CLOCK.monotonic()
    while await doors.knock() != TAKEN:
        if CLOCK.monotonic() - began > GIVES_UP_AFTER:
            return float("inf")
        await asyncio.sleep(0.1)
    return CLOCK.monotonic() - began


def _class(said: str) -> str:
    if said[0] == "2":
        return "taken"
    return "later" if said.startswith(("4", "503")) else "never"


async def run(base: Path, names: list[str], seconds: float) -> None:
    """Print the table."""
    print("| fault | taken | told later | told never | taken and lost | ended | well again in s | verify |")
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        directory = Path(tempfile.mkdtemp(prefix="faults-", dir=base))
        try:
            result = await endure(directory, FAULTS[name], seconds)
        except means.NotHere as why:
            print(f"| {name} | not made here: {why} |", flush=True)
            continue
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        answers = " | ".join(str(result.answers[kind]) for kind in ("taken", "later", "never"))
        ended, whole = ("yes" if result.ended else "no"), ("whole" if not result.problems else "not whole")
        print(
            f"| {name} | {answers} | {result.lost} | {ended} | {result.recovered_in:.1f} | {whole} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60, help="how long each fault lasts")
    parser.add_argument("--only", choices=FAULTS, action="append", help="this fault alone; may be repeated")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    arguments = parser.parse_args()
    asyncio.run(run(arguments.dir, arguments.only or list(FAULTS), arguments.seconds))


if __name__ == "__main__":
    main()
