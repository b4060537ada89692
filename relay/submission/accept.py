"""The only way in for mail that is to be sent: SMTP, API, replies, and our own reports.

What is true of mail is made true here, or at release for mail that waits.
When `accept` returns, the message, its recipients, their allowance and the
event are on disk together; when it raises, nothing is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from msgspec import structs

from relay.clock import Clock, span_us
from relay.config import Config
from relay.errors import Refusal
from relay.lists import Gate
from relay.message.headers import Header, MalformedHeader
from relay.message.trace import check_hops
from relay.policy.senders import check_sender
from relay.queue import records as queue
from relay.queue.handover import Handover, Hold
from relay.queue.records import QueuedRecipient
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.bodies import BodyShelf
from relay.store.database import Database, Transaction
from relay.submission import entry, repeats
from relay.submission.booking import Booking, Slot
from relay.submission.control_fields import read_wishes
from relay.submission.decided import Decided, decide, suppressed_of
from relay.submission.draft import Accepted, Draft, LotErrand, Rehearsed, Replayed
from relay.submission.guarding import Guarding
from relay.submission.locality import local_recipients, signs_replies
from relay.submission.lot import Lot, those_of
from relay.submission.offer import Offer, make_offer
from relay.submission.refusals import Suppressed, UnreadableMessage, check_active, nobody_left
from relay.telemetry.metrics import Metrics
from relay.tenants.directory import Directory


def _as_booked(message: Message, slot: Slot) -> Message:
    payer = slot.mailbox.id if slot.mailbox else None
    if slot.release_at is None and payer == message.mailbox_id and not slot.is_held:
        return message
    released_at = None if slot.release_at or slot.is_held else message.created_at
    return structs.replace(message, mailbox_id=payer, released_at=released_at)


@dataclass(slots=True)
class Acceptor:
    """Holds what `accept` needs. What the `handover` has no room for is left for whoever `wake` calls.

    `reply_secret` is what the reply addresses of our mail are signed with.
    """

    db: Database
    clock: Clock
    config: Config
    directory: Directory
    lists: Gate
    booking: Booking
    guarding: Guarding
    shelf: BodyShelf
    metrics: Metrics
    reply_secret: bytes
    handover: Handover
    wake: Callable[[], None]

    async def accept(self, draft: Draft) -> Accepted:
        """Take on one message; see the module's promise.

        Raises a Refusal (sender, recipient, cap, header, loop, idempotency) that
        says why not, what the draft's errand raises, or StoreUnavailable. A
        repeated submission returns the first one's id and changes nothing.
        """
        began = self.clock.monotonic()
        accepted = await self._commit(await self._examine(draft))
        if not accepted.repeated and not draft.is_test:
            self.metrics.accepted(len(draft.envelope.recipients), door=draft.origin.source)
            self.metrics.acceptance_took(self.clock.monotonic() - began)
        return accepted

    async def accept_all(self, drafts: Sequence[Draft], errand: LotErrand) -> None:
        """Take on many messages in one transaction, each by the same rules.

        What is refused of them is told to `errand`, and keeps none of the
        others out. Raises StoreUnavailable, and what the errand raises: then
        nothing is taken. What a draft's own errand may not do is write.
        """
        began = self.clock.monotonic()
        offers, refused = those_of([await self._examined(draft) for draft in drafts])
        lot = Lot(
            offers, refused, errand, partial(decide, clock=self.clock, booking=self.booking), self._record
        )
        taken = await lot.take(self.db, self.shelf, self.handover)
        if taken.some_are_left:
            self.wake()
        for place, draft in enumerate(drafts):
            if taken.is_new(place):
                self.metrics.accepted(len(draft.envelope.recipients), door=draft.origin.source)
                self.metrics.acceptance_took((self.clock.monotonic() - began) / len(drafts))

    async def _examined(self, draft: Draft) -> Offer | Refusal:
        try:
            return await self._examine(draft)
        except Refusal as refusal:
            return refusal

    async def _examine(self, draft: Draft) -> Offer:
        """Everything that can be said without a transaction."""
        self.db.check_intake()
        header = self._read_header(draft)
        await self._check_recipients(draft)
        await self.guarding.examine(draft, header)
        return make_offer(
            draft,
            header,
            draft.wishes or read_wishes(header, self.clock.now()),
            signing_domain=await self._check_sender(draft, header),
            local=await local_recipients(self.directory, draft),
            hostname=self.config.server.hostname,
            clock=self.clock,
            reply_secret=self.reply_secret if await signs_replies(self.directory, draft) else None,
        )

    def _read_header(self, draft: Draft) -> Header:
        try:
            header = Header.parse(draft.content.header)
        except MalformedHeader as error:
            raise UnreadableMessage(str(error)) from error
        if header.unparsed:
            raise UnreadableMessage(f"the header has {len(header.unparsed)} lines that are no field")
        check_hops(header, self.config.limits.received_hops)
        return header

    async def _check_sender(self, draft: Draft, header: Header) -> str | None:
        """The domain that signs for it; mail of ours has no owner, and a signature where it names one."""
        if draft.mailbox is None:
            return draft.signing_domain
        check_active(draft.mailbox)
        return await check_sender(self.directory, draft.mailbox, draft.envelope, header)

    async def _check_recipients(self, draft: Draft) -> None:
        """Raise RecipientNotAllowed for whom the lists keep out; a report of ours is exempt."""
        if draft.mailbox is not None:
            addresses = [recipient.address for recipient in draft.envelope.recipients]
            await self.lists.check(draft.mailbox, addresses)

    async def _commit(self, offer: Offer) -> Accepted:
        """Body file first, then the transaction: no row ever refers to bytes that are not on disk."""
        data, file = await self.shelf.keep(offer.draft.content.body, offer.message.id)
        offer = structs.replace(offer, content=StoredContent(offer.content.header, data, file))
        # Keys and allowances are taken by statements that say what must be true; an errand may need more.
        alone = offer.draft.errand is not None
        # Whoever draws on one allowance waits for its row.
        company = None if alone or offer.message.mailbox_id is None else f"accept {offer.message.mailbox_id}"
        with self.handover.hold() as hold:
            try:
                accepted = await self.db.transact(
                    partial(self._record, offer, hold), intake=True, side_by_side=not alone, together=company
                )
            except (Refusal, Replayed, Rehearsed):
                await self._drop(file)
                raise
            if hold.begin():
                self.wake()
        if accepted.repeated:
            await self._drop(file)
        return accepted

    async def _drop(self, file: str | None) -> None:
        """Only where it is certain that no row names it; else the orphans' sweep finds it."""
        if file is not None:
            await self.shelf.drop(file)

    async def _record(
        self, offer: Offer, hold: Hold, tx: Transaction, decided: Decided | None = None
    ) -> Accepted:
        """Repeat or new; suppressed or going; guards; the day and mailbox that pay; then rows and events."""
        errand = offer.draft.errand
        if errand is not None:
            await errand.begin(tx)
        if holder := await self._holder(tx, offer):
            return Accepted(holder, repeated=True)
        suppressed = decided.suppressed if decided else (await suppressed_of(tx, self.clock, [offer]))[0]
        wanted = [recipient.address for recipient in offer.draft.envelope.recipients]
        going = [address for address in wanted if address not in suppressed]
        if not going and offer.draft.refuses_suppressed:
            raise nobody_left(suppressed)
        verdict = await self.guarding.enter(tx, offer.draft, going)
        slot = decided.slot if decided else await self.booking.book(tx, offer, len(going))
        slot = replace(slot, is_held=True) if verdict.approval != "never" else slot
        message = _as_booked(offer.message, slot)
        recipients = hold.lease(message, offer.content, self._recipients(offer, message, slot, suppressed))
        await spool.insert(tx, message, offer.content)
        await queue.enqueue(tx, recipients)
        approval_id = await self.guarding.ask(tx, message, verdict) if slot.is_held else None
        await entry.tell(tx, self.clock, offer, message, slot, recipients, verdict, approval_id)
        if errand is not None:
            await errand.finish(tx, message, recipients)
        return Accepted(message.id, scheduled_for=slot.release_at, held=slot.is_held)

    async def _holder(self, tx: Transaction, offer: Offer) -> str | None:
        if not offer.keys:
            return None
        return await repeats.claim(tx, self.clock, offer.message.tenant_id, offer.keys, offer.message.id)

    def _recipients(
        self, offer: Offer, message: Message, slot: Slot, suppressed: Suppressed
    ) -> list[QueuedRecipient]:
        lifetime = span_us(self.config.delivery.expire_after)
        return [
            entry.recipient_row(
                self.clock, offer, message, slot, position, wanted, suppressed.get(wanted.address), lifetime
            )
            for position, wanted in enumerate(offer.draft.envelope.recipients)
        ]
