"""`python -m bench.simulator`: one run and its table."""

import argparse
import logging
import time

from bench.simulator.run import Wanted, simulate


def main() -> None:
    usual = Wanted()
    parser = argparse.ArgumentParser(prog="python -m bench.simulator", description=__doc__)
    parser.add_argument("--destinations", type=int, default=usual.destinations)
    parser.add_argument("--nodes", type=int, default=usual.nodes)
    parser.add_argument("--messages", type=int, default=usual.messages)
    parser.add_argument("--hours", type=float, default=usual.hours, help="how long mail comes in")
    parser.add_argument("--expire-hours", type=float, default=usual.expire_hours)
    parser.add_argument("--kills", type=int, default=usual.kills, help="how many nodes die meanwhile")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument(
        "--no-leases", dest="leases", action="store_false", help="each node as if it were alone"
    )
    wanted = Wanted(**vars(parser.parse_args()))
    logging.disable(logging.CRITICAL)
    began = time.perf_counter()
    table = simulate(wanted)
    took = time.perf_counter() - began
    table["messages a real second"] = round(wanted.messages / took)
    print(f"{wanted}\n")
    width = max(map(len, table))
    for name, value in table.items():
        print(f"{name:<{width}}  {value:,}" if isinstance(value, int) else f"{name:<{width}}  {value}")


if __name__ == "__main__":
    main()
