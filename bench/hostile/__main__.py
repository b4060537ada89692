"""Hostile input for long: at the SMTP doors, in letters, in our parsers, and bombs.

    python -m bench.hostile smtp [--commands 1000000] [--seed S] [--from-session N]
    python -m bench.hostile smtp --seed S --session N          # one session again, with what was said
    python -m bench.hostile mail [--letters 100000] [--seed S] [--from-letter N]
    python -m bench.hostile bombs [NAME …] [--megabytes 25]
    python -m bench.hostile parsers [NAME …] [--seconds 60]    # needs atheris; see bench/hostile/parsers.py

`smtp` and `mail` print their seed and stop at the first thing that is wrong,
with seed and number, by which it is said again; everything is drawn from these
two. `bombs` prints a table of processor time and memory of each process. A
daemon must come through with no exit, no traceback and no fault of ours in its
log. Everything is on loopback, below --dir.
"""

import argparse
import asyncio
import secrets
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["smtp", "mail", "bombs", "parsers"])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--letters", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--session", type=int, default=None)
    parser.add_argument("--from-session", type=int, default=0)
    parser.add_argument("--from-letter", type=int, default=0)
    parser.add_argument("--megabytes", type=float, default=25)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    given = parser.parse_intermixed_args()
    seed = secrets.randbits(32) if given.seed is None else given.seed
    if given.what == "smtp":
        from bench.hostile import smtp

        if given.session is not None:
            asyncio.run(smtp.one(given.dir, seed, given.session))
        else:
            asyncio.run(smtp.many(given.dir, seed, given.commands, given.from_session))
    elif given.what == "mail":
        from bench.hostile import mail

        asyncio.run(mail.many(given.dir, seed, given.letters, given.from_letter))
    elif given.what == "bombs":
        from bench.hostile import bombs

        sys.exit(asyncio.run(bombs.measure(given.dir, given.names, given.megabytes)))
    else:
        from bench.hostile import parsers

        sys.exit(parsers.fuzz(given.names, given.seconds))


if __name__ == "__main__":
    main()
