"""What the addresses that we sign have in common: a message's id, and proof that we wrote it.

The digits of the id, then 100 bits of HMAC-SHA-256 over them, in base 32
that means the same in any case of letters, because some servers change the
case of addresses (RFC 5321 §2.4 notwithstanding). Each use has a context of
its own, so that one kind of address is never taken for another.
"""

import hashlib
import hmac
import re
from functools import lru_cache

MAX_LOCAL_PART = 64

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_MESSAGE = "msg_"
_MAC_DIGITS = 20
_SHIFTS = tuple(range(0, 5 * _MAC_DIGITS, 5))
_BASE32 = re.compile(rf"[{_DIGITS}]+\Z")


def sign(message_id: str, secret: bytes, context: bytes, room: int) -> str:
    """Digits and proof, at most `room` characters; raises ValueError for what is not the id of a message."""
    digits = message_id.removeprefix(_MESSAGE)
    if digits == message_id or not _is_base32(digits, room - _MAC_DIGITS):
        raise ValueError(f"{message_id} is not the id of a message")
    return digits + _mac(digits, secret, context)


def verify(signed: str, secret: bytes, context: bytes, room: int) -> str | None:
    """The id of the message it was made for, in whatever case its letters are; None if we did not make it."""
    signed = signed.lower()
    digits, mac = signed[:-_MAC_DIGITS], signed[-_MAC_DIGITS:]
    if not mac.isascii() or not _is_base32(digits, room - _MAC_DIGITS):
        return None
    return _MESSAGE + digits if hmac.compare_digest(mac, _mac(digits, secret, context)) else None


def _mac(digits: str, secret: bytes, context: bytes) -> str:
    keyed = _keyed(secret).copy()
    keyed.update(context + digits.encode())
    number = int.from_bytes(keyed.digest(), "big")
    return "".join([_DIGITS[number >> shift & 31] for shift in _SHIFTS])


@lru_cache(maxsize=16)
def _keyed(secret: bytes) -> hmac.HMAC:
    """With the key in already: that is most of the work for a few octets."""
    return hmac.new(secret, digestmod=hashlib.sha256)


def _is_base32(digits: str, most: int) -> bool:
    return len(digits) <= most and bool(_BASE32.match(digits))
