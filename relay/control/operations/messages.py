"""One message: why it is where it is, and sending a small one by hand."""

import asyncio
from typing import Any

from relay.address import Address
from relay.control.context import Context
from relay.control.operations.queue import NamedMessage, get_message
from relay.control.registry import Arguments, operation
from relay.control.shapes import event_dict, message_dict
from relay.dispatch.assembly import build_acceptor
from relay.errors import InvalidInput, NotFound
from relay.events import log
from relay.message.compose import Composition, compose
from relay.message.content import Content, ContentWriter
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.person import Person
from relay.message.trace import Origin
from relay.queue import records as queue
from relay.submission.draft import Draft
from relay.tenants.mailboxes import Mailbox, read_address

TEXT_LIMIT = 500_000


class Send(Arguments, frozen=True):
    """`sender` names the mailbox whose rules and allowance apply."""

    sender: str
    to: tuple[str, ...]
    subject: str = ""
    text: str = ""


@operation("message.explain", NamedMessage)
async def explain(context: Context, wanted: NamedMessage) -> dict[str, Any]:
    """`message` as it is now, and `events`: every decision that led there, oldest first. Raises NotFound."""
    message = await get_message(context, wanted.message)
    recipients = await queue.of_message(context.db, message.id)
    events = await log.of_message(context.db, message.id)
    return {
        "message": message_dict(message, recipients),
        "events": [event_dict(event) for event in events],
    }


@operation("message.send", Send)
async def send(context: Context, wanted: Send) -> dict[str, Any]:
    """Take on a small text message like any other: sender, cap, suppression and signature hold.

    Raises InvalidInput, NotFound for a sender without a mailbox, or a Refusal.
    """
    sender = read_address(wanted.sender)
    recipients = [read_address(text) for text in wanted.to]
    if not recipients:
        raise InvalidInput("a message has at least one recipient")
    if len(wanted.text.encode()) > TEXT_LIMIT:
        raise InvalidInput(f"the text has more than {TEXT_LIMIT} octets; submit it over SMTP")
    mailbox = await _sender_mailbox(context, sender)
    octets = _compose(sender, recipients, wanted.subject, wanted.text)
    draft = Draft(
        tenant_id=mailbox.tenant_id,
        mailbox=mailbox,
        envelope=_envelope(sender, recipients),
        content=await asyncio.to_thread(_content, context, octets),
        origin=Origin(source="cli", protocol="LOCAL"),
    )
    accepted = await build_acceptor(context.station).accept(draft)
    context.wake()
    message = await get_message(context, accepted.message_id)
    described = message_dict(message, await queue.of_message(context.db, message.id))
    return {**described, "scheduled_for": accepted.scheduled_for, "daemon": context.has_daemon}


async def _sender_mailbox(context: Context, sender: Address) -> Mailbox:
    mailbox = await context.station.directory.sender_mailbox(sender)
    if mailbox is None:
        raise NotFound(f"no mailbox may send from {sender}")
    return mailbox


def _envelope(sender: Address, recipients: list[Address]) -> Envelope:
    return Envelope(
        reverse_path=sender,
        recipients=[EnvelopeRecipient(address) for address in dict.fromkeys(recipients)],
        smtputf8=any(address.needs_utf8 for address in (sender, *recipients)),
    )


def _compose(sender: Address, recipients: list[Address], subject: str, text: str) -> bytes:
    """Date and Message-ID are given when it is accepted and released."""
    to = tuple(Person(str(address)) for address in recipients)
    header, body = compose(Composition(sender=Person(str(sender)), to=to, subject=subject, text=text))
    return header + b"\r\n" + body


def _content(context: Context, octets: bytes) -> Content:
    limits = context.station.config.limits
    writer = ContentWriter(context.station.shelf.incoming, size_limit=limits.message_size)
    try:
        writer.feed(octets)
        return writer.finish()
    except BaseException:
        writer.discard()
        raise
