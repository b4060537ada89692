"""What would a second process bring? The same load on one daemon, and split over several with a store each.

Shards share nothing here, neither caps nor a view of all mail, so this is the
most that any way of using more processes can reach on this machine. The
rounds alternate, and a ratio is taken within a round.

    python -m bench.shards [--shards 2] [--messages 4000] [--sessions 20] [--rounds 3] [--dir /var/tmp]
"""

import argparse
import asyncio
import os
import shutil
import statistics
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.relay import CLOCK, load, running

WARM_UP = 200


@dataclass(frozen=True, slots=True)
class Split:
    """Of one load over so many daemons; rates a second, CPU in milliseconds a message."""

    delivered: float
    cpu: float
    megabytes: float


async def split(base: Path, shards: int, messages: int, sessions: int) -> Split:
    """Hand in `messages`, shared out evenly, on fresh daemons."""
    async with AsyncExitStack() as stack:
        houses = [await stack.enter_async_context(running(base)) for _ in range(shards)]
        own = max(1, sessions // shards)
        for daemon, sink in houses:
            await load(daemon, sink, own, WARM_UP, reuse=False)
        began = CLOCK.monotonic()
        results = await asyncio.gather(
            *(load(daemon, sink, own, messages // shards, reuse=False) for daemon, sink in houses)
        )
        took = CLOCK.monotonic() - began
    done = sum(result.messages for result in results)
    return Split(
        delivered=done / took,
        cpu=sum(result.cpu for result in results) * 1000 / done,
        megabytes=sum(result.peak_mb for result in results),
    )


async def run(base: Path, shards: int, messages: int, sessions: int, rounds: int) -> None:
    """Print the table and the median ratio."""
    print(f"{os.cpu_count()} cores, 4 KB, {sessions} sessions in all, a message per connection\n")
    print("| round | daemons | delivered/s | CPU ms/message | peak PSS MB |")
    print("|---|---|---|---|---|")
    ratios = []
    for number in range(1, rounds + 1):
        found: dict[int, Split] = {}
        for count in (1, shards) if number % 2 else (shards, 1):
            found[count] = await split(base, count, messages, sessions)
            it = found[count]
            print(
                f"| {number} | {count} | {it.delivered:.0f} | {it.cpu:.2f} | {it.megabytes:.0f} |", flush=True
            )
        ratios.append(found[shards].delivered / found[1].delivered)
    ratio = statistics.median(ratios)
    print(f"\n{shards} daemons deliver {ratio:.2f} times as much as one (median of {rounds}).")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    options = parser.parse_args()
    if missing := [name for name in ("smtp-source", "smtp-sink") if shutil.which(name) is None]:
        parser.error(f"{', '.join(missing)}: not found; they are in Debian's package postfix")
    asyncio.run(run(options.dir, options.shards, options.messages, options.sessions, options.rounds))


if __name__ == "__main__":
    main()
