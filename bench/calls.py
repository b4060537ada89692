"""How many function calls and statements does a message cost, over SMTP, over HTTP and in batches?

Seconds depend on what else the machine does; these counts hardly do, so they
tell on a busy machine whether a change made a way shorter. The daemon of
`bench.api` is loaded by each way in turn while it counts (see `bench.counting`),
from the first request until it rests: delivery, letters and figures are in them.

    python -m bench.calls [--messages 500] [--dir /var/tmp]
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from bench.api import BATCHES_AT_ONCE, Doors, rests, running

WAYS = {"SMTP": "smtp", "HTTP": "email", "HTTP, batches": "batch"}
COUNTED = ("calls", "statements", "statements in threads")
CONNECTIONS = 10
WARM_UP = 100


async def _counted(doors: Doors, file: Path) -> dict[str, int]:
    """What was counted since this was asked last."""
    file.unlink(missing_ok=True)
    os.kill(doors.daemon.pid, signal.SIGUSR2)
    async with asyncio.timeout(30):
        while not file.exists():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
    found: dict[str, int] = json.loads(file.read_text())
    return found


async def count(what: str, messages: int, base: Path) -> dict[str, dict[str, int]]:
    """By way: the sums for so many messages."""
    sums = {}
    with tempfile.TemporaryDirectory(prefix="calls-", dir=base) as directory:
        file = Path(directory) / "counted"
        environ = {"BENCH_COUNT": what, "BENCH_COUNTED": str(file)}
        async with running(base, wrapper=(sys.executable, "-m", "bench.counting"), environ=environ) as doors:
            for name, way in WAYS.items():
                connections = BATCHES_AT_ONCE if way == "batch" else CONNECTIONS
                await doors.post(way, WARM_UP, connections)
                await rests(doors.daemon.pid)
                await _counted(doors, file)
                await doors.post(way, messages, connections)
                await rests(doors.daemon.pid)
                sums[name] = await _counted(doors, file)
    return sums


async def run(messages: int, base: Path) -> None:
    """Print the table."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for what in ("calls", "statements"):
        for name, sums in (await count(what, messages, base)).items():
            found[name].update(sums)
    print(f"| of one message | {' | '.join(COUNTED)} |")
    print("|---" * (len(COUNTED) + 1) + "|")
    for name, sums in found.items():
        print(f"| {name} | {' | '.join(f'{sums.get(each, 0) / messages:.1f}' for each in COUNTED)} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    arguments = parser.parse_args()
    asyncio.run(run(arguments.messages, arguments.dir))


if __name__ == "__main__":
    main()
