"""The signed reverse path: where far servers report to, and which message they mean.

`b+<message><mac>@bounces.example.com`: the digits of the message's id, then
100 bits of HMAC-SHA-256 over them, so that nobody can invent a bounce. All
of it is base 32 that means the same in any case of letters, because some
servers change the case of addresses (RFC 5321 §2.4 notwithstanding).
"""

import hashlib
import hmac

from relay.address import Address

PREFIX = "b+"
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_MESSAGE = "msg_"
_MAC_DIGITS = 20
_CONTEXT = b"posthouse bounce address 1\0"
# The longest id that leaves the local part at 64 octets.
_MAX_DIGITS = 64 - len(PREFIX) - _MAC_DIGITS


def encode(message_id: str, secret: bytes, domain: str) -> Address:
    """The bounce address of one message at `domain` (A-labels); raises ValueError for another kind of id."""
    digits = message_id.removeprefix(_MESSAGE)
    if digits == message_id or not _is_base32(digits):
        raise ValueError(f"{message_id} is not the id of a message")
    return Address(f"{PREFIX}{digits}{_mac(digits, secret)}", domain)


def decode(address: Address, secret: bytes) -> str | None:
    """The id of the message that `address` was made for; None if we did not make it."""
    local = address.local_part.lower()
    digits, mac = local[len(PREFIX) : -_MAC_DIGITS], local[-_MAC_DIGITS:]
    if not local.startswith(PREFIX) or not _is_base32(digits) or not mac.isascii():
        return None
    return _MESSAGE + digits if hmac.compare_digest(mac, _mac(digits, secret)) else None


def _mac(digits: str, secret: bytes) -> str:
    code = hmac.digest(secret, _CONTEXT + digits.encode(), hashlib.sha256)
    number = int.from_bytes(code, "big")
    return "".join(_DIGITS[number >> 5 * place & 31] for place in range(_MAC_DIGITS))


def _is_base32(digits: str) -> bool:
    return 0 < len(digits) <= _MAX_DIGITS and all(digit in _DIGITS for digit in digits)
