"""What a listener knows about one connection, as the doors see it."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeAlias

IpAddress: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What was negotiated, such as `TLSv1.3` and `TLS_AES_256_GCM_SHA384`."""

    version: str
    cipher: str

    def __str__(self) -> str:
        return f"{self.version} {self.cipher}"


@dataclass(slots=True)
class SmtpSession:
    """One connection from its greeting to its end.

    `peer` is the client's address (behind a trusted proxy, the one that the
    proxy names), with IPv4-mapped IPv6 unwrapped. `local` names the listener.
    `helo` is what the client called itself: printable ASCII, at most 255
    octets, and still nobody's word. `login` is set once AUTH has succeeded,
    together with `credential`, which is whatever the door made of it. `memo` is
    the door's own, to remember something from one command to the next.
    """

    id: str
    peer: IpAddress
    port: int
    local: str
    started_at: datetime
    helo: str = ""
    esmtp: bool = False
    tls: TlsFacts | None = None
    credential: Any = None
    login: str | None = None
    memo: Any = None


def unmapped(text: str) -> IpAddress:
    """The address that `text` names, as IPv4 where IPv6 only wraps one; raises ValueError."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def neighbourhood(address: IpAddress) -> str:
    """The key under which limits count an address: itself, or the /64 of an IPv6 address.

    One customer line has a whole /64, so anything narrower limits nobody.
    """
    if isinstance(address, IPv6Address):
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)
