"""Asks the rendering children, and keeps one tenant's templates from being everybody's wait.

A template that came to no end several times within a minute is not tried again
for a minute, and of each tenant only a few wait at a time.
"""

import asyncio
import hashlib
from collections import Counter, deque
from dataclasses import dataclass, field

import msgspec

from relay.children.bench import Bench
from relay.children.seat import TaskFailed
from relay.clock import Clock
from relay.templates import limits
from relay.templates.questions import Examine, Problem, Render, Rendered

CHILDREN = 1
AT_ONCE = 4  # of one tenant
TRIES = 3
REST_SECONDS = 60.0
_REMEMBERED = 10_000

_WHY = {
    "time": f"takes more than {limits.WALL_SECONDS:g} s",
    "memory": "takes too much memory",
    "crash": "cannot be rendered: it ends the process that tries",
}


@dataclass(slots=True)
class _Turns:
    """Who of a tenant is being served, and how many want to be."""

    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    wanted: int = 0


class Renderer:
    """What the API asks to have a message filled in; `close` ends the children."""

    def __init__(
        self, clock: Clock, children: int = CHILDREN, wall_seconds: float = limits.WALL_SECONDS
    ) -> None:
        self._clock = clock
        self._bench = Bench(
            "relay.templates.tasks",
            "rendering child",
            children=children,
            memory=limits.MEMORY,
            seconds=wall_seconds,
        )
        self._turns: dict[str, _Turns] = {}
        self._failures: deque[tuple[float, bytes]] = deque(maxlen=_REMEMBERED)
        self._failed: Counter[bytes] = Counter()

    async def ask(self, tenant_id: str, task: Render | Examine) -> Rendered:
        """The answer to the task, which says so where there is none; raises BenchClosed."""
        mark = hashlib.sha256(tenant_id.encode() + b"\0" + msgspec.msgpack.encode(task.source)).digest()
        turns = self._turns.setdefault(tenant_id, _Turns())
        turns.wanted += 1
        try:
            async with turns.room:
                if self._rests(mark):
                    return Rendered(problem="time", why="came to no end several times in the last minute")
                answer = await self._answer(task)
        finally:
            turns.wanted -= 1
            if not turns.wanted:
                self._turns.pop(tenant_id, None)
        if answer.problem in ("time", "memory"):
            self._note(mark)
        return answer

    async def close(self) -> None:
        await self._bench.close()

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that there are."""
        return self._bench.pids

    async def _answer(self, task: Render | Examine) -> Rendered:
        try:
            return await self._bench.do(task, Rendered)
        except TaskFailed as failure:
            problem: Problem = "memory" if failure.reason == "memory" else "time"
            return Rendered(problem=problem, why=_WHY[failure.reason])

    def _rests(self, mark: bytes) -> bool:
        now = self._clock.monotonic()
        while self._failures and self._failures[0][0] <= now - REST_SECONDS:
            self._forget(self._failures.popleft()[1])
        return self._failed[mark] >= TRIES

    def _note(self, mark: bytes) -> None:
        if len(self._failures) == _REMEMBERED:
            self._forget(self._failures.popleft()[1])
        self._failures.append((self._clock.monotonic(), mark))
        self._failed[mark] += 1

    def _forget(self, mark: bytes) -> None:
        self._failed[mark] -= 1
        if self._failed[mark] <= 0:
            del self._failed[mark]
