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
_CHANCE_DRAWN = 4096
_chance = b""
_chance_lock = threading.Lock()
_last_number = 0
_number_lock = threading.Lock()


def _draw(count: int) -> int:
    """So many octets of chance from the kernel, which is asked for many at once: each call costs."""
    global _chance
    with _chance_lock:
        if len(_chance) < count:
            _chance = os.urandom(_CHANCE_DRAWN)
        drawn, _chance = _chance[:count], _chance[count:]
    return int.from_bytes(drawn, "big")


def _forget_chance() -> None:
    """A child process must not make the ids of its parent."""
    global _chance
    _chance = b""


os.register_at_fork(after_in_child=_forget_chance)


def _base32(value: int, width: int) -> str:
    pairs = [_PAIRS[value >> shift & 1023] for shift in range(10 * (width // 2), -1, -10)]
    return "".join(pairs)[-width:]


def new_id(prefix: str, clock: Clock) -> str:
    """A fresh id such as `msg_01hv…`; `prefix` comes without the underscore."""
    return f"{prefix}_{_base32(to_us(clock.now()), 11)}{_base32(_draw(9) >> 7, 13)}"


def new_number(clock: Clock) -> int:
    """A fresh positive 63-bit row number, larger than every earlier one of this process.

    For rows that are too many to carry text keys. The low ten bits are chance,
    so that two nodes do not meet within a microsecond.
    """
    global _last_number
    with _number_lock:
        _last_number = max(_last_number + 1, to_us(clock.now()) << 10 | _draw(2) >> 6)
        return _last_number
