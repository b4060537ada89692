"""How does Posthouse compare with Postfix, with and without OpenDKIM, on this machine?

In one run, in turn, with the same load (smtp-source), the same sink
(smtp-sink) and files on the same disk: each load on a fresh instance of each
server, so many rounds, the order of the servers changing from round to round.
Prints the tuning, the tables and the ratios; docs/performance.md says how to
read them. Run it as root (Postfix's master asks for it) on a quiet machine.

    python -m bench.peers [--quick] [--rounds 3] [--messages 3000] [--write]
"""

import argparse
import asyncio
import shlex
import signal
import sys
from pathlib import Path

from bench.peers.cases import Case, all_cases, quick_cases
from bench.peers.contender import Contender
from bench.peers.figures import Figures
from bench.peers.load import measure
from bench.peers.machine import describe, file_system
from bench.peers.postfix import Postfix, PostfixWithOpenDkim
from bench.peers.posthouse import Posthouse
from bench.peers.report import Report
from bench.peers.signatures import examine
from bench.peers.steady import measure_delay

# A daemon whose log tells of a fault fails by an assertion; TimeoutError is an OSError.
_FAILURES = (RuntimeError, OSError, AssertionError)
CONTENDERS: tuple[Contender, ...] = (Posthouse(), PostfixWithOpenDkim(), Postfix())


async def compare(contenders: list[Contender], arguments: argparse.Namespace, report: Report) -> None:
    """Fill the report: signatures first, then the rounds."""
    for contender in contenders:
        report.signatures[contender.name] = await examine(contender, arguments.dir)
        _tell(f"{contender.name}: {report.signatures[contender.name]}")
    cases = quick_cases(arguments.messages) if arguments.quick else all_cases(arguments.messages)
    for number in range(arguments.rounds):
        turn = [contenders[(at + number) % len(contenders)] for at in range(len(contenders))]
        for case in cases:
            for contender in turn:
                await _load(contender, case, number, arguments.dir, report.figures)
        for contender in turn:
            await _delay(contender, number, arguments, report.figures)


async def _load(contender: Contender, case: Case, number: int, base: Path, figures: Figures) -> None:
    name = f"round {number + 1}, {case.name}, {contender.name}"
    try:
        result = await measure(contender, case, base)
    except _FAILURES as error:
        figures.loads.setdefault(case, {})
        _failed(name, error, figures)
        return
    figures.add(case, contender.name, number, result)
    rates = f"{result.accepted:.0f} accepted/s, {result.delivered:.0f} delivered/s"
    _tell(f"{name}: {rates}, {result.cpu:.2f} CPU s per 1,000, {result.memory:.0f} MB")


async def _delay(contender: Contender, number: int, arguments: argparse.Namespace, figures: Figures) -> None:
    name = f"round {number + 1}, latency, {contender.name}"
    try:
        delay = await measure_delay(contender, arguments.dir, arguments.latency_messages)
    except _FAILURES as error:
        _failed(name, error, figures)
        return
    figures.add_delay(contender.name, number, delay)
    _tell(f"{name}: end of DATA to the sink {delay.whole_p50:.1f} ms p50, {delay.whole_p99:.1f} ms p99")


def _failed(name: str, error: Exception, figures: Figures) -> None:
    reason = (str(error) or type(error).__name__).splitlines()[-1]
    figures.failures.append(f"{name}: {reason}")
    _tell(f"{name}: failed: {error!r}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--quick", action="store_true", help="4 KB, 10 and 50 sessions, one round")
    parser.add_argument("--rounds", type=_count, help="how often each load is repeated (3; 1 if quick)")
    parser.add_argument(
        "--messages", type=_count, default=3000, help="of 4 KB in a load; a quarter of 100 KB"
    )
    parser.add_argument("--latency-messages", type=_count, default=300, help="at twenty a second")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"), help="on the disk to be measured")
    parser.add_argument("--write", action="store_true", help="keep it in docs/performance.md and .svg")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    if file_system(arguments.dir).startswith("tmpfs"):
        parser.error(f"{arguments.dir} is in memory: --dir must be on the disk that would hold the mail")
    return arguments


def _count(word: str) -> int:
    if (number := int(word)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


async def run(arguments: argparse.Namespace) -> None:
    """Print everything; an interrupted run leaves no process and no file behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    skipped = {one.name: why for one in CONTENDERS if (why := one.missing())}
    contenders = [one for one in CONTENDERS if one.name not in skipped]
    command = shlex.join(["python", "-m", "bench.peers", *sys.argv[1:]])
    figures = Figures([one.name for one in contenders])
    report = Report(command, describe(arguments.dir), figures, skipped=skipped)
    report.tunings = {one.name: one.tuning() for one in contenders}
    print(report.preface(), file=sys.stderr, flush=True)
    if Posthouse.name in skipped:
        raise SystemExit(f"nothing to load with: {skipped[Posthouse.name]}")
    await compare(contenders, arguments, report)
    print(report.text())
    if arguments.write:
        for path in report.write():
            _tell(f"written: {path}")


def main() -> None:
    asyncio.run(run(_arguments()))


if __name__ == "__main__":
    main()
