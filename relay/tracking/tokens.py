"""What stands behind `/t/` in a mail: a message, what it says of it, and proof that we wrote it there.

The octets are 96 bits of HMAC-SHA-256, a mark, 15 octets that are the
message's id, and a text, deflated where that is shorter; then base64url. The
proof is for one purpose and one host name: a token of another tenant's host,
or of another page of ours, proves nothing.
"""

import base64
import binascii
import hashlib
import hmac
import re
import zlib
from dataclasses import dataclass
from typing import Literal, TypeAlias

Purpose: TypeAlias = Literal["click", "open", "unsubscribe"]

LONGEST = 1800
LONGEST_TEXT = 4000
_CONTEXT = "posthouse tracking 1\0{purpose}\0{host}\0"
_MAC = 12
_ID = 15
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_MESSAGE = re.compile(rf"msg_([{_DIGITS}]{{24}})\Z")
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\Z")
_PLAIN, _DEFLATED = b"\0", b"\1"


@dataclass(frozen=True, slots=True)
class Token:
    """What one of our tokens says: the message that it stands in, and a text that its purpose knows."""

    message_id: str
    text: str = ""


def sign(token: Token, secret: bytes, purpose: Purpose, host: str) -> str:
    """The token for that purpose at that host; raises ValueError for what would be too long, or no id."""
    octets = _packed_id(token.message_id)
    octets = b"".join(_shorter(octets, token.text.encode()))
    signed = base64.urlsafe_b64encode(_mac(octets, secret, purpose, host) + octets).rstrip(b"=").decode()
    if len(signed) > LONGEST or len(token.text.encode()) > LONGEST_TEXT:
        raise ValueError("more than a token can say")
    return signed


def verify(signed: str, secret: bytes, purpose: Purpose, host: str) -> Token | None:
    """What it says; None if we did not make it for this purpose and host."""
    octets = _octets(signed)
    mac, said = octets[:_MAC], octets[_MAC:]
    if len(said) <= _ID or not hmac.compare_digest(mac, _mac(said, secret, purpose, host)):
        return None
    text = said[_ID + 1 :]
    if said[:1] == _DEFLATED:
        # Only what we signed is inflated, so it is no longer than what we deflated.
        text = zlib.decompress(text, wbits=-15)
    return Token(_unpacked_id(said[1 : _ID + 1]), text.decode())


def _shorter(id_: bytes, text: bytes) -> tuple[bytes, bytes, bytes]:
    deflated = _deflated(text)
    return (_DEFLATED, id_, deflated) if len(deflated) < len(text) else (_PLAIN, id_, text)


def _deflated(text: bytes) -> bytes:
    squeeze = zlib.compressobj(9, wbits=-15)
    return squeeze.compress(text) + squeeze.flush()


def _octets(signed: str) -> bytes:
    """The octets; none for what we would have spelled otherwise."""
    if len(signed) > LONGEST or not _TOKEN.match(signed):
        return b""
    try:
        octets = base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4))
    except (binascii.Error, ValueError):
        return b""
    return octets if base64.urlsafe_b64encode(octets).rstrip(b"=").decode() == signed else b""


def _mac(octets: bytes, secret: bytes, purpose: Purpose, host: str) -> bytes:
    context = _CONTEXT.format(purpose=purpose, host=host.lower()).encode()
    return hmac.digest(secret, context + octets, hashlib.sha256)[:_MAC]


def _packed_id(message_id: str) -> bytes:
    found = _MESSAGE.match(message_id)
    if found is None:
        raise ValueError(f"{message_id} is not the id of a message")
    number = 0
    for digit in found[1]:
        number = number << 5 | _DIGITS.index(digit)
    return number.to_bytes(_ID, "big")


def _unpacked_id(octets: bytes) -> str:
    number = int.from_bytes(octets, "big")
    return "msg_" + "".join(_DIGITS[number >> shift & 31] for shift in range(115, -1, -5))
