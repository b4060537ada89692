"""Does a message cost more than it did in the last release? CPU of both in turn, as a ratio.

    python -m bench.regress --against posthouse-0.1.0-py3-none-any.whl
    python -m bench.regress --against v0.1.0 [--messages 2000] [--rounds 3] [--dir /var/tmp]

A wheel is unpacked and a git reference is checked out into a temporary
directory; both trees run on this environment's Python and packages, each set
up by its own command line, since a store of today is too new for yesterday's
code. Each round loads both once, in an order that changes, with smtp-source:
4 KB, kept connections, relayed to smtp-sink. CPU counts until the server
rests again. Where `perf` may count, instructions of user space are compared
as well: they hardly depend on what else the machine does.
"""

import argparse
import asyncio
import io
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers.cases import Case
from bench.peers.contender import find, free_port
from bench.peers.load import hand_in
from bench.peers.machine import describe
from bench.process import Sink, cpu_seconds
from tests.fakes.daemon import APPLICATION, OURS, ROOT

WARM_UP = 200
_QUIET = 12  # looks of half a second at a server that does nothing: letters of sent mail come late
_UP = 30.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one message: CPU milliseconds, and thousands of instructions where they can be counted."""

    cpu: float
    instructions: float | None


def unpack(against: str, directory: Path) -> Path:
    """The tree of a wheel or a git reference."""
    if against.endswith(".whl"):
        with zipfile.ZipFile(against) as wheel:
            wheel.extractall(directory)  # noqa: S202 - zipfile leaves nothing outside
        return directory
    archive = subprocess.run(
        ["git", "archive", against, "relay", "inbound", "api"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
        tree.extractall(directory, filter="data")
    return directory


@asynccontextmanager
async def serving(tree: Path, directory: Path, sink_port: int) -> AsyncIterator[tuple[int, int]]:
    """A server of that tree on a fresh store: its process id and submission port."""
    port, config = free_port(), directory / "config.toml"
    config.write_text(
        f'server.hostname = "mail.{OURS}"\nserver.data_dir = "data"\nstore.min_free = "0MiB"\n'
        f'submission.listen = ["127.0.0.1:{port}"]\nsubmission.trusted_networks = ["127.0.0.0/8"]\n'
        f'inbound.listen = ["127.0.0.1:{free_port()}"]\napi.listen = ["127.0.0.1:{free_port()}"]\n'
        f'delivery.smarthost = "127.0.0.1:{sink_port}"\nlimits.connections_per_ip = 1000\n'
    )
    command = [sys.executable, "-P", "-m", "relay"]
    environ = {**os.environ, "PYTHONPATH": str(tree), "POSTHOUSE_CONFIG": str(config)}
    for words in (
        ("domain", "add", OURS, "--assume-verified"),
        ("mailbox", "add", APPLICATION, "--daily-cap", str(10**9), "--senders", f"*@{OURS}"),
    ):
        step = await asyncio.create_subprocess_exec(
            *command, *words, env=environ, cwd=directory, stdout=subprocess.DEVNULL
        )
        if await step.wait():
            raise RuntimeError(f"{' '.join(words[:2])} failed")
    with (directory / "log").open("wb") as output:
        server = await asyncio.create_subprocess_exec(
            *command, "serve", env=environ, cwd=directory, stdout=output, stderr=output
        )
    try:
        await _is_up(server, port)
        yield server.pid, port
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()


async def _is_up(server: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(_UP):
        while True:
            if server.returncode is not None:
                raise RuntimeError(f"the server ended with {server.returncode}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


async def measure(tree: Path, messages: int, base: Path) -> Cost:
    """One load on a fresh server of that tree."""
    directory = Path(tempfile.mkdtemp(prefix="regress-", dir=base))
    sink = await Sink.start(free_port())
    try:
        async with serving(tree, directory, sink.port) as (pid, port):
            await hand_in(port, Case("4 KB", 10, True, WARM_UP), WARM_UP)
            await sink.takes(WARM_UP)
            await rests(pid)
            counter, cpu = await _count_instructions(pid), cpu_seconds(pid)
            await hand_in(port, Case("4 KB", 10, True, messages), messages)
            await sink.takes(WARM_UP + messages)
            await rests(pid)
            cpu = cpu_seconds(pid) - cpu
            counted = await _counted(counter) if counter else None
        return Cost(cpu * 1000 / messages, counted / messages / 1000 if counted else None)
    finally:
        await sink.stop()
        shutil.rmtree(directory)


async def rests(pid: int) -> None:
    """Wait until it has used next to nothing for some seconds."""
    quiet, before = 0, cpu_seconds(pid)
    while quiet < _QUIET:
        await asyncio.sleep(0.5)
        now = cpu_seconds(pid)
        quiet = quiet + 1 if now - before <= 0.02 else 0
        before = now


async def _count_instructions(pid: int) -> asyncio.subprocess.Process | None:
    """perf beside the process and its threads; None where there is none or it may not."""
    program = find("perf")
    if program is None:
        return None
    counter = await asyncio.create_subprocess_exec(
        *(program, "stat", "-x,", "-e", "instructions:u", "-p", str(pid)), stderr=subprocess.PIPE
    )
    await asyncio.sleep(0.5)
    return counter if counter.returncode is None else None


async def _counted(counter: asyncio.subprocess.Process) -> int | None:
    counter.send_signal(signal.SIGINT)
    _, report = await counter.communicate()
    first = report.decode().strip().splitlines()[-1].split(",")[0]
    return int(first) if first.isdigit() else None


async def run(arguments: argparse.Namespace) -> None:
    """Print a line for each round, and the ratios."""
    print("\n".join(describe(arguments.dir)))
    names = (arguments.against, "this tree")
    costs: Mapping[str, list[Cost]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="regress-", dir=arguments.dir) as directory:
        trees = dict(zip(names, (unpack(arguments.against, Path(directory)), ROOT), strict=True))
        print(f"\n| round | {names[0]}: CPU ms a message | {names[1]} | ratio |\n|---|---|---|---|")
        for number in range(arguments.rounds):
            for name in names if number % 2 == 0 else names[::-1]:
                costs[name].append(await measure(trees[name], arguments.messages, arguments.dir))
            before, now = (costs[name][-1].cpu for name in names)
            print(f"| {number + 1} | {before:.2f} | {now:.2f} | {now / before:.2f} |", flush=True)
    before_all, now_all = (costs[name] for name in names)
    pairs = list(zip(before_all, now_all, strict=True))
    cpu = statistics.median(now.cpu / before.cpu for before, now in pairs)
    print(f"\nA message costs {cpu:.2f} times the CPU of {names[0]} (median of {arguments.rounds}).")
    counted = [
        now.instructions / before.instructions
        for before, now in pairs
        if now.instructions and before.instructions
    ]
    if counted:
        print(f"In instructions of user space: {statistics.median(counted):.3f} times.")
    else:
        print("Instructions were not counted: perf is not installed, or may not count here.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", required=True, help="a wheel, or a git reference such as v0.1.0")
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    arguments = parser.parse_args()
    if missing := [name for name in ("smtp-source", "smtp-sink") if find(name) is None]:
        parser.exit(0, f"skipped: no {' and '.join(missing)}: apt-get install postfix\n")
    asyncio.run(run(arguments))


if __name__ == "__main__":
    main()
