"""Questions that people ask about the queue: pages, selections and counts. Reads `recipients` only."""

import json
from collections.abc import Iterable

from relay.queue.moves import Selection
from relay.queue.records import COLUMNS, QueuedRecipient, from_row
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
        f"select {COLUMNS} from recipients where {_SELECTED}"
        " order by case when due_at is null then 1 else 0 end, due_at, id limit $6",
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
