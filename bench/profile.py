"""Where does the time of a message go? The daemon under py-spy while smtp-source loads it, by stage.

Starts the same daemon as `bench.peers` does and prints CPU milliseconds a
message by stage (see `bench.stages`) and by thread.

    python -m bench.profile [--messages 3000] [--sessions 10] [--size "4 KB"] [--reuse] [--keep FILE]

py-spy is not among the requirements: `pip install py-spy`, or name it with --py-spy.
It reads another process's memory, which the kernel allows root.
"""

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.peers.cases import SIZES, Case
from bench.peers.contender import free_port
from bench.peers.load import fresh, hand_in
from bench.peers.posthouse import Posthouse
from bench.process import Sink, tree
from bench.stages import read_samples, stage_table, thread_table

_RATE = 200
_WARM_UP = 200


@dataclass(frozen=True, slots=True)
class Watched:
    """CPU seconds by thread while it was watched, and of the whole process tree."""

    threads: dict[int, float]
    whole: float


async def profile(case: Case, py_spy: str, base: Path, output: Path) -> Watched:
    """Write the samples of one load into `output`."""
    sink = await Sink.start(free_port())
    try:
        async with fresh(Posthouse(), base, sink.port, case.sessions) as (server, account):
            await hand_in(server.port, case, _WARM_UP)
            await sink.takes(_WARM_UP)
            root = server.roots[0]
            before, whole = _thread_seconds(root), account.seconds()
            spy = await _spy(py_spy, root, output)
            try:
                await hand_in(server.port, case, case.messages)
                await sink.takes(_WARM_UP + case.messages)
                after, whole = _thread_seconds(root), account.seconds() - whole
            finally:
                await _end(spy)
            return Watched({number: cpu - before.get(number, 0.0) for number, cpu in after.items()}, whole)
    finally:
        await sink.stop()


async def _spy(py_spy: str, pid: int, output: Path) -> asyncio.subprocess.Process:
    command = [py_spy, "record", "--pid", str(pid), "--subprocesses", "--format", "raw"]
    command += [
        "--nonblocking",
        "--threads",
        "--full-filenames",
        "--function",
        "--rate",
        str(_RATE),
        "--output",
        str(output),
    ]
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


async def _end(spy: asyncio.subprocess.Process) -> None:
    """Interrupted, it writes down what it has seen."""
    if spy.returncode is None:
        spy.send_signal(signal.SIGINT)
    async with asyncio.timeout(60):
        if code := await spy.wait():
            raise RuntimeError(f"py-spy ended with {code}; the kernel allows it to root")


def _thread_seconds(root: int) -> dict[int, float]:
    """CPU of every thread of the tree, by the kernel's id, to the nanosecond."""
    found = {}
    for pid in tree(root):
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                found[int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return found


async def run(arguments: argparse.Namespace, py_spy: str) -> None:
    case = Case(arguments.size, arguments.sessions, arguments.reuse, arguments.messages)
    with tempfile.TemporaryDirectory(prefix="posthouse-profile-", dir=arguments.dir) as directory:
        output = arguments.keep or Path(directory) / "samples"
        watched = await profile(case, py_spy, arguments.dir, output)
        threads = read_samples(output.read_text())
    cpu = watched.whole * 1000 / case.messages
    print(f"{case.name}, {case.messages} messages: {cpu:.2f} CPU s per 1,000 while it was watched")
    print(
        f"({sum(thread.samples.total() for thread in threads.values())} samples, {_RATE} times a second).\n"
    )
    print(stage_table(threads, watched.threads, case.messages))
    print(f"\n{thread_table(threads, watched.threads, case.messages)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.profile", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--size", choices=list(SIZES), default="4 KB")
    parser.add_argument("--reuse", action="store_true", help="many messages on a connection")
    parser.add_argument("--keep", type=Path, help="the samples, in the format that flame graphs are made of")
    parser.add_argument("--py-spy", help="its path, when it is not installed beside Python or on PATH")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    arguments = parser.parse_args()
    beside = str(Path(sys.executable).with_name("py-spy"))
    py_spy = arguments.py_spy or shutil.which(beside) or shutil.which("py-spy")
    if missing := Posthouse().missing():
        parser.exit(0, f"skipped: {missing}\n")
    if py_spy is None:
        parser.exit(0, "skipped: py-spy is not installed: pip install py-spy\n")
    asyncio.run(run(arguments, py_spy))


if __name__ == "__main__":
    main()
