"""How far long work has come, on one line of a terminal that goes away afterwards."""

import sys
from types import TracebackType

_WIDTH = 24


class Bar:
    """Shows `what  [#####.....]  50 %` on stderr; nothing when it is not enabled."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._shown = ""

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw("")

    def show(self, what: str, done: int, total: int) -> None:
        """`done` of `total`; 0 in all means that nobody knows."""
        if not total:
            self._draw(f"{what} …")
            return
        full = min(done, total) * _WIDTH // total
        self._draw(f"{what}  [{'#' * full}{'.' * (_WIDTH - full)}]  {min(done, total) * 100 // total:3d} %")

    def _draw(self, text: str) -> None:
        if self._enabled and text != self._shown:
            sys.stderr.write("\r" + text.ljust(len(self._shown)) + ("" if text else "\r"))
            sys.stderr.flush()
            self._shown = text
