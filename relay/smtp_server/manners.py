"""How one listener behaves: what it offers, and where its patience ends."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Protocol, TypeAlias

from relay.clock import Clock, SystemClock
from relay.smtp_server.limits import AuthLimits
from relay.smtp_server.rates import Rates
from relay.smtp_server.session import IpAddress, SmtpSession

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]


def never(session: SmtpSession) -> bool:
    """Whatever the session becomes: a listener that offers AUTH so does not know the command."""
    return False


class SmtpObserver(Protocol):
    """Who counts what happens at a door (`relay.telemetry.Metrics`); `door` is the listener's name."""

    def session_opened(self, door: str) -> None: ...
    def session_closed(self, door: str) -> None: ...
    def refused(self, code: int, *, door: str) -> None: ...


class Nobody:
    """Counts nothing."""

    def session_opened(self, door: str) -> None: ...
    def session_closed(self, door: str) -> None: ...
    def refused(self, code: int, *, door: str) -> None: ...


@dataclass(frozen=True)
class SmtpManners:
    """Sizes in octets. The defaults of the patience are those of RFC 5321 §4.5.3.2 and of Postfix.

    `offers_auth` and `requires_auth` are asked anew at each command, so that
    they can depend on `session.tls` and `session.peer`. With `implicit_tls`
    the handshake comes before the greeting (RFC 8314). Who connects from
    `proxy_protocol_from` must send a PROXY header first; nobody else may.
    Addresses in `uncounted_networks` may open any number of connections and,
    like clients that have logged in, name any number of bad recipients; they
    are greeted at once. Everybody else who speaks within `greeting_delay`,
    before the greeting, is turned away; without it nobody listens so early.
    `rates` may be shared by listeners that count together.
    """

    hostname: str
    spool: Path
    name: str = "smtp"
    clock: Clock = field(default_factory=SystemClock)
    observer: SmtpObserver = field(default_factory=Nobody)

    tls_context: ssl.SSLContext | None = None
    implicit_tls: bool = False
    offers_auth: Callable[[SmtpSession], bool] = never
    requires_auth: Callable[[SmtpSession], bool] = never
    auth_limits: AuthLimits | None = None
    auth_failure_delay: timedelta = timedelta(seconds=1)
    offers_dsn: bool = True

    message_size: int = 25 * 1024 * 1024
    memory_limit: int = 128 * 1024
    header_limit: int = 256 * 1024
    recipients_per_message: int = 1000

    connections: int = 1000
    connections_per_ip: int = 50
    rates: Rates | None = None
    uncounted_networks: Networks = ()
    proxy_protocol_from: Networks = ()

    greeting_delay: timedelta | None = None
    command_timeout: timedelta = timedelta(seconds=300)
    block_timeout: timedelta = timedelta(seconds=180)
    handshake_timeout: timedelta = timedelta(seconds=30)
    # Counted anew from each accepted message: a client that sends mail is not idle.
    session_time: timedelta = timedelta(hours=1)
    least_rate: int = 500  # octets a second while a message comes in …
    least_rate_after: timedelta = timedelta(seconds=60)  # … once it has taken this long
    errors_allowed: int = 20
    commands_without_mail: int = 100
    recipients_put_off: int = 1000  # that a stranger may name although each is told to wait

    def __post_init__(self) -> None:
        if self.implicit_tls and self.tls_context is None:
            raise ValueError("implicit TLS needs a certificate")
        if self.implicit_tls and self.proxy_protocol_from:
            raise ValueError("a PROXY header cannot stand before implicit TLS")


def is_within(address: IpAddress, networks: Networks) -> bool:
    return any(address in network for network in networks if network.version == address.version)
