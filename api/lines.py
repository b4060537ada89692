"""Answers that last: a stream and a long poll keep their connection, and a listener has not many of them.

So each key has a few, and all together no more than half of what there is:
whoever asks a short question finds room.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from api.problems import Problem


@dataclass(slots=True)
class OpenLines:
    """Counts those who listen or wait, by key: at most `of_key` each, and `in_all` together."""

    of_key: int = 100
    in_all: int = 500
    _open: Counter[str] = field(default_factory=Counter)

    def check(self, key_id: str) -> None:
        """Raise Problem (429) where one more would be too many."""
        if self._open[key_id] >= self.of_key or self._open.total() >= self.in_all:
            text = "Too many streams and long polls are open already."
            raise Problem(429, "rate_limited", text, headers={"Retry-After": "60"})

    @contextmanager
    def taken(self, key_id: str) -> Iterator[None]:
        """One more of the key, for as long as this lasts."""
        self._open[key_id] += 1
        try:
            yield
        finally:
            self._open[key_id] -= 1
            if not self._open[key_id]:
                del self._open[key_id]
