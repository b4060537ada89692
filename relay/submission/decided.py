"""What is asked once for a whole lot of offers: who is suppressed among all recipients, and who pays."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from relay.address import Address
from relay.clock import Clock
from relay.sandbox import conduct
from relay.store.database import Transaction
from relay.submission.booking import Booking, Slot
from relay.submission.offer import Offer
from relay.submission.refusals import Suppressed
from relay.suppressions import records as suppressions


@dataclass(frozen=True, slots=True)
class Decided:
    """Of one offer: whom it does not go to, and the day and mailbox that pay for the others."""

    suppressed: Suppressed
    slot: Slot


async def decide(
    tx: Transaction, offers: Sequence[Offer], *, clock: Clock, booking: Booking
) -> list[Decided]:
    """For each of the offers, none of which may be a repeat. Raises a Refusal where not all can be taken."""
    suppressed = await suppressed_of(tx, clock, offers)
    counts = [len(_addresses(offer)) - len(those) for offer, those in zip(offers, suppressed, strict=True)]
    slots = await booking.book_all(tx, offers, counts)
    return [Decided(those, slot) for those, slot in zip(suppressed, slots, strict=True)]


async def suppressed_of(tx: Transaction, clock: Clock, offers: Iterable[Offer]) -> list[Suppressed]:
    """Who is not to be written to, of each offer; one question for all of a tenant's mail of one stream."""
    offers = list(offers)
    asked: dict[tuple[str, str | None], set[Address]] = defaultdict(set)
    for offer in offers:
        # A report of ours goes to our own sender, who asked for it by sending.
        if offer.draft.mailbox is not None:
            asked[_place(offer)].update(_addresses(offer))
    found = {
        (tenant_id, stream): await suppressions.suppressed_among(
            tx, tenant_id, addresses, stream=stream, now=clock.now()
        )
        for (tenant_id, stream), addresses in asked.items()
    }
    return [{} if offer.draft.mailbox is None else _of(offer, found[_place(offer)]) for offer in offers]


def _of(offer: Offer, known: Suppressed) -> Suppressed:
    addresses = _addresses(offer)
    found = {address: known[address] for address in addresses if address in known} if known else {}
    return {**found, **conduct.suppressed_among(addresses)} if offer.message.is_test else found


def _place(offer: Offer) -> tuple[str, str | None]:
    return offer.message.tenant_id, offer.message.stream


def _addresses(offer: Offer) -> list[Address]:
    return [recipient.address for recipient in offer.draft.envelope.recipients]
