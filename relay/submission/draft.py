"""What a door asks to have sent, and what we promise when we take it."""

from dataclasses import dataclass
from datetime import datetime

from relay.message.content import Content
from relay.message.envelope import Envelope
from relay.message.trace import Origin
from relay.tenants.mailboxes import Mailbox


@dataclass(frozen=True, slots=True)
class Draft:
    """One message, offered for sending.

    `mailbox` is whose rules and allowance apply; None for what we write
    ourselves (a DSN), which is exempt from both. `guards` are keys under
    which this very message must not be taken twice; they are kept in the
    transaction that takes it.
    """

    tenant_id: str
    mailbox: Mailbox | None
    envelope: Envelope
    content: Content
    origin: Origin
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """We have it, on disk. `repeated` says that we had it already, from an earlier try of the client."""

    message_id: str
    repeated: bool = False
    scheduled_for: datetime | None = None
