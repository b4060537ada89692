"""The children that take mail apart, and who asks them.

A child is started when it is first needed. What waits is asked several at a
time, so that short mail does not spend its time on the way. A child that
takes too long, dies or runs out of memory is replaced; what it was asked
together is then asked one by one, so that only the guilty reading fails.
"""

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, overload

import msgspec

from inbound.reading.extract import Part
from inbound.reading.parsed import Parsed, Separated
from inbound.reading.seat import ReadingFailed, Seat
from inbound.reading.tasks import Answer, ExtractPart, Parse, Result, Separate, Task, VerifySignatures
from relay.errors import NotFound, PosthouseError

if TYPE_CHECKING:
    from inbound.authenticate.signatures import SignatureCheck, Signatures

__all__ = ["BenchClosed", "ReadingBench", "ReadingFailed"]

MEMORY = 512 * 1024 * 1024
SECONDS = 10.0
# What is asked together: few enough that the time of one task is plenty for all.
TOGETHER = 16
_SMALL = 131_072  # octets; what is longer is asked alone


class BenchClosed(PosthouseError):
    """We are shutting down: it says nothing of the message, which is to be read again later."""


class _Question:
    """An encoded task, and who waits for its answer; `alone` after others failed with it."""

    __slots__ = ("alone", "answer", "task")

    def __init__(self, task: bytes) -> None:
        self.task = task
        self.alone = len(task) > _SMALL
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()


class ReadingBench:
    """Asks up to `children` processes at a time; whoever comes later waits for a turn.

    `memory` is each child's address space in octets, `seconds` the time of one
    turn, without the waiting.
    """

    def __init__(self, children: int = 1, memory: int = MEMORY, seconds: float = SECONDS) -> None:
        # The last one to be free is the next to be asked: children that are not needed are not started.
        self._free = [Seat(memory, seconds) for _ in range(children)]
        self._seats = list(self._free)
        self._waiting: deque[_Question] = deque()
        self._turns: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @overload
    async def ask(self, task: Parse) -> Parsed: ...
    @overload
    async def ask(self, task: ExtractPart) -> Part: ...
    @overload
    async def ask(self, task: Separate) -> Separated: ...
    @overload
    async def ask(self, task: VerifySignatures) -> "Signatures": ...
    async def ask(self, task: Task) -> "Result":
        """The result of a task. Raises ReadingFailed, BenchClosed, and NotFound for a part that is none."""
        self._check_open()
        question = _Question(msgspec.msgpack.encode(task))
        self._waiting.append(question)
        # Not at once: what else is asked in this round of the loop shares the turn.
        asyncio.get_running_loop().call_soon(self._begin_turns)
        return _result(task, await question.answer)

    async def verify(self, check: "SignatureCheck") -> "Signatures":
        """The verdicts on a message's signatures, as a Judge asks for them; raises ReadingFailed."""
        return await self.ask(
            VerifySignatures(check.header, check.body, check.body_file, keys=check.keys, at=check.at)
        )

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that there are."""
        return [seat.pid for seat in self._seats if seat.pid is not None]

    async def close(self) -> None:
        """No child is left; what was being read, and whoever waits for a turn, gets BenchClosed."""
        self._is_closed = True
        for seat in self._seats:
            seat.kill()
        self._fail(self._waiting, BenchClosed("the reading bench is closed"))
        await asyncio.gather(*self._turns, return_exceptions=True)
        for seat in self._seats:
            await seat.end()

    def _check_open(self) -> None:
        if self._is_closed:
            raise BenchClosed("the reading bench is closed")

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
        except ReadingFailed as failure:
            self._failed(group, failure)
        except asyncio.CancelledError:
            self._fail(group, ReadingFailed("time"))
        except BaseException as error:
            self._fail(group, error)
        else:
            for question, answer in zip(group, answers, strict=True):
                if not question.answer.done():
                    question.answer.set_result(answer)
        finally:
            self._free.append(seat)
            self._begin_turns()

    def _failed(self, group: list[_Question], failure: ReadingFailed) -> None:
        """One alone has failed; of several nobody knows which, so each is asked again, alone."""
        if self._is_closed:
            self._fail(group, BenchClosed("the reading bench is closed"))
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


def _result(task: Task, answer: Answer) -> "Result":
    if answer.fault == "absent":
        raise NotFound("the message has no such part")
    if answer.fault:
        raise ReadingFailed(answer.fault)
    try:
        result: Result = msgspec.msgpack.decode(answer.result, type=_kind(task))
    except msgspec.MsgspecError:
        raise ReadingFailed("crash") from None
    return result


def _kind(task: Task) -> Any:
    if isinstance(task, Parse):
        return Parsed
    if isinstance(task, ExtractPart):
        return Part
    if isinstance(task, Separate):
        return Separated
    from inbound.authenticate.signatures import Signatures

    return Signatures
