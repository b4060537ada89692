"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Starts on Monday 2026-03-02 at 09:00 UTC."""

    def __init__(self, start: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, span: timedelta | None = None, **units: float) -> None:
        """Move on by a timedelta, or by `minutes=5` and the like."""
        span = span or timedelta(**units)
        self._now += span
        self._monotonic += span.total_seconds()

    def jump(self, **units: float) -> None:
        """Somebody sets the clock: forward by `days=1` or back by `days=-1`, in no time."""
        self._now += timedelta(**units)
