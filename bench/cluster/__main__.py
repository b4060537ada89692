"""How fast are several nodes on one PostgreSQL, and what does a message cost there?

    python -m bench.cluster [--nodes 1 2 4 8] [--messages 600] [--rounds 1]

Each number of nodes is loaded with `--messages` for each node, on a fresh
server, with a sink that lets every answer wait for 300 ms. Everything runs on
this machine and shares its cores.
"""

import argparse
import asyncio
import shlex
import shutil
import sys
from pathlib import Path

from bench.cluster import tables
from bench.cluster.rates import Load, Result, measure
from bench.peers.machine import describe
from tests.fakes import postgres


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--messages", type=int, default=600, help="for each node")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--sessions", type=int, default=24, help="of those who hand in, in all")
    parser.add_argument("--connections", type=int, default=20, help="of each node to the sink")
    parser.add_argument("--delay", type=float, default=0.3, help="seconds before each answer of the sink")
    parser.add_argument("--statements", action="store_true", help="tell which statements took most")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"), help="on the disk to be measured")
    options = parser.parse_args()
    if postgres.programs() is None:
        raise SystemExit(f"skipped: {postgres.NEEDED}")
    if shutil.which("smtp-source") is None:
        raise SystemExit("skipped: smtp-source is not installed (Debian: postfix)")
    asyncio.run(rates(options))


if __name__ == "__main__":
    main()
