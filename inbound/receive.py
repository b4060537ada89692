"""Receive one message: keep it as it came, for every mailbox that it is for.

When `receive` returns, each mailbox has it on disk and the event is written;
when it raises, none of them has.
"""

from dataclasses import dataclass

from inbound.recipients import Recipients
from relay.address import Address
from relay.clock import Clock, to_us
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.message.content import Content
from relay.message.envelope import Envelope
from relay.message.headers import Header, MalformedHeader, decode_words
from relay.message.trace import Origin, check_hops, received_field
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.bodies import BodyShelf
from relay.store.database import Database, Transaction
from relay.tenants.mailboxes import Mailbox

SUBJECT_KEPT = 500


@dataclass(slots=True)
class Receiver:
    """Holds what `receive` needs."""

    db: Database
    clock: Clock
    hostname: str
    recipients: Recipients
    shelf: BodyShelf
    received_hops: int = 100

    async def receive(self, envelope: Envelope, content: Content, origin: Origin) -> list[str]:
        """Take one message into the mailboxes of its recipients; returns the messages' ids.

        The header is kept as it came, below our own Return-Path and Received.
        Raises TooManyHops for a message that goes round.
        """
        self.db.check_intake()
        header = _read_header(content)
        check_hops(header, self.received_hops)
        inboxes = await self._inboxes(envelope)
        copies = [
            await self._copy(mailbox, address, envelope, header, content, origin)
            for mailbox, address in inboxes.values()
        ]

        async def work(tx: Transaction) -> None:
            for message, stored in copies:
                await spool.insert(tx, message, stored)
                await self._tell(tx, message, origin)

        await self.db.transact(work, intake=True)
        return [message.id for message, _ in copies]

    async def _inboxes(self, envelope: Envelope) -> dict[str, tuple[Mailbox, Address]]:
        """One entry for each mailbox, however many of the recipients lead to it."""
        found: dict[str, tuple[Mailbox, Address]] = {}
        for recipient in envelope.recipients:
            mailbox = await self.recipients.find(recipient.address)
            found.setdefault(mailbox.id, (mailbox, recipient.address))
        return found

    async def _copy(
        self,
        mailbox: Mailbox,
        address: Address,
        envelope: Envelope,
        header: Header,
        content: Content,
        origin: Origin,
    ) -> tuple[Message, StoredContent]:
        id_, now = new_id("msg", self.clock), self.clock.now()
        trace = f"Return-Path: <{envelope.reverse_path}>\r\n".encode()
        trace += received_field(origin, self.hostname, id_, now, address)
        data, file = await self.shelf.keep(content.body, id_)
        message = Message(
            id=id_,
            tenant_id=mailbox.tenant_id,
            mailbox_id=mailbox.id,
            direction="in",
            source=origin.source,
            reverse_path=envelope.reverse_path,
            header_from=header.first("from") or "",
            subject=decode_words(header.first("subject") or "")[:SUBJECT_KEPT],
            message_id=header.first("message-id") or "",
            size=len(trace) + content.size,
            body_size=content.body.size,
            created_at=to_us(now),
            is_8bit=content.is_8bit,
        )
        return message, StoredContent(trace + content.header, data, file)

    async def _tell(self, tx: Transaction, message: Message, origin: Origin) -> None:
        await log.append(
            tx,
            self.clock,
            EventKind.MESSAGE_RECEIVED,
            tenant_id=message.tenant_id,
            mailbox_id=message.mailbox_id,
            message_id=message.id,
            data={
                "reverse_path": str(message.reverse_path),
                "from": message.header_from,
                "subject": message.subject,
                "client": origin.client,
                "helo": origin.helo,
                "tls": origin.tls,
                "size": message.size,
            },
        )


def _read_header(content: Content) -> Header:
    """The fields that lists show; a header that cannot be read has none, and is kept all the same."""
    try:
        return Header.parse(content.header)
    except MalformedHeader:
        return Header()
