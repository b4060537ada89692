"""A stored message for recipients at one destination: what is still to be signed, then delivered."""

from dataclasses import dataclass
from datetime import datetime

from relay.address import ReversePath
from relay.delivery.parcel import ParcelRecipient
from relay.message.content import Body


@dataclass(frozen=True, slots=True)
class SigningOrder:
    """In whose name to sign, with which active keys, as of when; `body_hash` as RelaxedBodyHash gives it."""

    domain: str
    selectors: tuple[str, ...]
    at: datetime
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class Consignment:
    """Everything that one attempt needs, and nothing that leads into the store.

    `header` ends with the CRLF of its last field. `destination` is a domain, or
    an address literal. Without a `signing` order it travels as it is.
    """

    message_id: str
    destination: str
    reverse_path: ReversePath
    recipients: tuple[ParcelRecipient, ...]
    header: bytes
    body: Body
    is_8bit: bool = False
    needs_utf8: bool = False
    ret: str | None = None
    envid: str | None = None
    signing: SigningOrder | None = None
