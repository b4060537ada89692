"""The queue, as an operator turns it: list, show, retry, hold, release, cancel.

Every change goes through the transition table with its event, and each command
is one change in the audit log. What is in an attempt is left alone, because
the far server may have it already.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from relay.address import InvalidAddress, parse_domain
from relay.approvals import decide
from relay.clock import from_us, to_us
from relay.control.context import Context
from relay.control.operations import mailboxes
from relay.control.registry import Arguments, operation
from relay.control.shapes import message_dict, recipient_dict
from relay.control.tally import Tally
from relay.errors import InvalidInput, NotFound
from relay.queue import listing, moves, rests
from relay.queue import records as queue
from relay.queue.moves import Selection
from relay.queue.records import QueuedRecipient
from relay.queue.state import Happening, State
from relay.spool import records as spool
from relay.spool.records import Message
from relay.store.database import Transaction, Work
from relay.submission.held import let_go
from relay.submission.scheduled import take_back

BATCH = 500
SHOWN = 100

Turn: TypeAlias = Callable[[Context, Transaction, Sequence[QueuedRecipient]], Awaitable[None]]


class ListQueue(Arguments, frozen=True):
    destination: str | None = None
    mailbox: str | None = None
    state: State | None = None
    limit: int = SHOWN


class NamedMessage(Arguments, frozen=True):
    message: str


class Chosen(Arguments, frozen=True):
    """Which recipients are meant; at least one of the three."""

    message: str | None = None
    destination: str | None = None
    mailbox: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What an operation does: from which states, and how; `action` is its name in the audit log."""

    action: str
    states: frozenset[State]
    turn: Turn


@operation("queue.list", ListQueue)
async def list_queue(context: Context, wanted: ListQueue) -> dict[str, Any]:
    """Waiting recipients, soonest due first: `recipients`, and of how many in `total`."""
    selection = await _selection(context, wanted.destination, wanted.mailbox)
    states = listing.WAITING if wanted.state is None else (wanted.state,)
    found = await listing.soonest(context.db, selection, states, max(1, min(wanted.limit, 10_000)))
    messages = await spool.find_many(context.db, sorted({each.message_id for each in found}))
    return {
        "total": await listing.count(context.db, selection, states),
        "recipients": [_row(each, messages.get(each.message_id)) for each in found],
    }


@operation("queue.show", NamedMessage)
async def show(context: Context, wanted: NamedMessage) -> dict[str, Any]:
    """One message with its recipients. Raises NotFound."""
    message = await get_message(context, wanted.message)
    return message_dict(message, await queue.of_message(context.db, message.id))


@operation("queue.retry", Chosen)
async def retry(context: Context, wanted: Chosen) -> dict[str, Any]:
    """What waits for its next try is due now."""
    return await _change(context, wanted, RETRY)


@operation("queue.hold", Chosen)
async def hold(context: Context, wanted: Chosen) -> dict[str, Any]:
    """What waits is held until somebody releases or cancels it."""
    return await _change(context, wanted, HOLD)


@operation("queue.release", Chosen)
async def release(context: Context, wanted: Chosen) -> dict[str, Any]:
    """What is held may travel, with a whole lifetime before it; what was scheduled waits for its time."""
    return await _change(context, wanted, RELEASE)


@operation("queue.cancel", Chosen)
async def cancel(context: Context, wanted: Chosen) -> dict[str, Any]:
    """What waits is taken back, and its allowance returned."""
    return await _change(context, wanted, CANCEL)


async def get_message(context: Context, message_id: str) -> Message:
    message = await spool.find(context.db, message_id)
    if message is None:
        raise NotFound(f"no message {message_id}")
    return message


async def _change(context: Context, wanted: Chosen, change: Change) -> dict[str, Any]:
    """In parts, each a transaction, so that nobody's mail waits behind a long one.

    `changed` counts, `recipients` lists the first of them as they are now,
    `in_attempt` those that were left alone, `unchanged` the others of a message.
    """
    if wanted.message is None and wanted.destination is None and wanted.mailbox is None:
        raise InvalidInput("name a message, a destination or a mailbox")
    if wanted.message is not None:
        await get_message(context, wanted.message)
    selection = await _selection(context, wanted.destination, wanted.mailbox, wanted.message)
    leased = await listing.soonest(context.db, selection, (State.LEASED,), SHOWN)
    tally = _tally(context, wanted, change)
    changed: list[int] = []
    ids, after_id = [0], 0
    while ids:
        work = _part(context, selection, change, tally, after_id)
        ids, part = await context.db.transact(work, lengthy=True)
        tally.keep(part)
        after_id = ids[-1] if ids else after_id
        changed += ids[: SHOWN - len(changed)]
    context.wake()
    return {
        "changed": tally.total,
        "recipients": [_row(each) for each in await queue.by_ids(context.db, changed)],
        "in_attempt": [_row(each) for each in leased],
        "unchanged": await _unchanged(context, wanted, {*changed, *(each.id for each in leased)}),
    }


def _tally(context: Context, wanted: Chosen, change: Change) -> Tally:
    named = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    chosen = {name: value for name, value in named.items() if value is not None}
    return Tally(context.clock, change.action, next(iter(chosen.values())), chosen)


def _part(
    context: Context, selection: Selection, change: Change, tally: Tally, after_id: int
) -> Work[tuple[list[int], Counter[str]]]:
    async def work(tx: Transaction) -> tuple[list[int], Counter[str]]:
        found = await listing.batch(tx, selection, sorted(change.states), after_id, BATCH)
        await change.turn(context, tx, found)
        return [recipient.id for recipient in found], await tally.note(tx, found)

    return work


async def _unchanged(context: Context, wanted: Chosen, seen: set[int]) -> list[dict[str, Any]]:
    if wanted.message is None:
        return []
    rows = await queue.of_message(context.db, wanted.message)
    return [_row(each) for each in rows if each.id not in seen][:SHOWN]


async def _retry(context: Context, tx: Transaction, found: Sequence[QueuedRecipient]) -> None:
    now = to_us(context.clock.now())
    await rests.end(tx, {recipient.destination for recipient in found})
    for recipient in found:
        await moves.move(tx, context.clock, recipient, Happening.HURRIED, due_at=now, data=_BY)


async def _hold(context: Context, tx: Transaction, found: Sequence[QueuedRecipient]) -> None:
    for recipient in found:
        data = {**_BY, "reason": "operator"}
        await moves.move(tx, context.clock, recipient, Happening.HELD_BACK, reason="operator", data=data)


async def _release(context: Context, tx: Transaction, found: Sequence[QueuedRecipient]) -> None:
    await let_go(tx, context.clock, context.station.config, found, _BY)
    await decide.turned(tx, context.station, found, "approved")


async def _cancel(context: Context, tx: Transaction, found: Sequence[QueuedRecipient]) -> None:
    await take_back(tx, context.clock, found, _BY)
    await decide.turned(tx, context.station, found, "rejected")


_BY = {"by": "operator"}
_WAITS = frozenset({State.QUEUED, State.DEFERRED})
RETRY = Change("queue.retried", _WAITS, _retry)
HOLD = Change("queue.held", _WAITS | {State.SCHEDULED}, _hold)
RELEASE = Change("queue.released", frozenset({State.HELD}), _release)
CANCEL = Change("queue.canceled", _WAITS | {State.SCHEDULED, State.HELD}, _cancel)


async def _selection(
    context: Context, destination: str | None, mailbox: str | None, message: str | None = None
) -> Selection:
    """Names as people write them, as the table holds them."""
    mailbox_id = (await mailboxes.get(context, mailbox)).id if mailbox else None
    return Selection(message_id=message, destination=_domain(destination), mailbox_id=mailbox_id)


def _domain(text: str | None) -> str | None:
    try:
        return None if text is None else parse_domain(text.strip().rstrip("."))
    except InvalidAddress as error:
        raise InvalidInput(f"{text!r} is no destination: {error}") from error


def _row(recipient: QueuedRecipient, message: Message | None = None) -> dict[str, Any]:
    """A recipient with what it belongs to."""
    about: dict[str, Any] = {
        "message_id": recipient.message_id,
        "inbox_id": recipient.mailbox_id,
        "destination": recipient.destination,
    }
    if message is not None:
        created_at = from_us(message.created_at)
        about |= {"from": message.header_from, "subject": message.subject, "created_at": created_at}
    return {**about, **recipient_dict(recipient)}
