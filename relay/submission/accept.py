"""The only way in for mail that is to be sent: SMTP, API, replies, and our own reports.

What is true of mail is made true here, or at release for mail that waits.
When `accept` returns, the message, its recipients, their allowance and the
event are on disk together; when it raises, nothing is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from relay.address import Address
from relay.clock import Clock, span_us, to_us
from relay.config import Config
from relay.errors import Refusal, StoreUnavailable
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id, new_number
from relay.message.envelope import EnvelopeRecipient
from relay.message.headers import Header, MalformedHeader, decode_words, new_message_id
from relay.message.trace import received_field
from relay.policy.senders import check_sender
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from relay.replies import SmtpReply
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.bodies import BodyShelf
from relay.store.database import Database, Transaction
from relay.submission import repeats
from relay.submission.booking import Booking, Slot
from relay.submission.control_fields import Wishes, read_wishes, without_control_fields
from relay.submission.draft import Accepted, Draft
from relay.suppressions import records as suppressions
from relay.suppressions.reasons import SuppressionReason
from relay.tenants.directory import Directory

SUBJECT_KEPT = 500


class UnreadableMessage(Refusal):
    """The header cannot be read, so nobody can say whose mail it is."""

    reply = SmtpReply(554, "5.6.0", "The message header cannot be read")


class TooManyHops(Refusal):
    """It has been through so many servers that it must be going round (RFC 5321 §6.3)."""

    reply = SmtpReply(554, "5.4.6", "Too many hops, this message is in a loop")


class MailboxPaused(Refusal):
    """Its owner or an operator has paused the mailbox."""

    reply = SmtpReply(451, "4.7.1", "This mailbox is paused")


@dataclass(frozen=True, slots=True)
class Offer:
    """A draft that passed every rule that needs no transaction."""

    draft: Draft
    wishes: Wishes
    message: Message
    content: StoredContent
    local_domains: frozenset[str]
    keys: tuple[repeats.Key, ...]


@dataclass(slots=True)
class Acceptor:
    """Holds what `accept` needs; `wake` is told that there is mail to claim."""

    db: Database
    clock: Clock
    config: Config
    directory: Directory
    booking: Booking
    shelf: BodyShelf
    wake: Callable[[], None]

    async def accept(self, draft: Draft) -> Accepted:
        """Take on one message; see the module's promise.

        Raises a Refusal (sender, cap, header, loop, idempotency) that says
        why not, or StoreUnavailable. A repeated submission returns the first
        one's id and changes nothing.
        """
        if not self.db.accepting:
            raise StoreUnavailable(self.db.trouble or "the store is not accepting")
        now = self.clock.now()
        header = self._read_header(draft)
        signing_domain = await self._check_sender(draft, header)
        wishes = read_wishes(header, now)
        offer = await self._make_offer(draft, header, wishes, signing_domain, now)
        accepted = await self._commit(offer)
        self.wake()
        return accepted

    def _read_header(self, draft: Draft) -> Header:
        try:
            header = Header.parse(draft.content.header)
        except MalformedHeader as error:
            raise UnreadableMessage(str(error)) from error
        if len(header.all("received")) > self.config.limits.hops:
            raise TooManyHops(f"{len(header.all('received'))} Received fields")
        return header

    async def _check_sender(self, draft: Draft, header: Header) -> str | None:
        """The domain that signs for it; a report of ours has no owner and no signature."""
        if draft.mailbox is None:
            return None
        if draft.mailbox.status != "active":
            raise MailboxPaused(f"{draft.mailbox.address} is {draft.mailbox.status}")
        return await check_sender(self.directory, draft.mailbox, draft.envelope, header)

    async def _make_offer(
        self, draft: Draft, header: Header, wishes: Wishes, signing_domain: str | None, now: datetime
    ) -> Offer:
        own_id = header.first("message-id")
        id_ = new_id("msg", self.clock)
        message_id = own_id or new_message_id(signing_domain or self.config.server.hostname)
        recipients = draft.envelope.recipients
        only = recipients[0].address if len(recipients) == 1 else None
        trace = received_field(draft.origin, self.config.server.hostname, id_, now, only)
        added = trace if own_id else trace + f"Message-ID: {message_id}\r\n".encode()
        kept = without_control_fields(header).prepended(added)
        message = self._facts(id_, draft, header, wishes, signing_domain, message_id, now)
        return Offer(
            draft=draft,
            wishes=wishes,
            message=replace(message, size=len(bytes(kept)) + 2 + draft.content.body.size),
            content=StoredContent(bytes(kept), None, None),
            local_domains=await self._local_domains(draft),
            keys=self._keys(draft, wishes, own_id),
        )

    def _facts(
        self,
        id_: str,
        draft: Draft,
        header: Header,
        wishes: Wishes,
        signing_domain: str | None,
        message_id: str,
        now: datetime,
    ) -> Message:
        envelope, content = draft.envelope, draft.content
        return Message(
            id=id_,
            tenant_id=draft.tenant_id,
            mailbox_id=draft.mailbox.id if draft.mailbox else None,
            direction="out",
            source=draft.origin.source,
            reverse_path=envelope.reverse_path,
            header_from=header.first("from") or "",
            subject=decode_words(header.first("subject") or "")[:SUBJECT_KEPT],
            message_id=message_id,
            size=content.size,
            body_size=content.body.size,
            created_at=to_us(now),
            credential=draft.origin.login,
            signing_domain=signing_domain,
            body_hash=content.body_hash,
            is_8bit=content.is_8bit,
            needs_utf8=content.has_8bit_header or _path_needs_utf8(draft),
            lacks_date=header.first("date") is None,
            ret=envelope.ret,
            envid=envelope.envid,
            tags=wishes.tags,
            metadata=wishes.metadata,
            pool=wishes.pool,
            send_at=to_us(wishes.send_at) if wishes.send_at else None,
        )

    async def _local_domains(self, draft: Draft) -> frozenset[str]:
        names = {recipient.address.domain for recipient in draft.envelope.recipients}
        found = [await self.directory.domain(name) for name in names]
        return frozenset(domain.name for domain in found if domain and domain.receives_at is not None)

    def _keys(self, draft: Draft, wishes: Wishes, own_id: str | None) -> tuple[repeats.Key, ...]:
        keys = [repeats.guard(key) for key in draft.guards]
        if wishes.idempotency_key:
            keys.append(repeats.chosen_key(wishes.idempotency_key, draft.envelope, draft.content))
        if draft.mailbox is not None:
            credential = draft.origin.login or draft.mailbox.id
            again = repeats.key_of_resubmission(credential, draft.envelope, own_id, draft.content)
            keys += [again] if again else []
        return tuple(keys)

    async def _commit(self, offer: Offer) -> Accepted:
        """Body file first, then the transaction: a row never refers to bytes that are not on disk."""
        data, file = await self.shelf.keep(offer.draft.content.body, offer.message.id)
        offer = replace(offer, content=replace(offer.content, body=data, body_file=file))
        accepted = None
        try:
            accepted = await self.db.transact(partial(self._record, offer), intake=True)
            return accepted
        finally:
            if file is not None and (accepted is None or accepted.repeated):
                await self.shelf.drop(file)

    async def _record(self, offer: Offer, tx: Transaction) -> Accepted:
        message = offer.message
        if offer.keys:
            holder = await repeats.claim(tx, self.clock, message.tenant_id, offer.keys, message.id)
            if holder is not None:
                return Accepted(holder, repeated=True)
        suppressed = await self._suppressed(tx, offer)
        going = len(offer.draft.envelope.recipients) - len(suppressed)
        slot = await self.booking.book(tx, offer.draft, offer.wishes, going)
        mailbox = slot.mailbox or offer.draft.mailbox
        message = replace(
            message,
            mailbox_id=mailbox.id if mailbox else None,
            released_at=None if slot.release_at else message.created_at,
        )
        recipients = self._recipients(offer, message, slot, suppressed)
        await spool.insert(tx, message, offer.content)
        await queue.enqueue(tx, recipients)
        await self._tell(tx, offer, message, slot, recipients)
        return Accepted(message.id, scheduled_for=slot.release_at)

    async def _suppressed(self, tx: Transaction, offer: Offer) -> dict[Address, SuppressionReason]:
        # A report of ours goes to our own sender, who asked for it by sending.
        if offer.draft.mailbox is None:
            return {}
        addresses = [recipient.address for recipient in offer.draft.envelope.recipients]
        return await suppressions.suppressed_among(
            tx, offer.message.tenant_id, addresses, stream=None, now=self.clock.now()
        )

    def _recipients(
        self, offer: Offer, message: Message, slot: Slot, suppressed: dict[Address, SuppressionReason]
    ) -> list[QueuedRecipient]:
        return [
            self._recipient(offer, message, slot, position, wanted, suppressed.get(wanted.address))
            for position, wanted in enumerate(offer.draft.envelope.recipients)
        ]

    def _recipient(
        self,
        offer: Offer,
        message: Message,
        slot: Slot,
        position: int,
        wanted: EnvelopeRecipient,
        suppressed: SuppressionReason | None,
    ) -> QueuedRecipient:
        release_at = to_us(slot.release_at) if slot.release_at else message.created_at
        waits = State.SCHEDULED if slot.release_at else State.QUEUED
        return QueuedRecipient(
            id=new_number(self.clock),
            tenant_id=message.tenant_id,
            message_id=message.id,
            mailbox_id=message.mailbox_id,
            position=position,
            address=wanted.address,
            destination=wanted.address.domain,
            is_local=wanted.address.domain in offer.local_domains,
            state=State.SUPPRESSED if suppressed else waits,
            reason=suppressed.value if suppressed else None,
            release_day=None if suppressed else slot.day,
            due_at=None if suppressed else release_at,
            notify=wanted.notify,
            orcpt=wanted.orcpt,
            expires_at=release_at + span_us(self.config.delivery.expire_after),
            settled_at=message.created_at if suppressed else None,
        )

    async def _tell(
        self,
        tx: Transaction,
        offer: Offer,
        message: Message,
        slot: Slot,
        recipients: list[QueuedRecipient],
    ) -> None:
        about = {"tenant_id": message.tenant_id, "mailbox_id": message.mailbox_id, "message_id": message.id}
        origin, content = offer.draft.origin, offer.draft.content
        await log.append(
            tx,
            self.clock,
            EventKind.MESSAGE_ACCEPTED,
            data={
                "source": origin.source,
                "login": origin.login,
                "client": origin.client,
                "helo": origin.helo,
                "protocol": origin.protocol,
                "tls": origin.tls,
                "session": origin.session_id,
                "reverse_path": str(message.reverse_path),
                "recipients": len(recipients),
                "size": message.size,
                "tags": message.tags,
                "metadata": message.metadata,
                "line_ends_fixed": content.line_ends_fixed,
                "allowance_day": slot.day,
                "budget": slot.why,
            },
            **about,
        )
        if slot.release_at is not None:
            await log.append(
                tx,
                self.clock,
                EventKind.MESSAGE_SCHEDULED,
                data={"release_at": to_us(slot.release_at), "why": slot.why},
                **about,
            )
        for recipient in recipients:
            if recipient.state is State.SUPPRESSED:
                await log.append(
                    tx,
                    self.clock,
                    EventKind.MESSAGE_SUPPRESSED,
                    recipient_id=recipient.id,
                    data={"recipient": str(recipient.address), "reason": recipient.reason},
                    **about,
                )


def _path_needs_utf8(draft: Draft) -> bool:
    reverse_path = draft.envelope.reverse_path
    return isinstance(reverse_path, Address) and reverse_path.needs_utf8
