"""The one place that asks what time it is.

Rooms are handed a `Clock`; tests hand them one that they move themselves.
Instants are aware UTC datetimes in code and integer microseconds since the
epoch in the store; spans between two events of one process are measured with
`monotonic`, which no clock adjustment can turn back.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never runs backwards."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - this is the clock itself

    def monotonic(self) -> float:
        return time.monotonic()


def to_us(instant: datetime) -> int:
    """Microseconds since the epoch, as the store keeps instants."""
    return (instant - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """The aware UTC instant that the store keeps as `microseconds`."""
    return _EPOCH + timedelta(microseconds=microseconds)


def span_us(span: timedelta) -> int:
    """A span in whole microseconds."""
    return span // _MICROSECOND
