"""Questions about the queue: pages, selections, counts, and what was taken on lately. Writes nothing."""

import json
from collections.abc import Collection, Iterable

from relay.address import Address, ReversePath
from relay.queue.moves import Selection
from relay.queue.records import COLUMNS, SHOWN, QueuedRecipient, from_row
from relay.queue.rests import DUE_AT
from relay.queue.state import FINAL, State
from relay.store.database import Reader

WAITING = tuple(state for state in State if state not in FINAL)

_SELECTED = (
    "state in (select value from {each:$1}) and ($2 = '' or message_id = $2)"
    " and ($3 = '' or destination = $3) and ($4 = '' or mailbox_id = $4) and ($5 = '' or tenant_id = $5)"
)


async def soonest(
    reader: Reader, selection: Selection, states: Iterable[State], limit: int
) -> list[QueuedRecipient]:
    """The selected recipients in one of `states`, soonest due first; held ones, which are not due, last."""
    rows = await reader.fetch_all(
        f"select {SHOWN} from recipients where {_SELECTED}"
        f" order by case when recipients.due_at is null then 1 else 0 end, {DUE_AT}, id limit $6",
        *_arguments(selection, states),
        limit,
    )
    return [from_row(row) for row in rows]


async def batch(
    reader: Reader, selection: Selection, states: Iterable[State], after_id: int, limit: int
) -> list[QueuedRecipient]:
    """The selected recipients in one of `states` behind `after_id`, in the order of their ids."""
    rows = await reader.fetch_all(
        f"select {COLUMNS} from recipients where {_SELECTED} and id > $6 order by id limit $7",
        *_arguments(selection, states),
        after_id,
        limit,
    )
    return [from_row(row) for row in rows]


async def count(reader: Reader, selection: Selection, states: Iterable[State]) -> int:
    """How many are selected and in one of `states`."""
    row = await reader.fetch_one(
        f"select count(*) as found from recipients where {_SELECTED}", *_arguments(selection, states)
    )
    return row["found"] if row else 0


async def count_waiting(reader: Reader, mailbox_id: str) -> int:
    """How many recipients of a mailbox's mail are not finished."""
    return await count(reader, Selection(mailbox_id=mailbox_id), WAITING)


async def waiting_signed_by(reader: Reader, domain: str) -> int:
    """How many recipients wait for mail that `domain` signs."""
    row = await reader.fetch_one(
        "select count(*) as found from recipients r join messages m on m.id = r.message_id"
        " where r.state in (select value from {each:$1}) and m.signing_domain = $2",
        _names(WAITING),
        domain,
    )
    return row["found"] if row else 0


async def is_taken_together(
    reader: Reader,
    addresses: Collection[Address],
    *,
    mailbox_id: str,
    credential: str | None,
    reverse_path: ReversePath,
    after: int,
) -> bool:
    """Whether one message for all of these was taken from this sender later than `after` (microseconds)."""
    wanted = sorted({str(address) for address in addresses})
    row = await reader.fetch_one(
        "select m.id from messages m join recipients r on r.message_id = m.id"
        " where m.mailbox_id = $1 and m.created_at > $2 and m.direction = 'out'"
        " and m.reverse_path = $3 and coalesce(m.credential, '') = $4"
        " and r.address in (select value from {each:$5})"
        " group by m.id having count(distinct r.address) = $6 limit 1",
        mailbox_id,
        after,
        str(reverse_path),
        credential or "",
        json.dumps(wanted),
        len(wanted),
    )
    return row is not None


def _arguments(selection: Selection, states: Iterable[State]) -> tuple[str, str, str, str, str]:
    return (
        _names(states),
        selection.message_id or "",
        selection.destination or "",
        selection.mailbox_id or "",
        selection.tenant_id or "",
    )


def _names(states: Iterable[State]) -> str:
    return json.dumps([state.value for state in states])
