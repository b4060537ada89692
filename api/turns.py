"""One after another: those who ask for the same thing at the same time, in this process."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Turns:
    """A lock for each name that anybody has or waits for."""

    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _askers: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Nobody else is in here under this name."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._askers[name] += 1
        try:
            async with lock:
                yield
        finally:
            self._askers[name] -= 1
            if not self._askers[name]:
                del self._askers[name], self._locks[name]
