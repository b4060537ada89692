"""What comes while one lot is under way makes the next: nobody waits for company, or goes without it."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

# For each item of a lot, in its order: what came of it, or why nothing did.
Do = Callable[[Sequence[A]], Awaitable[Sequence[B | BaseException]]]


class Lots(Generic[A, B]):
    """Has items done in lots of at most `most`, one lot after another."""

    def __init__(self, do: Do[A, B], most: int) -> None:
        self._do = do
        self._most = most
        self._waiting: deque[tuple[A, asyncio.Future[B]]] = deque()
        self._leader: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        return self._leader is None

    async def join(self, item: A) -> B:
        """What came of `item`. Cancelling the caller takes nothing back."""
        future: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._leader is None:
            # Nobody's context: a lot is not the affair of whoever came first.
            self._leader = asyncio.create_task(self._lead(), context=contextvars.Context())
        return await future

    async def finish(self) -> None:
        """Wait until nothing is under way."""
        while self._leader is not None:
            await asyncio.wait([self._leader])

    async def _lead(self) -> None:
        try:
            while self._waiting:
                lot = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]
                await self._attend([item for item, _ in lot], [future for _, future in lot])
        finally:
            self._leader = None

    async def _attend(self, items: Sequence[A], futures: Sequence[asyncio.Future[B]]) -> None:
        answers: Sequence[B | BaseException]
        try:
            answers = await self._do(items)
        except BaseException as error:
            answers = [error] * len(items)
        for answer, future in zip(answers, futures, strict=True):
            if future.done():  # its caller was cancelled
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
