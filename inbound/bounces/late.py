"""Write down what a notice means for the mail that it is about: `delivered` becomes `bounced`.

Only ever for a message that was found through our signed bounce address, so
that nobody can bounce mail of which he has not had a copy.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from inbound.bounces.notices import ReportedFailure
from inbound.reported import Recorded, Roster
from relay.address import Address
from relay.clock import Clock
from relay.queue import moves
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.queue.state import Happening, State
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.suppressions import records as suppressions
from relay.suppressions.reasons import SuppressionReason, calls_for_suppression


async def record_bounce(
    tx: Transaction, clock: Clock, message: Message, failures: Iterable[ReportedFailure]
) -> Recorded:
    """Turn the named recipients of `message` from `delivered` to `bounced`, each with its event.

    Delays change nothing, nor do strangers' addresses, nor a report that comes
    again. An address is suppressed only for "no such mailbox". A recipient in
    an attempt is named in `unsettled`: the far server may be quicker with its
    report than we with writing down its 250.
    """
    rows = await _rows(tx, message)
    roster = Roster(rows)
    recorded: list[str] = []
    suppressed: list[str] = []
    unsettled: list[str] = []
    unmatched: list[str] = []
    for failure in failures:
        if not failure.permanent:
            continue
        named = _named(roster, failure) if failure.address else _only(rows)
        if not named and failure.address:
            unmatched.append(failure.address)
        for row in named:
            if row.state is State.LEASED:
                unsettled.append(str(row.address))
            elif row.state is State.DELIVERED and await _bounce(tx, clock, row, failure):
                recorded.append(str(row.address))
                if await _suppress(tx, clock, row, failure):
                    suppressed.append(str(row.address))
    return Recorded(*map(_once, (recorded, suppressed, unsettled, unmatched)))


async def _rows(tx: Transaction, message: Message) -> list[QueuedRecipient]:
    """Its recipients elsewhere: what we put into a mailbox of ours nobody can have failed to deliver."""
    if message.direction != "out":
        return []
    return [row for row in await queue.of_message(tx, message.id) if not row.is_local]


def _named(roster: Roster, failure: ReportedFailure) -> list[QueuedRecipient]:
    """Whom the failure means: the original recipient before the final one, to whom it was forwarded."""
    return roster.named(failure.original) or roster.named(failure.final)


def _only(rows: Sequence[QueuedRecipient]) -> Sequence[QueuedRecipient]:
    """A notice that names nobody means the only recipient there is."""
    return rows if len(rows) == 1 else ()


async def _bounce(tx: Transaction, clock: Clock, row: QueuedRecipient, failure: ReportedFailure) -> bool:
    return await moves.move(
        tx,
        clock,
        row,
        Happening.BOUNCED_LATE,
        reason=failure.reason.value,
        reply=str(failure.reply),
        data=_event_data(failure),
    )


def _event_data(failure: ReportedFailure) -> dict[str, Any]:
    return {
        "source": failure.source,
        "status": failure.status or None,
        "diagnostic": failure.diagnostic or None,
        "reason": failure.reason.value,
        "reply": str(failure.reply),
        "mx": failure.remote_mta or None,
    }


async def _suppress(tx: Transaction, clock: Clock, row: QueuedRecipient, failure: ReportedFailure) -> bool:
    if (
        row.is_trial
        or not calls_for_suppression(failure.reason, is_local=row.is_local)
        or _is_elsewhere(row, failure.final)
    ):
        return False
    return await suppressions.add(
        tx,
        clock,
        tenant_id=row.tenant_id,
        address=row.address,
        reason=SuppressionReason.BOUNCE,
        source_message_id=row.message_id,
    )


def _is_elsewhere(row: QueuedRecipient, final: Sequence[Address]) -> bool:
    """Whether the mailbox that is missing is another one, to which the recipient's mail is forwarded."""
    if not final or Roster([row]).named(final):
        return False
    return not any(_share_house(row.address.domain, address.domain) for address in final)


def _share_house(one: str, other: str) -> bool:
    """Whether a domain is the other one, or a host in it: `ann@example.net` kept on `mx.example.net`."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _once(addresses: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(addresses))
