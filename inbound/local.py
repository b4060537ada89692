"""Mail from this house to this house: the inbound path without a socket between."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from inbound.receive import Receiver
from inbound.recipients import UnknownMailbox
from relay.config import LimitsConfig
from relay.errors import Refusal
from relay.message.content import Content, ContentWriter
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.trace import Origin
from relay.replies import SmtpReply

TAKEN = SmtpReply(250, "2.0.0", "taken into the mailbox")


class Chunks(Protocol):
    def chunks(self, size: int = 65536) -> Iterable[bytes]: ...


@dataclass(slots=True)
class LocalDelivery:
    """Hands outgoing mail for our own domains to `receive`."""

    receiver: Receiver
    limits: LimitsConfig

    async def deliver(self, envelope: Envelope, header: bytes, body: Chunks) -> list[SmtpReply]:
        """Take the message into the mailboxes of its recipients; one reply for each, in their order.

        A recipient who is not here gets the reply that the MX listener would give,
        and so do all for a message that may not be received.
        """
        answers = [await self._answer(recipient) for recipient in envelope.recipients]
        here = [
            recipient
            for recipient, answer in zip(envelope.recipients, answers, strict=True)
            if answer.is_positive
        ]
        if not here:
            return answers
        try:
            await self._receive(replace(envelope, recipients=here), header, body)
        except UnknownMailbox:  # it was here a moment ago; nobody has got the message yet
            return await self.deliver(envelope, header, body)
        except Refusal as refusal:
            return [refusal.reply if answer.is_positive else answer for answer in answers]
        return answers

    async def _receive(self, envelope: Envelope, header: bytes, body: Chunks) -> None:
        """The bytes once more, because the sent message keeps its own."""
        writer = ContentWriter(self.receiver.shelf.incoming, size_limit=2 * self.limits.message_size)
        try:
            content = await asyncio.to_thread(_copy, writer, header, body)
            await self.receiver.receive(envelope, content, Origin(source="local"))
        finally:
            writer.discard()

    async def _answer(self, recipient: EnvelopeRecipient) -> SmtpReply:
        try:
            await self.receiver.recipients.find(recipient.address)
        except Refusal as refusal:
            return refusal.reply
        return TAKEN


def _copy(writer: ContentWriter, header: bytes, body: Chunks) -> Content:
    writer.feed(header + b"\r\n")
    for chunk in body.chunks():
        writer.feed(chunk)
    return writer.finish()
