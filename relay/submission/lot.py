"""Many messages in one transaction, each by the rules of one: what is refused of them harms no other.

First as if none could be refused, with one question for all of them where
one will do; where one is refused, once more with each as a part of its own.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from msgspec import structs

from relay.errors import Refusal
from relay.queue.handover import Handover, Hold
from relay.spool.records import StoredContent
from relay.store.bodies import BodyShelf
from relay.store.database import Database, Transaction
from relay.submission.decided import Decided
from relay.submission.draft import Accepted, LotErrand, Rehearsed
from relay.submission.offer import Offer

Decide = Callable[[Transaction, Sequence[Offer]], Awaitable[Sequence[Decided]]]


class Record(Protocol):
    def __call__(
        self, offer: Offer, hold: Hold, tx: Transaction, decided: Decided | None = None
    ) -> Awaitable[Accepted]: ...


@dataclass(frozen=True, slots=True)
class Lot:
    """What is offered together, by place, and what was refused of it before.

    `decide` asks for all of them what `record` asks for one when it is not told, and writes it.
    """

    offers: Mapping[int, Offer]
    refused: Mapping[int, Refusal]
    errand: LotErrand
    decide: Decide
    record: Record

    async def take(self, db: Database, shelf: BodyShelf, handover: Handover) -> "Taken":
        """Body files first, then the transaction; as for one. Raises StoreUnavailable: nothing is kept."""
        offers = {place: await _with_body(shelf, offer) for place, offer in self.offers.items()}
        lot = replace(self, offers=offers)
        with ExitStack() as stack:
            holds = {place: stack.enter_context(handover.hold()) for place in offers}
            try:
                taken = await lot._commit(db, holds)
            except Rehearsed:
                for offer in offers.values():
                    await _drop(shelf, offer)
                raise
            left = [holds[place].begin() for place in taken.messages]
        for place, offer in offers.items():
            if not taken.is_new(place):
                await _drop(shelf, offer)
        return replace(taken, some_are_left=any(left))

    async def _commit(self, db: Database, holds: Mapping[int, Hold]) -> "Taken":
        for carefully in (False, True):
            try:
                return await db.transact(
                    partial(self._write, holds, carefully), intake=True, side_by_side=True
                )
            except _OneIsRefused:
                continue
        raise AssertionError("unreachable")

    async def _write(self, holds: Mapping[int, Hold], carefully: bool, tx: Transaction) -> "Taken":
        wanted = await self.errand.begin(tx)
        taken, refused = Taken(), {place: why for place, why in self.refused.items() if place in wanted}
        offers = {place: offer for place, offer in self.offers.items() if place in wanted}
        if carefully:
            for place, offer in offers.items():
                try:
                    taken.messages[place] = await tx.attempt(partial(self.record, offer, holds[place]))
                except Refusal as refusal:
                    refused[place] = refusal
        else:
            taken.messages.update(await self._write_all(offers, holds, tx))
        await self.errand.finish(tx, taken.messages, refused)
        return taken

    async def _write_all(
        self, offers: Mapping[int, Offer], holds: Mapping[int, Hold], tx: Transaction
    ) -> dict[int, Accepted]:
        """As if none could be refused; raises _OneIsRefused."""
        # What may be a repeat is decided when that is known.
        new = [place for place, offer in offers.items() if not offer.keys]
        try:
            decided = dict(zip(new, await self.decide(tx, [offers[place] for place in new]), strict=True))
            return {
                place: await self.record(offer, holds[place], tx, decided.get(place))
                for place, offer in offers.items()
            }
        except Refusal as refusal:
            raise _OneIsRefused from refusal


@dataclass(frozen=True, slots=True)
class Taken:
    """Those that are on disk now; `some_are_left` to be claimed by whoever delivers."""

    messages: dict[int, Accepted] = field(default_factory=dict)
    some_are_left: bool = False

    def is_new(self, place: int) -> bool:
        """Whether this was written now; it may have been refused, left alone, or taken before."""
        return place in self.messages and not self.messages[place].repeated


class _OneIsRefused(Exception):
    """Nothing of the transaction is kept; it is to be run again, carefully."""


async def _with_body(shelf: BodyShelf, offer: Offer) -> Offer:
    data, file = await shelf.keep(offer.draft.content.body, offer.message.id)
    return structs.replace(offer, content=StoredContent(offer.content.header, data, file))


async def _drop(shelf: BodyShelf, offer: Offer) -> None:
    if offer.content.body_file is not None:
        await shelf.drop(offer.content.body_file)


def those_of(examined: Sequence[Offer | Refusal]) -> tuple[dict[int, Offer], dict[int, Refusal]]:
    """What may be taken and what is refused already, by place."""
    offers = {place: each for place, each in enumerate(examined) if isinstance(each, Offer)}
    refused = {place: each for place, each in enumerate(examined) if isinstance(each, Refusal)}
    return offers, refused
