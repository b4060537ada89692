"""Names for things: prefixed, opaque, and sorting by the time they were made.

An id is a prefix, 11 base-32 digits of microseconds since the epoch and 13
digits of chance (65 bits), so two nodes never make the same one and a list
sorted by id is sorted by age. Digits are Crockford's, in lower case.
"""

import os
import threading

from relay.clock import Clock, to_us

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(high + low for high in _DIGITS for low in _DIGITS)
_CHANCE_BITS = 65
_SHIFTS = tuple(range(110, -1, -10))  # of the twelve pairs of digits of an id
_DRAWN_AT_ONCE = 400
_chance: list[int] = []
_last_number = 0
_number_lock = threading.Lock()


def _draw() -> int:
    """72 bits of chance from the kernel, which is asked for many at once: each call costs."""
    try:
        return _chance.pop()
    except IndexError:
        octets = os.urandom(9 * _DRAWN_AT_ONCE)
        _chance.extend([int.from_bytes(octets[at : at + 9], "big") for at in range(9, len(octets), 9)])
        return int.from_bytes(octets[:9], "big")


# A child process must not make the ids of its parent.
os.register_at_fork(after_in_child=_chance.clear)


def new_id(prefix: str, clock: Clock) -> str:
    """A fresh id such as `msg_01hv…`; `prefix` comes without the underscore."""
    value = to_us(clock.now()) << _CHANCE_BITS | _draw() >> 7
    return f"{prefix}_{''.join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])}"


def new_number(clock: Clock) -> int:
    """A fresh positive 63-bit row number, larger than every earlier one of this process.

    For rows that are too many to carry text keys. The low ten bits are chance,
    so that two nodes do not meet within a microsecond.
    """
    global _last_number
    with _number_lock:
        _last_number = max(_last_number + 1, to_us(clock.now()) << 10 | _draw() >> 62)
        return _last_number
