"""How a recipient leaves: what the token behind a link of ours names, and the address for mail that says so.

RFC 8058 and RFC 2369. The link names tenant, message, recipient and stream
itself, so that it works for as long as it is kept. The address,
`u+<message><mac>@…`, has room for the message only: see `signed_address` for
what stands behind the plus.
"""

from dataclasses import dataclass

import msgspec

from relay.address import Address, InvalidAddress, parse_address
from relay.tenants import signed_address
from relay.tracking import tokens
from relay.tracking.tokens import Token

PREFIX = "u+"
_CONTEXT = b"posthouse unsubscribe address 1\0"
_ROOM = signed_address.MAX_LOCAL_PART - len(PREFIX)


@dataclass(frozen=True, slots=True)
class Leave:
    """Who wants no more of what; all of the tenant's mail where `stream` is None. A trial says so."""

    tenant_id: str
    message_id: str
    address: Address
    stream: str | None
    is_test: bool = False


class _Said(msgspec.Struct, array_like=True, frozen=True):
    tenant_id: str
    address: str
    stream: str | None
    is_test: bool = False


def sign(leave: Leave, secret: bytes, host: str) -> str:
    """The token of a link at `host`; raises ValueError for what a token cannot say."""
    said = [leave.tenant_id, str(leave.address), leave.stream, *([True] if leave.is_test else [])]
    text = msgspec.json.encode(said).decode()
    return tokens.sign(Token(leave.message_id, text), secret, "unsubscribe", host)


def verify(signed: str, secret: bytes, host: str) -> Leave | None:
    """Who leaves what; None for what we did not sign for this host."""
    token = tokens.verify(signed, secret, "unsubscribe", host)
    if token is None:
        return None
    try:
        said = msgspec.json.decode(token.text, type=_Said)
        address = parse_address(said.address)
        return Leave(said.tenant_id, token.message_id, address, said.stream, is_test=said.is_test)
    except (msgspec.DecodeError, InvalidAddress):
        return None


def address_of(message_id: str, secret: bytes, domain: str) -> Address:
    """Where mail says the same of the message's recipient; raises ValueError for another kind of id."""
    return Address(PREFIX + signed_address.sign(message_id, secret, _CONTEXT, _ROOM), domain)


def message_of(address: Address, secret: bytes) -> str | None:
    """The message that such an address was made for; None if we did not make it."""
    prefix, signed = address.local_part[: len(PREFIX)], address.local_part[len(PREFIX) :]
    return signed_address.verify(signed, secret, _CONTEXT, _ROOM) if prefix.lower() == PREFIX else None
