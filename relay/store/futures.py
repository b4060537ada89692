"""Carry results from a store thread back to the event loops that wait for them."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any


class Pending:
    """One caller's wait. The thread fills in `value` or `error`, then `hand_back` wakes the caller."""

    __slots__ = ("error", "future", "loop", "value")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.value: Any = None
        self.error: BaseException | None = None


def hand_back(done: Sequence[Pending]) -> None:
    """Wake the callers, with one call into each event loop, however many of them wait there."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Pending]] = {}
    for pending in done:
        by_loop.setdefault(pending.loop, []).append(pending)
    for loop, waiting in by_loop.items():
        with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle, waiting)


def _settle(waiting: Sequence[Pending]) -> None:
    for pending in waiting:
        if pending.future.done():  # the caller was cancelled; what was written stays written
            continue
        if pending.error is not None:
            pending.future.set_exception(pending.error)
        else:
            pending.future.set_result(pending.value)
