"""Damaged letters by the thousand into the MX of a real daemon: each stored, read and shown."""

import sys
from collections import Counter
from pathlib import Path

from bench.hostile.running import running
from relay.cli.progress import Bar
from relay.clock import SystemClock
from tests.hostile.post import SETTINGS, all_are_read, check_shown, complaints_in, hand_in

_AT_A_TIME = 200


async def many(directory: Path, seed: int, letters: int, first: int) -> None:
    """Raises Lost with the number of the letter; `first` goes on where a run ended."""
    began, promised, flags = SystemClock().monotonic(), 0, Counter[str]()
    print(f"seed {seed}, from letter {first} on", flush=True)
    async with running(directory, SETTINGS) as daemon:
        with Bar(enabled=sys.stderr.isatty()) as bar:
            for start in range(first, first + letters, _AT_A_TIME):
                numbers = range(start, min(start + _AT_A_TIME, first + letters))
                sent = await hand_in(daemon.ports["inbound"], seed, numbers)
                await all_are_read(daemon)
                flags.update(await check_shown(daemon, seed, sent))
                promised += len(sent)
                bar.show(f"{numbers.stop - first} letters", numbers.stop - first, letters)
                if complaints := complaints_in(daemon.log):
                    raise RuntimeError(f"seed {seed}, letters {numbers}: {complaints[:5]}")
                if not sys.stderr.isatty() and numbers.stop % 2000 == 0:
                    print(f"{promised} promised; --from-letter {numbers.stop} goes on here", flush=True)
    seconds = SystemClock().monotonic() - began
    print("\n| letters | promised, stored, read and shown | letters/s | flags |")
    print("|---|---|---|---|")
    told = ", ".join(f"{name} {count}" for name, count in sorted(flags.items()))
    print(f"| {letters} | {promised} | {letters / seconds:.0f} | {told} |")
