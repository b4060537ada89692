"""Take on a batch: its places first, then its emails in lots, a transaction each.

The key of the request, the batch and its places are committed together before
anything is sent. Each lot fills its places in the transaction that takes its
emails. So whoever asks again with the key, after whatever broke off, goes on
with what is empty, and nothing is sent twice.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from msgspec.structs import replace

from api.call import Call
from api.mail.batch_shapes import NewBatch
from api.mail.bulk import Wishes
from api.mail.composing import Composed, compose_letter
from api.mail.outgoing import Outgoing
from api.mail.preparing import prepare
from api.mail.sending import draft_of, envelope_of, writer_of
from api.problems import Problem, invalid
from api.refusals import as_problem
from inbound.composed import file_new
from inbound.letters.letter import Letter
from inbound.letters.texts import Text
from relay.batches import records
from relay.batches.completing import complete
from relay.batches.records import REFUSED, Batch, Item, new_batch
from relay.errors import Refusal
from relay.queue.records import QueuedRecipient
from relay.queue.state import message_status
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.store.text import storable_json
from relay.submission import repeats
from relay.submission.draft import Accepted, Draft, Rehearsed
from relay.tenants import reach

# Their statements hold up everybody else for as long as they take: about 30 ms.
AT_ONCE = 100


async def take_batch(call: Call, body: NewBatch) -> tuple[Batch, bool]:
    """The batch, each email of which is taken or refused; and whether another request had begun it.

    Raises Problem (422, 413) for one that cannot be meant, IdempotencyMismatch;
    StoreUnavailable and Problem (503) break off.
    """
    wishes = Wishes.of(body)
    key = call.once.key.key if call.once.key else call.request_id
    async with call.house.turns.of(f"{call.tenant_id} {key}"):
        batch, is_old = await _begin(call, len(wishes))
        if batch.completed_at is None:
            empty = await records.empty_places(call.house.db, batch.id) if is_old else range(batch.total)
            parts = [empty[start : start + AT_ONCE] for start in range(0, len(empty), AT_ONCE)]
            await _take_in_turn([_Lot(call, batch, wishes, part) for part in parts])
    return batch, is_old


async def _take_in_turn(lots: "Sequence[_Lot]") -> None:
    """Each place has its result when this returns. A lot is composed while the one before it is written."""
    composed: asyncio.Task[list[Draft]] | None = None
    try:
        for lot, following in zip(lots, [*lots[1:], None], strict=True):
            drafts = await (composed or lot.compose())
            composed = asyncio.create_task(following.compose()) if following else None
            await lot.take(drafts)
    finally:
        if composed is not None:
            composed.cancel()
            await asyncio.gather(composed, return_exceptions=True)
        for lot in lots:
            lot.written_here.close()


async def rehearse_batch(call: Call, body: NewBatch) -> tuple[Batch, list[Item]]:
    """What would have become of each email; nothing is kept. Raises as `take_batch`.

    All are decided in one transaction, so that a cap counts what stands before.
    """
    wishes = Wishes.of(body)
    if len(wishes) > AT_ONCE:
        raise invalid("$.dry_run", f"goes with up to {AT_ONCE} emails; this batch has {len(wishes)}")
    await call.once.look()
    lot = _Lot(call, _new(call, len(wishes)), wishes, range(len(wishes)), rehearsed=[])

    async def work(tx: Transaction) -> None:
        await _holder(tx, call, lot.batch)  # a batch that has the key is another request
        raise Rehearsed("nothing is sent")

    with suppress(Rehearsed):
        await call.house.db.transact(work)
    with suppress(Rehearsed):
        await _take_in_turn([lot])
    assert lot.rehearsed is not None
    return lot.batch, sorted(lot.rehearsed, key=lambda item: item.position)


async def _begin(call: Call, total: int) -> tuple[Batch, bool]:
    """The batch with its places, under the request's key: a new one, or the one that has the key."""
    batch = _new(call, total)

    async def work(tx: Transaction) -> str | None:
        await call.once.begin(tx)  # a rehearsal may have been answered under the key
        if holder := await _holder(tx, call, batch):
            return holder
        await records.insert(tx, batch)
        return None

    holder = await call.house.db.transact(work, intake=True)
    call.once.is_kept = True  # its places are the answer
    known = await records.find(call.house.db, call.tenant_id, holder) if holder else None
    return (known, True) if known else (batch, False)


async def _holder(tx: Transaction, call: Call, batch: Batch) -> str | None:
    """The batch that has the request's key, None where it is this one; raises IdempotencyMismatch."""
    key = call.once.key
    if key is None:
        return None
    name = repeats.Key(f"batch:{key.key}", key.fingerprint, repeats.KEY_LIFETIME)
    return await repeats.claim(tx, call.house.clock, call.tenant_id, [name], batch.id)


def _new(call: Call, total: int) -> Batch:
    return new_batch(
        call.house.clock,
        call.tenant_id,
        call.caller.only_inbox,
        total,
        is_test=call.caller.mode == "test",
        reach=reach.to_json(call.caller.reach),
        has_key=call.once.key is not None,
    )


@dataclass(slots=True)
class _Written:
    """One email on its way in: an errand of its draft, which hears what was written of it."""

    place: int
    composed: Composed
    message: Message | None = None
    status: str = ""

    async def begin(self, tx: Transaction) -> None:
        """Its place is claimed with those of the lot."""

    async def finish(self, tx: Transaction, message: Message, recipients: Sequence[QueuedRecipient]) -> None:
        self.message = message
        self.status = message_status([each.state for each in recipients])

    @property
    def letter(self) -> tuple[Letter, Text]:
        """In the mailbox that sends it, which rotation may have chosen."""
        assert self.message is not None
        letter = self.composed.letter
        if self.message.mailbox_id and self.message.mailbox_id != letter.mailbox_id:
            letter = replace(letter, mailbox_id=self.message.mailbox_id)
        return letter, self.composed.text


@dataclass(slots=True)
class _Lot:
    """Some empty places of one batch; the errand of their acceptance.

    With a list `rehearsed` nothing is kept, and the list is given the results.
    `written_here` clears up what was composed, once it is taken or refused.
    """

    call: Call
    batch: Batch
    wishes: Wishes
    places: Sequence[int]
    unfit: dict[int, Problem] = field(default_factory=dict)
    written: list[_Written] = field(default_factory=list)
    claimed: set[int] = field(default_factory=set)
    rehearsed: list[Item] | None = None
    written_here: ExitStack = field(default_factory=ExitStack)

    async def take(self, drafts: Sequence[Draft]) -> None:
        """Each of the places has its result when this returns."""
        with self.written_here:
            await self.call.house.acceptor.accept_all(drafts, self)
        self.call.house.watch.nudge()

    async def begin(self, tx: Transaction) -> Collection[int]:
        is_real = self.rehearsed is None
        self.claimed = await records.claim(tx, self.batch.id, self.places) if is_real else set(self.places)
        return {number for number, each in enumerate(self.written) if each.place in self.claimed}

    async def finish(
        self, tx: Transaction, taken: Mapping[int, Accepted], refused: Mapping[int, Refusal]
    ) -> None:
        clock = self.call.house.clock
        going = [self.written[number] for number in taken]
        await file_new(tx, clock, [each.letter for each in going])
        results = [Item(each.place, each.status, each.composed.letter.message_id) for each in going]
        results += [self._refused(place, why) for place, why in self._problems(refused).items()]
        if self.rehearsed is not None:
            self.rehearsed[:] = [Item(item.position, item.status, problem=item.problem) for item in results]
            raise Rehearsed("nothing is sent")
        await records.fill(tx, self.batch.id, results)
        await complete(tx, clock, self.batch)

    async def compose(self) -> list[Draft]:
        """What can be offered; the rest is unfit. Raises what breaks off."""
        drafts = []
        # Side by side, because children fill them in and read them, several at a time.
        prepared = await asyncio.gather(*map(self._prepared, self.places), return_exceptions=True)
        for place, outgoing in zip(self.places, prepared, strict=True):
            try:
                if isinstance(outgoing, BaseException):
                    raise outgoing
                drafts.append(await self._draft(place, outgoing))
            except Exception as error:
                problem = as_problem(error, self.call.house.clock)
                if problem is None or problem.status >= 500:
                    raise
                self.unfit[place] = problem
        return drafts

    async def _prepared(self, place: int) -> Outgoing:
        return await prepare(self.call, self.wishes.at(place))

    async def _draft(self, place: int, outgoing: Outgoing) -> Draft:
        envelope, writer = envelope_of(self.call, outgoing), writer_of(self.call)
        self.written_here.callback(writer.discard)
        composed = await compose_letter(self.call, outgoing, writer)
        envelope.smtputf8 = composed.needs_utf8
        self.written.append(_Written(place, composed))
        errand = self.written[-1]
        return draft_of(self.call, outgoing, envelope, composed, errand, batch_id=self.batch.id)

    def _problems(self, refused: Mapping[int, Refusal]) -> dict[int, Problem]:
        problems = {place: why for place, why in self.unfit.items() if place in self.claimed}
        for number, refusal in refused.items():
            problem = as_problem(refusal, self.call.house.clock)
            assert problem is not None
            problems[self.written[number].place] = problem
        return problems

    def _refused(self, place: int, problem: Problem) -> Item:
        return Item(place, REFUSED, problem=storable_json(self.wishes.problem_at(place, problem)))
