"""Runs what follows on the command line, which is `python -m relay …`, and counts what it does.

    python -m bench.counting /usr/bin/python3 -m relay serve --config FILE

SIGUSR2 writes the sums since the last one, as JSON, into the file that
BENCH_COUNTED names, and begins anew. What is counted BENCH_COUNT says: `calls`
of functions on the main thread, by cProfile, or `statements`: calls into the
store's engine, those on the event loop and the writer's thread apart from
those of the threads that read.
"""

import cProfile
import json
import os
import pstats
import runpy
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from relay.store import statements

Take = Callable[[], Mapping[str, int]]


def count_calls() -> Take:
    """From now on calls are counted; the function tells how many there were, and begins anew."""
    profile = cProfile.Profile()
    profile.enable()

    def take() -> Mapping[str, int]:
        nonlocal profile
        profile.disable()
        found: Any = pstats.Stats(profile)
        profile = cProfile.Profile()
        profile.enable()
        return {"calls": found.total_calls}

    return take


def count_statements() -> Take:
    """As `count_calls`, of statements. Several rows of one statement are one call."""
    counted: Counter[str] = Counter()

    def counting(action: Callable[..., Any]) -> Callable[..., Any]:
        def counted_action(*args: Any) -> Any:
            reads_aside = threading.current_thread().name.startswith("store-reader")
            counted["statements in threads" if reads_aside else "statements"] += 1
            return action(*args)

        return counted_action

    for name in ("run", "execute_many"):
        setattr(statements, name, counting(getattr(statements, name)))

    def take() -> Mapping[str, int]:
        found = dict(counted)
        counted.clear()
        return found

    return take


def main() -> None:
    take = count_calls() if os.environ["BENCH_COUNT"] == "calls" else count_statements()
    file = Path(os.environ["BENCH_COUNTED"])

    def write_down(*_: object) -> None:
        unfinished = file.with_suffix(".new")
        unfinished.write_text(json.dumps(take()))
        unfinished.rename(file)

    signal.signal(signal.SIGUSR2, write_down)
    sys.argv = sys.argv[sys.argv.index("relay") :]
    runpy.run_module("relay", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
