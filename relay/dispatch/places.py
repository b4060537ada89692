"""The connections to one destination: never more than its limit at once, those that say farewell included."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Places:
    """Whoever has a place may have a connection. A guest goes before whoever waits for one."""

    limit: int
    _taken: int = 0
    _guests: int = 0
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has_guests(self) -> bool:
        """Whether one is there, or waits until somebody makes room."""
        return self._guests > 0

    @property
    def are_wanted(self) -> bool:
        """Whether a guest waits for somebody to make room."""
        return self._guests > 0 and self._taken + self._guests > self.limit

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """A place for a worker of the lane, as soon as there is one."""
        while self._taken + self._guests >= self.limit:
            await self._wait()
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
            self._freed.set()

    @asynccontextmanager
    async def guest(self) -> AsyncIterator[None]:
        """A place for one that is no worker of the lane."""
        self._guests += 1
        try:
            while self._taken + self._guests > self.limit:
                await self._wait()
            yield
        finally:
            self._guests -= 1
            self._freed.set()

    async def _wait(self) -> None:
        self._freed.clear()
        await self._freed.wait()
