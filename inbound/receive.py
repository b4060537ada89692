"""Receive one message: keep it as it came, for every mailbox that it is for.

When `receive` returns, each mailbox has it on disk; when it raises, none of
them has. It is read afterwards (`inbound.reader`), so that nothing in it can
keep it from being stored.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from inbound import arrivals
from inbound.arrivals import Arrival
from inbound.authenticate.results import Authentication
from inbound.recipients import Recipients
from inbound.screening import Screening
from relay.address import Address
from relay.clock import Clock, to_us
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


@dataclass(frozen=True, slots=True)
class Findings:
    """What was learned of a message before 250; None where nobody asked yet."""

    authentication: Authentication | None = None
    screening: Screening | None = None


NOTHING_YET = Findings()


@dataclass(frozen=True, slots=True)
class _Copy:
    """One mailbox's own: the message, its bytes, and that it is still to be read."""

    message: Message
    stored: StoredContent
    arrival: Arrival


@dataclass(slots=True)
class Receiver:
    """Holds what `receive` needs; `listen` names who is told that something came."""

    db: Database
    clock: Clock
    hostname: str
    recipients: Recipients
    shelf: BodyShelf
    received_hops: int = 100
    _ears: list[Callable[[], None]] = field(default_factory=list)

    def listen(self, hear: Callable[[], None]) -> None:
        self._ears.append(hear)

    async def receive(
        self, envelope: Envelope, content: Content, origin: Origin, findings: Findings = NOTHING_YET
    ) -> list[str]:
        """Take one message into the mailboxes of its recipients; returns the messages' ids.

        The header is kept as it came, below our own Return-Path and Received.
        Raises TooManyHops for a message that goes round.
        """
        self.db.check_intake()
        header = _read_header(content)
        check_hops(header, self.received_hops)
        inboxes = await self._inboxes(envelope)
        copies = [
            await self._copy(mailbox, address, envelope, header, content, origin, findings)
            for mailbox, address in inboxes.values()
        ]

        async def work(tx: Transaction) -> None:
            for copy in copies:
                await spool.insert(tx, copy.message, copy.stored)
                await arrivals.insert(tx, copy.arrival)

        await self.db.transact(work, intake=True, side_by_side=True)
        for hear in self._ears:
            hear()
        return [copy.message.id for copy in copies]

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
        findings: Findings,
    ) -> _Copy:
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
            body_hash=content.body_hash,
            is_8bit=content.is_8bit,
            is_test=await self.recipients.is_of_trial(address),
        )
        arrival = Arrival(
            message_id=id_,
            tenant_id=mailbox.tenant_id,
            mailbox_id=mailbox.id,
            recipient=address,
            client=origin.client,
            helo=origin.helo,
            authentication=findings.authentication,
            screening=findings.screening,
        )
        return _Copy(message, StoredContent(trace + content.header, data, file), arrival)


def _read_header(content: Content) -> Header:
    """The fields that lists show; a header that cannot be read has none, and is kept all the same."""
    try:
        return Header.parse(content.header)
    except MalformedHeader:
        return Header()
