"""Who handed a message in, and the Received field that says so (RFC 5321 §4.4)."""

import re
from dataclasses import dataclass
from datetime import datetime

from relay.address import Address
from relay.errors import Refusal
from relay.message.headers import Header, format_date
from relay.replies import SmtpReply

_HARMLESS_NAME = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class Origin:
    """The door and the client. `source` is smtp, api, dsn, mx or local; `protocol` as in RFC 3848."""

    source: str
    protocol: str = "ESMTP"
    helo: str | None = None
    client: str | None = None
    login: str | None = None
    tls: str | None = None
    session_id: str | None = None


class TooManyHops(Refusal):
    """It has been through so many servers that it must be going round (RFC 5321 §6.3)."""

    reply = SmtpReply(554, "5.4.6", "Too many hops, this message is in a loop")


def check_hops(header: Header, limit: int) -> None:
    """Raise TooManyHops for a message with more than `limit` Received fields."""
    hops = len(header.all("received"))
    if hops > limit:
        raise TooManyHops(f"{hops} Received fields")


def protocol_keyword(*, esmtp: bool, tls: bool, authenticated: bool, utf8: bool = False) -> str:
    """The keyword for how it came (RFC 3848, RFC 6531 §4.3): ESMTPSA and its relatives."""
    if not esmtp:
        return "SMTP"
    keyword = "UTF8SMTP" if utf8 else "ESMTP"
    return keyword + ("S" if tls else "") + ("A" if authenticated else "")


def received_field(
    origin: Origin, hostname: str, message_id: str, at: datetime, only_recipient: Address | None
) -> bytes:
    """One folded Received field with its line end, safe whatever the client called itself.

    `for` is named only when there is a single recipient, so that no copy
    tells of another (RFC 5321 §7.2). The client's login stays with us.
    """
    lines = []
    if origin.client is not None:
        name = origin.helo if origin.helo and _HARMLESS_NAME.match(origin.helo) else "unknown"
        lines.append(f"from {name} ({_literal(origin.client)})")
    if origin.tls:
        lines.append(f"(using {origin.tls})")
    lines.append(f"by {hostname} (Posthouse) with {origin.protocol} id {message_id}")
    if only_recipient is not None and not only_recipient.needs_utf8:
        lines.append(f"for <{only_recipient}>")
    return ("Received: " + "\r\n\t".join(lines) + ";\r\n\t" + format_date(at) + "\r\n").encode("ascii")


def _literal(client: str) -> str:
    return f"[IPv6:{client}]" if ":" in client else f"[{client}]"
