"""What an attempt means for each recipient: how final, and how far it reaches.

After Postfix's smtp_trouble: trouble is sorted by scope first (does it
concern this recipient, this message, this session, or the whole site?), and
only then by permanence.
"""

from dataclasses import dataclass
from enum import Enum

from relay.message.refusals import Reason
from relay.replies import SmtpReply

__all__ = ["Fate", "Outcome", "Phase", "Reason", "Scope", "Verdict"]


class Scope(Enum):
    """How far an outcome reaches: the smallest thing that another try would have to change."""

    RECIPIENT = "recipient"
    MESSAGE = "message"
    SESSION = "session"
    SITE = "site"


class Fate(Enum):
    """What becomes of a recipient after the attempt."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"


class Phase(Enum):
    """Where in the conversation it happened."""

    ROUTE = "route"
    CONNECT = "connect"
    BANNER = "banner"
    HELLO = "hello"
    STARTTLS = "starttls"
    AUTH = "auth"
    RESET = "reset"
    MAIL = "mail"
    RECIPIENT = "recipient"
    DATA = "data"
    CONTENT = "content"
    FINAL_DOT = "final_dot"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one reply, or one broken session, means."""

    fate: Fate
    scope: Scope
    reason: Reason = Reason.UNKNOWN


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recipient in one attempt.

    `reply` is the far server's, or one made by us when there was none.
    `ambiguous`: the connection ended after the final dot, so the far side may
    have the message. `passed_dsn_on`: the server offers DSN and was given the
    sender's wishes, so a "relayed" notice is not ours to write (RFC 3461 §5.2).
    `tls` is "TLSv1.3 NAME-OF-CIPHER verified|unverified", None in plain text.
    """

    recipient_id: int
    fate: Fate
    scope: Scope
    reply: SmtpReply
    mx: str | None = None
    ip: str | None = None
    tls: str | None = None
    passed_dsn_on: bool = False
    ambiguous: bool = False
    reason: Reason = Reason.UNKNOWN
    phase: Phase = Phase.ROUTE
    dialogue: tuple[str, ...] = ()
