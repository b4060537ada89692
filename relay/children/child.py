"""The process in which it is done: `python -m relay.children.child TASKS MEMORY SECONDS`.

It answers one list of tasks of the module TASKS after another until its input
ends. It holds no secret, no store and no socket, and its memory and time have
limits, so that a text which breaks a reader breaks nothing else. What goes
wrong is told by the place in our code, never with what the text said.
"""

import contextlib
import importlib
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import msgspec

from relay.children.answers import LENGTH_OCTETS, Absent, Answer

# The parent kills us when time is up; this is for when it has died itself.
_GRACE_SECONDS = 5


class _Trade:
    """What this child can be asked, and how it is done."""

    def __init__(self, tasks: str) -> None:
        module = importlib.import_module(tasks)
        self._decoder = msgspec.msgpack.Decoder[list[Any]](list[module.Task])  # type: ignore[name-defined]
        self.run: Callable[[Any], object] = module.run

    def read(self, frame: bytes) -> list[Any]:
        return self._decoder.decode(frame)


def main(tasks: str, memory: int, seconds: float) -> None:
    """Serve standard input and output; ends with the input, or after memory ran out."""
    source, sink = _take_over_streams()
    # Who wants us to stop closes our input: a signal to the whole group is not meant for us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CORE, 0)
    trade = _Trade(tasks)
    while (answers := _serve(trade, source, memory, seconds)) is not None:
        _write(sink, answers)
        if answers[-1].fault == "memory":
            return


def _take_over_streams() -> tuple[BinaryIO, BinaryIO]:
    """Our own copies, so that nothing that prints can spoil an answer."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return source, sink


def _serve(trade: _Trade, source: BinaryIO, memory: int, seconds: float) -> list[Answer] | None:
    """Answer the next tasks; None at the end of the input. Without memory for one, the rest is left."""
    answers: list[Answer] = []
    try:
        tasks = _read(trade, source)
        if tasks is None:
            return None
        with _deadline(seconds):
            for task in tasks:
                answers.append(_answer(trade, task))
        answers[-1] = msgspec.structs.replace(answers[-1], is_grown=_resident() > memory // 2)
    except MemoryError:
        answers.append(Answer(fault="memory"))
    return answers


def _answer(trade: _Trade, task: object) -> Answer:
    try:
        return Answer(msgspec.Raw(msgspec.msgpack.encode(trade.run(task))))
    except MemoryError:
        raise
    except Absent:
        return Answer(fault="absent")
    except Exception as fault:
        _tell(fault)
        return Answer(fault="crash")


def _read(trade: _Trade, source: BinaryIO) -> list[Any] | None:
    length = source.read(LENGTH_OCTETS)
    if len(length) < LENGTH_OCTETS:
        return None
    return trade.read(source.read(int.from_bytes(length, "big")))


def _write(sink: BinaryIO, answers: list[Answer]) -> None:
    frame = msgspec.msgpack.encode(answers)
    sink.write(len(frame).to_bytes(LENGTH_OCTETS, "big"))
    sink.write(frame)
    sink.flush()


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """End this process when its tasks take more processor time, or much more time, than they may."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + seconds) + 1)
    signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit(what: int, most: int) -> None:
    """The soft limit alone: it is moved with each task. Where a service may set none, it has the parent's."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def _resident() -> int:
    """Octets of memory in use now."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _tell(fault: Exception) -> None:
    places = traceback.extract_tb(fault.__traceback__)[-3:]
    where = ", ".join(f"{os.path.basename(place.filename)}:{place.lineno}" for place in places)
    sys.stderr.write(f"{type(fault).__name__} at {where}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
