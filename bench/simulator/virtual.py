"""An event loop whose time passes only when everybody waits: hours take as long as what happens in them."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

BEGINNING = datetime(2026, 3, 2, 9, tzinfo=UTC)


class NothingWillHappen(RuntimeError):
    """Everybody waits for somebody else."""


class _Instant(selectors.SelectSelector):
    """Moves the clock on by what the loop would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise NothingWillHappen
        self.passed += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._instant = _Instant()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.passed


class VirtualClock:
    """The loop's time, as `relay.clock` has it; an instant at which much happens is made once."""

    def __init__(self) -> None:
        self._passed, self._now = 0.0, BEGINNING

    def now(self) -> datetime:
        passed = self.monotonic()
        if passed != self._passed:
            self._passed, self._now = passed, BEGINNING + timedelta(seconds=passed)
        return self._now

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, however far away that is."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
