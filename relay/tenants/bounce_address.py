"""The signed reverse path: where far servers report to, and which message they mean.

`b+<message><mac>@bounces.example.com`: see `signed_address` for what stands
behind the plus. Nobody else can invent a bounce.
"""

from relay.address import Address
from relay.tenants import signed_address

PREFIX = "b+"
HOST = "bounces."  # before the name of a domain
_CONTEXT = b"posthouse bounce address 1\0"
_ROOM = signed_address.MAX_LOCAL_PART - len(PREFIX)


def encode(message_id: str, secret: bytes, domain: str) -> Address:
    """The bounce address of one message at `domain` (A-labels); raises ValueError for another kind of id."""
    return Address(PREFIX + signed_address.sign(message_id, secret, _CONTEXT, _ROOM), domain)


def domain_of(host: str) -> str | None:
    """The domain to which such a host belongs; None for another host."""
    return host.removeprefix(HOST) if host.startswith(HOST) else None


def decode(address: Address, secret: bytes) -> str | None:
    """The id of the message that `address` was made for; None if we did not make it."""
    prefix, signed = address.local_part[: len(PREFIX)], address.local_part[len(PREFIX) :]
    return signed_address.verify(signed, secret, _CONTEXT, _ROOM) if prefix.lower() == PREFIX else None
