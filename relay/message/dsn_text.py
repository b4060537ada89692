"""The part of a delivery status notification that people read: who, what was said, what happens next."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from relay.address import Address
from relay.message.headers import Header, decode_words, format_date
from relay.replies import SmtpReply

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_LONGEST_REPLY = 400
_LONGEST_SUBJECT = 200
_WIDTH = 76

# What people can do about it, by the last two numbers of the status (RFC 3463 §3).
_ADVICE = {
    "1.1": "There is no such mailbox. Please check the spelling of the address.",
    "1.2": "There is no such domain. Please check what stands after the @.",
    "1.10": "This domain receives no mail.",
    "2.1": "The mailbox is closed or does not accept mail at present.",
    "2.2": "The mailbox is full. The recipient has to make room first.",
    "2.3": "The message is larger than this recipient may receive. Please send it smaller, or a link.",
    "3.4": "The message is larger than the far server takes. Please send it smaller, or a link.",
    "4.4": "No server was found that receives mail for this domain.",
    "4.7": "The time allowed for trying is over.",
    "6.3": "The far server cannot take a message in this form, and it cannot be converted.",
    "7.1": "The far server refused the message by rules of its own. Its operator knows more.",
}


class DsnAction(StrEnum):
    """What became of a recipient, as RFC 3464 §2.3.3 names it."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class DsnRecipient:
    """One recipient that the sender is told about.

    `reply` is the far server's last word, then `remote_mta` names that
    server; or our own finding, and `remote_mta` is None. `status` overrides
    the enhanced code of the reply ("4.4.7" for mail that waited too long).
    `retry_until` counts for a delay only.
    """

    address: Address
    action: DsnAction
    reply: SmtpReply
    remote_mta: str | None = None
    status: str | None = None
    orcpt: str | None = None
    last_attempt_at: datetime | None = None
    retry_until: datetime | None = None

    @property
    def status_code(self) -> str:
        return self.status or self.reply.enhanced or f"{self.reply.code // 100}.0.0"

    @property
    def said_by(self) -> str | None:
        """The far server's name in printable ASCII, as far as a name goes."""
        return _UNPRINTABLE.sub("?", self.remote_mta)[:255] if self.remote_mta else None

    @property
    def diagnostic(self) -> str:
        """The reply on one line of printable ASCII, at most 400 characters; the far server wrote it."""
        text = " ".join(_UNPRINTABLE.sub("?", str(self.reply).replace("\t", " ")).split())
        return text if len(text) <= _LONGEST_REPLY else text[: _LONGEST_REPLY - 4] + " ..."


_OPENINGS = {
    DsnAction.FAILED: "Your message could not be delivered to these recipients. It will not be tried again.",
    DsnAction.DELAYED: "Your message has not reached these recipients yet. You need not do anything: "
    "it is still being tried.",
    DsnAction.DELIVERED: "Your message was delivered to these recipients.",
    DsnAction.RELAYED: "Your message was handed on for these recipients to a server that sends no notices "
    "of success, so you will only hear more if something fails.",
}


def subject_of(recipients: tuple[DsnRecipient, ...]) -> str:
    """One line that says what the report is about."""
    actions = {recipient.action for recipient in recipients}
    words = {
        DsnAction.FAILED: "Not delivered",
        DsnAction.DELAYED: "Delayed",
        DsnAction.DELIVERED: "Delivered",
        DsnAction.RELAYED: "Relayed",
    }
    opening = words[next(iter(actions))] if len(actions) == 1 else "Delivery report"
    about = str(recipients[0].address) if len(recipients) == 1 else f"{len(recipients)} recipients"
    return f"{opening}: {about}"


def explain(reporting_mta: str, recipients: tuple[DsnRecipient, ...], original: Header) -> str:
    """The text, its lines ended by CRLF and mostly no longer than 76 columns."""
    lines = [f"This is the mail server {reporting_mta}.", ""]
    for action in DsnAction:
        concerned = [recipient for recipient in recipients if recipient.action is action]
        if concerned:
            lines += [*textwrap.wrap(_OPENINGS[action], _WIDTH), ""]
            for recipient in concerned:
                lines += [*_about(recipient), ""]
    lines += [*_message(original), "What follows is a report for programs, and your message or its header."]
    return "".join(f"{line}\r\n" for line in lines)


def _about(recipient: DsnRecipient) -> Iterator[str]:
    yield f"  {recipient.address}"
    said = f"{recipient.said_by} answered:" if recipient.said_by else "Found by this server:"
    yield from _indented(f"{said} {recipient.diagnostic}")
    advice = _ADVICE.get(recipient.status_code.partition(".")[2])
    if advice and recipient.action is DsnAction.FAILED:
        yield from _indented(advice)
    if recipient.action is DsnAction.DELAYED and recipient.retry_until:
        yield from _indented(
            f"It will be tried until {format_date(recipient.retry_until)}, then you hear again."
        )


def _indented(text: str) -> list[str]:
    indent = " " * 4
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _message(original: Header) -> Iterator[str]:
    """How the sender knows the message."""
    facts = [(name, original.first(name)) for name in ("Subject", "Date", "Message-ID")]
    lines = [f"  {name}: {decode_words(value)[:_LONGEST_SUBJECT]}" for name, value in facts if value]
    if lines:
        yield from ["The message in question:", "", *lines, ""]
