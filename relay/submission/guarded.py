"""What the guards of an inbox or a key say no with."""

from datetime import datetime

from relay.address import Address
from relay.errors import PolicyRefusal
from relay.replies import SmtpReply
from relay.tenants.guards import Guards

SHOWN = 200


class RecipientGuarded(PolicyRefusal):
    """The guards let this inbox, or this key, write to others only."""

    code = "recipient_not_allowed"

    def __init__(self, owner: str, address: Address, guards: Guards) -> None:
        who = "who is listed or wrote first" if guards.allowed_recipients else "who wrote to it first"
        allowed = who if guards.only_who_wrote_first else "who is listed"
        told = f"The guards of {owner} allow mail only to {allowed}, not to {address}"
        super().__init__(told, SmtpReply(550, "5.7.1", told[:400]))


class NewRecipientsReached(PolicyRefusal):
    """The guards allow no more people to whom the inbox never wrote before, for today."""

    code = "new_recipients_reached"

    def __init__(self, owner: str, most: int, asked: int, resets_at: datetime) -> None:
        until = f"{resets_at:%Y-%m-%dT%H:%M:%SZ}"
        told = f"The guards of {owner} allow {most} new recipients a day, {asked} more asked for"
        told = f"{told}; more at {until}"
        super().__init__(told, SmtpReply(451, "4.7.1", told[:400]))
        self.resets_at = resets_at


class LinkNotAllowed(PolicyRefusal):
    """A link that did not stand in the conversation, to a host that is not listed."""

    code = "link_not_allowed"

    def __init__(self, owner: str, link: str) -> None:
        told = f"The guards of {owner} allow no new links, such as {_ascii(link)}"
        super().__init__(told, SmtpReply(550, "5.7.1", told[:400]))


class AttachmentNotAllowed(PolicyRefusal):
    """An attachment where there may be none, or none that did not come in the conversation."""

    code = "attachment_not_allowed"

    def __init__(self, owner: str, filename: str, guards: Guards) -> None:
        allowed = "no attachments" if guards.attachments == "none" else "only attachments of the conversation"
        told = f"The guards of {owner} allow {allowed}, not {_ascii(filename) or 'this one'}"
        super().__init__(told, SmtpReply(550, "5.7.1", told[:400]))


def _ascii(text: str) -> str:
    """Replies are ASCII, and hold no control characters."""
    plain = text[:SHOWN].encode("ascii", "replace").decode()
    return "".join(each if each.isprintable() else "?" for each in plain)
