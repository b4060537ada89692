"""Sessions of a fuzzed client at the doors of a real daemon, until so many commands were said."""

import sys
from pathlib import Path

from bench.hostile.running import running
from relay.cli.progress import Bar
from relay.clock import SystemClock
from tests.hostile.house import SETTINGS, doors_of, kept, sessions
from tests.hostile.session import Session

_AT_A_TIME = 500  # sessions


async def one(directory: Path, seed: int, number: int) -> None:
    """The session that a failure named, again."""
    async with running(directory, SETTINGS) as daemon:
        session = Session(doors_of(daemon), seed, number)
        try:
            await session.run()
        finally:
            print("\n".join(session.transcript()))


async def many(directory: Path, seed: int, commands: int, first: int) -> None:
    """Raises Wrong with the number of the session; `first` goes on where a run ended."""
    clock, began = SystemClock(), SystemClock().monotonic()
    said, number, promised = 0, first, 0
    print(f"seed {seed}, from session {first} on", flush=True)
    async with running(directory, SETTINGS) as daemon:
        with Bar(enabled=sys.stderr.isatty()) as bar:

            def tell(more: int) -> None:
                nonlocal said
                said += more
                bar.show(f"{said} commands", said, commands)

            while said < commands:
                numbers = range(number, number + _AT_A_TIME)
                _, taken = await sessions(doors_of(daemon), seed, numbers, tell)
                if lost := set(taken) - kept(daemon):
                    raise RuntimeError(f"promised and not stored: {sorted(lost)[:10]}")
                number, promised = numbers.stop, promised + len(taken)
                if not sys.stderr.isatty():
                    print(f"{said} commands; --from-session {number} goes on here", flush=True)
    seconds = clock.monotonic() - began
    print("\n| commands | sessions | messages promised, all stored | commands/s | faults of ours |")
    print("|---|---|---|---|---|")
    print(f"| {said} | {number - first} | {promised} | {said / seconds:.0f} | 0 |")
