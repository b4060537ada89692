"""What is handed to one delivery attempt: one message for some recipients at one destination."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from relay.address import Address, ReversePath


class BodyBytes(Protocol):
    """Where a message's body is (`relay.message.content.Body`), read piece by piece."""

    @property
    def size(self) -> int: ...

    def chunks(self, size: int = 65536) -> Iterable[bytes]: ...


@dataclass(frozen=True, slots=True)
class ParcelRecipient:
    """One RCPT to be. `id` is the caller's and comes back in the outcome."""

    id: int
    address: Address
    notify: str | None = None
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """A message's bytes as they travel, before dot-stuffing: `header`, CRLF, `body`.

    `header` includes the signatures and ends with the CRLF of its last field.
    """

    header: bytes
    body: BodyBytes
    is_8bit: bool = False

    @property
    def size(self) -> int:
        """Octets as SIZE counts them (RFC 1870 §6): with every CRLF, without dot-stuffing."""
        return len(self.header) + 2 + self.body.size


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message for recipients that share `destination` (a domain, or an address literal).

    `seven_bit` gives the copy, converted and signed again, for a server
    without 8BITMIME; it raises a Refusal when there can be none.
    """

    message_id: str
    destination: str
    reverse_path: ReversePath
    recipients: tuple[ParcelRecipient, ...]
    wire: Wire
    seven_bit: Callable[[], Awaitable[Wire]]
    needs_utf8: bool = False
    ret: str | None = None
    envid: str | None = None
