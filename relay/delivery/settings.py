"""What an operator can turn about delivery: names, addresses, limits, patience."""

from dataclasses import dataclass, field

from relay.delivery.smarthost import Smarthost
from relay.resolver import IpAddress


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that we wait in each phase (RFC 5321 §4.5.3.2); each bounds a whole reply.

    `attempt` is when no further host is tried. `slowest` is the least rate,
    in octets a second, at which a server may take the content as a whole.
    """

    connect: float = 30.0
    banner: float = 300.0
    hello: float = 300.0
    handshake: float = 60.0
    mail: float = 300.0
    recipient: float = 300.0
    data: float = 120.0
    block: float = 180.0
    final_dot: float = 600.0
    reset: float = 20.0
    quit: float = 5.0
    attempt: float = 900.0
    slowest: float = 500.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one attempt, or one connection, may try.

    `temporary_refusals` is on how many hosts a recipient may be answered 4xx
    within one attempt before the answer stands.
    """

    candidates: int = 20
    addresses_per_host: int = 5
    temporary_refusals: int = 2
    messages_per_connection: int = 100
    idle: float = 60.0


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How this station delivers. `own_names` and `own_addresses` are where it receives mail itself."""

    hostname: str
    port: int = 25
    own_names: frozenset[str] = frozenset()
    own_addresses: frozenset[IpAddress] = frozenset()
    source_addresses: tuple[IpAddress, ...] = ()
    smarthost: Smarthost | None = None
    allow_private_networks: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    limits: Limits = field(default_factory=Limits)
