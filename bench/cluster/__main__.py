"""How fast are several nodes on one PostgreSQL, and what does a message cost there?

    python -m bench.cluster [--nodes 1 2 4 8] [--messages 600] [--rounds 1]
    python -m bench.cluster faults [--minutes 4] [--nodes 3]

Each number of nodes is loaded with `--messages` for each node, on a fresh
server, with a sink that lets every answer wait for 300 ms. Everything runs on
this machine and shares its cores. `faults` does all manner of things to nodes
and server instead, keeps books of every message, and fails if a sum is wrong.
"""

import argparse
import asyncio
import shlex
import shutil
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from bench.cluster import tables
from bench.cluster.faults import FAULTS, fake_time, skew
from bench.cluster.rates import Load, Result, measure
from bench.cluster.scene import set_up
from bench.cluster.trial import stand
from bench.peers.machine import describe
from tests.fakes import postgres

T = TypeVar("T")


async def rates(options: argparse.Namespace) -> None:
    """Print the machine and the table; the numbers of nodes in an order that turns with each round."""
    load = Load(options.messages, options.sessions, options.connections, options.delay)
    print(f"`{shlex.join(['python', '-m', 'bench.cluster', *sys.argv[1:]])}`\n")
    machine, version = describe(options.dir)[:4], await asyncio.to_thread(postgres.version)
    print("\n".join(f"- {line}" for line in [*machine, version]))
    print(
        f"- 4 KB, {load.sessions} sessions in all, a message per connection; the sink answers after"
        f" {load.delay * 1000:.0f} ms; {load.connections} connections of each node to it\n"
    )
    rounds: list[dict[int, Result]] = []
    for number in range(options.rounds):
        counts = sorted(options.nodes, reverse=bool(number % 2))
        found = {}
        for count in counts:
            found[count] = result = await measure(options.dir, count, load)
            rest = f"{result.accepted:.0f} accepted/s, {result.delivered:.0f} delivered/s"
            print(f"round {number + 1}, {count} nodes: {rest}", file=sys.stderr, flush=True)
        rounds.append(dict(sorted(found.items())))
    print(tables.rate_table(rounds))
    print(tables.EXPLAINED)
    if options.statements:
        print(f"\nOf {max(rounds[-1])} nodes, in the last round:\n")
        print(tables.dearest_table(rounds[-1][max(rounds[-1])]))


async def faults(options: argparse.Namespace) -> bool:
    """Print a line for each fault; whether every sum is right."""
    wanted = [fault for fault in FAULTS if options.only is None or options.only in fault.name]
    if fake_time() is None:
        wanted = [fault for fault in wanted if fault.happen is not skew]
        print("skipped: clocks that differ, libfaketime is not installed (Debian: libfaketime)\n")
    seconds, verdicts = options.minutes * 60 / len(wanted), []
    print(f"`{shlex.join(['python', '-m', 'bench.cluster', *sys.argv[1:]])}`\n")
    for number, fault in enumerate(wanted):
        async with set_up(options.dir, options.nodes, {"delivery.lease": fault.lease}) as scene:
            verdict = await stand(scene, fault, number, seconds)
        verdicts.append(verdict)
        print(f"{verdict.name}: {'ok' if verdict.is_good else verdict}", file=sys.stderr, flush=True)
    print(tables.fault_table(verdicts))
    print(tables.FAULTS_EXPLAINED)
    return all(verdict.is_good for verdict in verdicts)


def main() -> None:
    faulty = sys.argv[1:2] == ["faults"]
    options = _fault_options(sys.argv[2:]) if faulty else _rate_options(sys.argv[1:])
    if postgres.programs() is None:
        raise SystemExit(f"skipped: {postgres.NEEDED}")
    if faulty:
        raise SystemExit(0 if asyncio.run(_ended_in_order(faults(options))) else 1)
    if shutil.which("smtp-source") is None:
        raise SystemExit("skipped: smtp-source is not installed (Debian: postfix)")
    asyncio.run(_ended_in_order(rates(options)))


async def _ended_in_order(run: Coroutine[Any, Any, T]) -> T:
    """A run that is ended by SIGTERM leaves no process and no file behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run


def _rate_options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--messages", type=int, default=600, help="for each node")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--sessions", type=int, default=24, help="of those who hand in, in all")
    parser.add_argument("--connections", type=int, default=20, help="of each node to the sink")
    parser.add_argument("--delay", type=float, default=0.3, help="seconds before each answer of the sink")
    parser.add_argument("--statements", action="store_true", help="tell which statements took most")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"), help="on the disk to be measured")
    return parser.parse_args(words)


def _fault_options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cluster faults", description=faults.__doc__)
    parser.add_argument("--minutes", type=float, default=4, help="of all faults together, without settling")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--only", help="faults whose name holds this")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"), help="on a disk")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
