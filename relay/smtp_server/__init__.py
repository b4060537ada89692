"""The SMTP server: speaks the protocol, and asks a door what to make of it.

`listen` opens a listener. `SmtpManners` says what it offers and where its
patience ends, a `SmtpDoor` decides about clients, senders, recipients and
content. The one home of aiosmtpd, which is imported in `connection` only.
"""

from relay.smtp_server.door import SmtpDoor
from relay.smtp_server.limits import AuthLimits, ConnectionCounter, TooManyFailures
from relay.smtp_server.listener import SmtpListener, listen
from relay.smtp_server.manners import SmtpManners, is_within
from relay.smtp_server.rates import Rates
from relay.smtp_server.session import SmtpSession, TlsFacts

__all__ = [
    "AuthLimits",
    "ConnectionCounter",
    "Rates",
    "SmtpDoor",
    "SmtpListener",
    "SmtpManners",
    "SmtpSession",
    "TlsFacts",
    "TooManyFailures",
    "is_within",
    "listen",
]
