"""The signed address at which an approver answers: it names the held message, and is told only to them.

`a+<message><mac>@example.com`: see `signed_address`. Whoever sent the message
cannot make it: approval by mail takes this address and the approver's own.
"""

from relay.address import Address
from relay.tenants import signed_address

PREFIX = "a+"
_CONTEXT = b"posthouse approval address 1\0"
_ROOM = signed_address.MAX_LOCAL_PART - len(PREFIX)


def encode(message_id: str, secret: bytes, domain: str) -> Address:
    """Where one message's approval is answered, at `domain` (A-labels); ValueError for another kind of id."""
    return Address(PREFIX + signed_address.sign(message_id, secret, _CONTEXT, _ROOM), domain)


def decode(address: Address, secret: bytes) -> str | None:
    """The id of the message that waits; None if we did not make the address."""
    prefix, signed = address.local_part[: len(PREFIX)], address.local_part[len(PREFIX) :]
    return signed_address.verify(signed, secret, _CONTEXT, _ROOM) if prefix.lower() == PREFIX else None
