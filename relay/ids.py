"""Names for things: prefixed, opaque, and sorting by the time they were made.

An id is a prefix, 11 base-32 digits of microseconds since the epoch and 13
digits of chance (65 bits), so two nodes never make the same one and a list
sorted by id is sorted by age. Digits are Crockford's, in lower case.
"""

import secrets
import threading

from relay.clock import Clock, to_us

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_last_number = 0
_number_lock = threading.Lock()


def _base32(value: int, width: int) -> str:
    digits = []
    for _ in range(width):
        value, digit = divmod(value, 32)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def new_id(prefix: str, clock: Clock) -> str:
    """A fresh id such as `msg_01hv…`; `prefix` comes without the underscore."""
    return f"{prefix}_{_base32(to_us(clock.now()), 11)}{_base32(secrets.randbits(65), 13)}"


def new_number(clock: Clock) -> int:
    """A fresh positive 63-bit row number, larger than every earlier one of this process.

    For rows that are too many to carry text keys. The low ten bits are chance,
    so that two nodes do not meet within a microsecond.
    """
    global _last_number
    with _number_lock:
        _last_number = max(_last_number + 1, to_us(clock.now()) << 10 | secrets.randbits(10))
        return _last_number
