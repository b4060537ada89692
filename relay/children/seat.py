"""One child process, and the successor that takes its seat when it ends.

The child has no environment but where its modules are, no descriptors but its
three streams, and a session of its own.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

import msgspec

from relay.children.answers import LENGTH_OCTETS, Answer, Reason

logger = logging.getLogger("posthouse.children")

MAX_TASKS = 10_000
_BUFFER = 1 << 20
_LONGEST_WORD = 500
_KEPT_ENVIRONMENT = ("LD_LIBRARY_PATH", "SYSTEMROOT", "TZ")
_OUT_OF_TIME = (-signal.SIGXCPU, -signal.SIGALRM)
_answers = msgspec.msgpack.Decoder(list[Answer])


class TaskFailed(Exception):
    """The task came to no end; what it was about may be the cause, and it may be us.

    `reason`: out of "time" or "memory", or a "crash".
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Seat:
    """At most one child at a time. Its owner sees to it that it is asked one thing at a time.

    `tasks` is the module that says what it can be asked, `name` what the log calls it.
    """

    def __init__(self, tasks: str, name: str, memory: int, seconds: float) -> None:
        self._tasks = tasks
        self._name = name
        self._memory = memory
        self._seconds = seconds
        self._process: Process | None = None
        self._words: asyncio.Task[None] | None = None
        self._asked = 0

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def ask(self, tasks: Sequence[bytes]) -> list[Answer]:
        """The child's answers to encoded tasks, within the time there is for all; raises TaskFailed.

        One that ends the child, or leaves it no memory, fails all of them.

        After a failure and after cancellation the child is gone.
        """
        is_fresh = self._process is None
        try:
            return await self._ask(tasks)
        except TaskFailed as failure:
            if is_fresh or failure.reason != "crash":
                raise
        # It may have died of something older than this task, or while it had nothing to do.
        return await self._ask(tasks)

    async def _ask(self, tasks: Sequence[bytes]) -> list[Answer]:
        try:
            async with asyncio.timeout(self._seconds):
                process = await self._child()
                answers = await _exchange(process, tasks, self._memory)
        except TimeoutError:
            await self.end()
            raise TaskFailed("time") from None
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.MsgspecError):
            raise TaskFailed(await self._cause_of_death()) from None
        except BaseException:
            await self.end()
            raise
        self._asked += len(tasks)
        is_out_of_memory = any(answer.fault == "memory" for answer in answers)
        if is_out_of_memory or answers[-1].is_grown or self._asked >= MAX_TASKS:
            await self.end()
        if len(answers) != len(tasks):
            raise TaskFailed("memory" if is_out_of_memory else "crash")
        return answers

    def kill(self) -> None:
        """Have the child die, if there is one; what it was asked fails."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def end(self) -> int | None:
        """Kill the child, if there is one, and wait until nothing of it is left; returns its exit status.

        Only for who has the seat: nobody may wait for the child's answer.
        """
        self.kill()
        process, self._process = self._process, None
        words, self._words = self._words, None
        return await _buried(process, words) if process is not None else None

    async def _child(self) -> Process:
        if self._process is not None and self._process.returncode is not None:
            await self.end()
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-s", "-m", "relay.children.child"),
                *(self._tasks, str(self._memory), str(self._seconds)),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                limit=_BUFFER,
                env=_environment(),
                cwd="/",
                start_new_session=True,
            )
            self._asked = 0
            self._words = asyncio.create_task(_log_words(self._name, self._process))
        return self._process

    async def _cause_of_death(self) -> Reason:
        assert self._process is not None
        with contextlib.suppress(TimeoutError):
            # Its streams may close a moment before it is gone; what we kill has no cause of its own.
            async with asyncio.timeout(1):
                await self._process.wait()
        status = await self.end()
        logger.warning("a %s ended with status %s", self._name, status)
        return "time" if status in _OUT_OF_TIME else "crash"


async def _exchange(process: Process, tasks: Sequence[bytes], longest: int) -> list[Answer]:
    assert process.stdin is not None
    assert process.stdout is not None
    frame = msgspec.msgpack.encode([msgspec.Raw(task) for task in tasks])
    process.stdin.write(len(frame).to_bytes(LENGTH_OCTETS, "big"))
    process.stdin.write(frame)
    with contextlib.suppress(ConnectionError):
        # A child without memory for the task says so before it ends.
        await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(LENGTH_OCTETS), "big")
    if length > longest:
        raise msgspec.DecodeError("an answer longer than a child's memory")
    answers = _answers.decode(await process.stdout.readexactly(length))
    if not answers:
        raise msgspec.DecodeError("no answer")
    return answers


async def _log_words(name: str, process: Process) -> None:
    """What a child complains of; it names places in our code, not what it was given."""
    assert process.stderr is not None
    left = b""
    while piece := await process.stderr.read(4096):
        *lines, left = (left + piece)[-_LONGEST_WORD * 8 :].split(b"\n")
        for line in lines:
            logger.warning("a %s: %s", name, _printable(line))
    if left:
        logger.warning("a %s: %s", name, _printable(left))


def _printable(line: bytes) -> str:
    return line[:_LONGEST_WORD].decode("ascii", "replace").encode("ascii", "replace").decode()


async def _buried(process: Process, words: asyncio.Task[None] | None) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    while await process.stdout.read(_BUFFER):
        pass
    if words is not None:
        await words
    status = await process.wait()
    with contextlib.suppress(ConnectionError):
        await process.stdin.wait_closed()
    return status


def _environment() -> dict[str, str]:
    """Where the modules are that this process runs on; none of its secrets."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    path = os.pathsep.join(dict.fromkeys(os.path.abspath(place) for place in sys.path))
    return kept | {"PYTHONPATH": path, "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
