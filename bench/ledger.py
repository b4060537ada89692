"""Is anything lost, changed or sent twice when the daemon is killed, or the power goes? The long run.

Rounds of kills under load from three doors (SMTP submission, the API with
Idempotency-Keys, the MX), at random and at each named place of a message's
way; then power cuts, and a trace which shows of each answer that it waited
for the disk. What each round came to is written down when
it is over, so that a run that is broken off goes on there; the report is
written anew after each round.

    python -m bench.ledger [--random 500] [--each 20] [--cuts 50] [--traced 10000]
                           [--dir /var/tmp/posthouse-ledger]

`--only WORD` runs the rounds whose name begins so. A round that is not clean
leaves its store and log below the directory, and the command ends with 1.
"""

import argparse
import asyncio
import json
import random
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zlib import crc32

from bench.ledger_report import write_report
from relay.cli.progress import Bar
from relay.failpoints import POINTS
from tests.crash.cuts import run_cuts
from tests.crash.kills import at, at_random
from tests.crash.round import run_round
from tests.crash.sums import Sums
from tests.crash.syscalls import NEEDED, may_trace
from tests.fakes.daemon import MakeDaemon, keep_daemons
from tests.fakes.dns_server import FakeDns

ROUND = 20  # kills of one store
CUTS = 10  # power cuts of one store
MOST_ANSWERS = 150  # between two cuts


@dataclass(frozen=True, slots=True)
class Stretch:
    """One round: its name, and how many kills or cuts; in the one that is traced, how many answers."""

    name: str
    count: int

    @property
    def kind(self) -> str:
        return self.name.partition(" ")[0]


def plan(at_large: int, each: int, cuts: int, traced: int) -> list[Stretch]:
    """Random kills in rounds, a round for each place, cuts in rounds, and the trace."""
    stretches = [*_rounds("random", at_large, ROUND)]
    stretches += [Stretch(point, each) for point in POINTS if each]
    stretches += _rounds("cuts", cuts, CUTS)
    return stretches + ([Stretch("trace", traced)] if traced else [])


def _rounds(name: str, count: int, size: int) -> list[Stretch]:
    full, rest = divmod(count, size)
    sizes = [size] * full + ([rest] if rest else [])
    return [Stretch(f"{name} {number}", size) for number, size in enumerate(sizes, start=1)]


async def work(
    stretch: Stretch, make_daemon: MakeDaemon, dns: FakeDns, directory: Path, done: Callable[[], None]
) -> Sums:
    """What the round is made of; its name is the seed."""
    seed = crc32(stretch.name.encode())
    rng = random.Random(seed)
    if stretch.kind == "trace":
        return await run_cuts(make_daemon, dns, directory, [stretch.count], seed, cut=done)
    if stretch.kind == "cuts":
        answers = [rng.randint(1, MOST_ANSWERS) for _ in range(stretch.count)]
        return await run_cuts(make_daemon, dns, directory, answers, seed, cut=done)
    kills = (
        at_random(stretch.count, rng) if stretch.kind == "random" else at(stretch.name, stretch.count, rng)
    )
    return await run_round(make_daemon, dns, directory, kills, seed, done)


async def run(stretch: Stretch, directory: Path, done: Callable[[], None]) -> Sums:
    """One round on a fresh store below `directory`, which stays only if something was wrong."""
    shutil.rmtree(directory, ignore_errors=True)
    dns = await FakeDns.start()
    try:
        async with keep_daemons(directory) as make_daemon:
            sums = await work(stretch, make_daemon, dns, directory, done)
    except Exception as error:
        return Sums(problems=[f"{type(error).__name__}: {error}"[:2000]])
    finally:
        await dns.stop()
    if sums.is_clean:
        shutil.rmtree(directory)
    return sums


def known(book: Path) -> dict[str, Sums]:
    """What earlier runs have written down, by the name of the round."""
    if not book.exists():
        return {}
    entries = [json.loads(line) for line in book.read_text().splitlines()]
    return {entry["round"]: Sums.of(entry["sums"]) for entry in entries}


async def go_on(stretches: Sequence[Stretch], directory: Path) -> dict[str, Sums]:
    """Run what has not been run; returns all sums."""
    book, done = directory / "book.jsonl", known(directory / "book.jsonl")
    total = sum(stretch.count for stretch in stretches)
    count = sum(stretch.count for stretch in stretches if stretch.name in done)
    with Bar(enabled=sys.stderr.isatty()) as bar:
        for stretch in stretches:
            if stretch.name in done:
                continue
            begun = count

            def killed() -> None:
                nonlocal count
                count += 1
                bar.show(stretch.name, count, total)  # noqa: B023 - called within this turn

            sums = await run(stretch, directory / stretch.name.replace(" ", "-"), killed)
            count = begun + stretch.count
            done[stretch.name] = sums
            with book.open("a") as file:
                file.write(json.dumps({"round": stretch.name, "sums": asdict(sums)}) + "\n")
            (directory / "report.md").write_text(write_report(done, directory))
    return done


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--random", type=int, default=500)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--traced", type=int, default=10_000)
    parser.add_argument("--only", default="", help="the rounds whose name begins with this")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp/posthouse-ledger"))
    options = parser.parse_args()
    options.dir.mkdir(parents=True, exist_ok=True)
    whole = plan(options.random, options.each, options.cuts, options.traced)
    stretches = [each for each in whole if each.name.startswith(options.only)]
    if any(each.kind in ("cuts", "trace") for each in stretches) and not may_trace():
        parser.error(NEEDED)
    # Whoever ends us ends the daemon under test as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        done = asyncio.run(go_on(stretches, options.dir))
    except KeyboardInterrupt:
        print("\nbroken off; the same command goes on from here", file=sys.stderr)
        return 130
    print(write_report(done, options.dir))
    return 0 if all(sums.is_clean for sums in done.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
