"""Read a time as people write it."""

from datetime import datetime

from relay.clock import Clock
from relay.config.values import read_duration
from relay.errors import InvalidInput


def read_instant(clock: Clock, text: str, *, past: bool = False) -> datetime:
    """An instant (RFC 3339) or a duration from now, such as `90d`; raises InvalidInput.

    With `past` the duration is one before now.
    """
    try:
        duration = read_duration(text)
        return clock.now() - duration if past else clock.now() + duration
    except (ValueError, OverflowError):
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f'{text!r} is neither an instant such as 2027-01-31T12:00:00Z nor "90d"') from None
    if instant.tzinfo is None:
        raise InvalidInput(f"{text!r} does not say in which time zone: add Z for UTC")
    return instant
