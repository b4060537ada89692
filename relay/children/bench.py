"""The children that do tasks, and who asks them.

A child is started when it is first needed. What waits is asked several at a
time, so that small tasks do not spend their time on the way. A child that
takes too long, dies or runs out of memory is replaced; what it was asked
together is then asked one by one, so that only the guilty task fails.
"""

import asyncio
from collections import deque
from functools import partial
from typing import TypeVar

import msgspec

from relay.children.answers import Answer
from relay.children.seat import Seat, TaskFailed
from relay.errors import NotFound, PosthouseError

# What is asked together: few enough that the time of one task is plenty for all.
TOGETHER = 16
_SMALL = 131_072  # octets; what is longer is asked alone

R = TypeVar("R")


class BenchClosed(PosthouseError):
    """We are shutting down: it says nothing of the task, which may be done again later."""


class _Question:
    """An encoded task, and who waits for its answer; `alone` after others failed with it."""

    __slots__ = ("alone", "answer", "task")

    def __init__(self, task: bytes) -> None:
        self.task = task
        self.alone = len(task) > _SMALL
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()


class Bench:
    """Asks up to `children` processes at a time; whoever comes later waits for a turn.

    `tasks` is the module that says what they can be asked and does it, `name`
    what they are called in the log. `memory` is each child's address space in
    octets, `seconds` the time of one turn, without the waiting.
    """

    def __init__(self, tasks: str, name: str, *, children: int, memory: int, seconds: float) -> None:
        # The last one to be free is the next to be asked: children that are not needed are not started.
        self._free = [Seat(tasks, name, memory, seconds) for _ in range(children)]
        self._seats = list(self._free)
        self._waiting: deque[_Question] = deque()
        self._turns: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def do(self, task: msgspec.Struct, kind: type[R]) -> R:
        """The result of a task, which is of that kind. Raises TaskFailed, BenchClosed, NotFound."""
        self._check_open()
        question = _Question(msgspec.msgpack.encode(task))
        self._waiting.append(question)
        # Not at once: what else is asked in this round of the loop shares the turn.
        asyncio.get_running_loop().call_soon(self._begin_turns)
        return _result(await question.answer, kind)

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that there are."""
        return [seat.pid for seat in self._seats if seat.pid is not None]

    async def close(self) -> None:
        """No child is left; what was being done, and whoever waits for a turn, gets BenchClosed."""
        self._is_closed = True
        for seat in self._seats:
            seat.kill()
        self._fail(self._waiting, BenchClosed("the bench is closed"))
        await asyncio.gather(*self._turns, return_exceptions=True)
        for seat in self._seats:
            await seat.end()

    def _check_open(self) -> None:
        if self._is_closed:
            raise BenchClosed("the bench is closed")

    def _begin_turns(self) -> None:
        """Ask every free child for as much as is fair."""
        while self._free and (group := self._next_group()):
            turn = asyncio.create_task(self._take_turn(self._free.pop(), group))
            self._turns.add(turn)
            turn.add_done_callback(self._turns.discard)
            for question in group:
                question.answer.add_done_callback(partial(_look_who_waits, group, turn))

    def _next_group(self) -> list[_Question]:
        """What is asked next: one that must be alone, or several in the order in which they came."""
        share = min(TOGETHER, -(-len(self._waiting) // len(self._free)))
        group: list[_Question] = []
        while self._waiting and len(group) < share:
            if self._waiting[0].answer.done():  # nobody waits for it any more
                self._waiting.popleft()
                continue
            if self._waiting[0].alone and group:
                break
            group.append(self._waiting.popleft())
            if group[0].alone:
                break
        return group

    async def _take_turn(self, seat: Seat, group: list[_Question]) -> None:
        try:
            answers = await seat.ask([question.task for question in group])
        except TaskFailed as failure:
            self._failed(group, failure)
        except asyncio.CancelledError:
            self._fail(group, TaskFailed("time"))
        except BaseException as error:
            self._fail(group, error)
        else:
            for question, answer in zip(group, answers, strict=True):
                if not question.answer.done():
                    question.answer.set_result(answer)
        finally:
            self._free.append(seat)
            self._begin_turns()

    def _failed(self, group: list[_Question], failure: TaskFailed) -> None:
        """One alone has failed; of several nobody knows which, so each is asked again, alone."""
        if self._is_closed:
            self._fail(group, BenchClosed("the bench is closed"))
        elif len(group) == 1:
            self._fail(group, failure)
        else:
            for question in reversed(group):
                question.alone = True
                self._waiting.appendleft(question)

    @staticmethod
    def _fail(group: "list[_Question] | deque[_Question]", error: BaseException) -> None:
        for question in group:
            if not question.answer.done():
                question.answer.set_exception(error)


def _look_who_waits(group: list[_Question], turn: "asyncio.Task[None]", _: object) -> None:
    """Where nobody waits for any of it any more, the child need not go on."""
    if not turn.done() and all(question.answer.cancelled() for question in group):
        turn.cancel()


def _result(answer: Answer, kind: type[R]) -> R:
    if answer.fault == "absent":
        raise NotFound("the message has no such part")
    if answer.fault:
        raise TaskFailed(answer.fault)
    try:
        return msgspec.msgpack.decode(answer.result, type=kind)
    except msgspec.MsgspecError:
        raise TaskFailed("crash") from None
