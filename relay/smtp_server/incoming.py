"""What a client has sent and nobody has read yet, with one who waits for more, for so long.

A stream and a timeout for each wait would do the same; a session waits seven
times for a message, so here one timer serves the whole session: it is set
for the first wait, and looks at the time that counts when it goes off.
"""

import asyncio
from collections.abc import Callable

HIGH_WATER = 131072
# The loop's clock counts in milliseconds: who goes off within one of them is on time.
_TICK = 0.001


class Incoming:
    """The octets of one connection. `hold` is told whether the other side is to be kept from sending more."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hold: Callable[[bool], None]) -> None:
        self._loop = loop
        self._hold = hold
        self._octets = bytearray()
        self._has_ended = False
        self._is_held = False
        self._waiter: asyncio.Future[None] | None = None
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, octets: bytes) -> None:
        """These have come."""
        self._octets += octets
        if len(self._octets) > HIGH_WATER and not self._is_held:
            self._is_held = True
            self._hold(True)
        self._wake()

    def end(self) -> None:
        """No more will come."""
        self._has_ended = True
        self._wake()

    def take(self) -> bytes:
        """What is there now, and nothing if nothing is."""
        octets = bytes(self._octets)
        self._octets.clear()
        if self._is_held:
            self._is_held = False
            self._hold(False)
        return octets

    async def next(self, timeout: float) -> bytes:
        """The next octets, or nothing at the end; raises TimeoutError when none come in time (seconds).

        Only one may wait at a time.
        """
        if not self._octets and not self._has_ended:
            self._waiter = self._loop.create_future()
            self._set_timer(self._loop.time() + timeout)
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.take()

    def give_up(self) -> None:
        """End the present wait, if there is one, as if its time were over."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def close(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _set_timer(self, until: float) -> None:
        self._until = until
        if self._timer is not None and self._timer.when() > until:
            self.close()
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._go_off)

    def _go_off(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._until - self._loop.time() > _TICK:
            self._set_timer(self._until)
        else:
            self.give_up()
