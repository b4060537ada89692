"""How often a destination is given a message: evenly, never more than so many in any minute."""

import asyncio
from dataclasses import dataclass, field


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Pace:
    """`interval` seconds lie between the beginnings of two messages, also before the first one.

    Whoever served the destination a moment ago, in this process or on another
    node, may have begun one then.
    """

    interval: float
    _next: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Somebody else may have begun a message just now."""
        self._next = _now() + self.interval

    async def turn(self) -> None:
        """Wait until the next message may begin."""
        at = max(self._next, _now())
        self._next = at + self.interval
        await asyncio.sleep(at - _now())
