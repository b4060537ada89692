"""The children that take mail apart, and who asks them one thing at a time.

A child is started when it is first needed. One that takes too long, dies or
runs out of memory is replaced: that reading fails, the next does not know.
"""

import asyncio
from typing import TYPE_CHECKING, overload

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


class BenchClosed(PosthouseError):
    """We are shutting down: it says nothing of the message, which is to be read again later."""


class ReadingBench:
    """Asks up to `children` processes at a time; whoever comes later waits for a turn.

    `memory` is each child's address space in octets, `seconds` the time of one
    task, without the waiting.
    """

    def __init__(self, children: int = 1, memory: int = MEMORY, seconds: float = SECONDS) -> None:
        self._seats = [Seat(memory, seconds) for _ in range(children)]
        # The last one to be free is the next to be asked: children that are not needed are not started.
        self._free: asyncio.LifoQueue[Seat] = asyncio.LifoQueue()
        for seat in self._seats:
            self._free.put_nowait(seat)
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
        question = msgspec.msgpack.encode(task)
        seat = await self._free.get()
        try:
            self._check_open()
            answer = await seat.ask(question)
        except ReadingFailed:
            self._check_open()
            raise
        finally:
            self._free.put_nowait(seat)
        return _result(task, answer)

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
        for seat in [await self._free.get() for _ in self._seats]:
            await seat.end()
            self._free.put_nowait(seat)

    def _check_open(self) -> None:
        if self._is_closed:
            raise BenchClosed("the reading bench is closed")


def _result(task: Task, answer: Answer) -> "Result":
    if answer.fault == "absent":
        raise NotFound("the message has no such part")
    if answer.fault:
        raise ReadingFailed(answer.fault)
    try:
        if isinstance(task, Parse):
            return msgspec.msgpack.decode(answer.result, type=Parsed)
        if isinstance(task, ExtractPart):
            return msgspec.msgpack.decode(answer.result, type=Part)
        if isinstance(task, Separate):
            return msgspec.msgpack.decode(answer.result, type=Separated)
        from inbound.authenticate.signatures import Signatures

        return msgspec.msgpack.decode(answer.result, type=Signatures)
    except msgspec.MsgspecError:
        raise ReadingFailed("crash") from None
