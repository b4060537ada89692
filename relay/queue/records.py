"""The recipients: the unit that has a state, a due time and a lease.

Owns the table `recipients` together with `claims` and `moves` of this room.
"""

import json
from collections.abc import Sequence

from msgspec import Struct

from relay.address import POSTMASTER, Address, parse_address
from relay.queue.rests import DUE_AT, TRIALS
from relay.queue.state import State
from relay.store.database import Reader, Row, Transaction


class QueuedRecipient(Struct, frozen=True):
    """One recipient of one message. Instants are microseconds since the epoch.

    `epoch` counts the leases: an outcome is written only under the lease it
    belongs to. `unfinished` counts attempts in a row that left no outcome.
    """

    id: int
    tenant_id: str
    message_id: str
    mailbox_id: str | None
    position: int
    address: Address
    destination: str
    is_local: bool
    state: State
    reason: str | None = None
    release_day: str | None = None
    due_at: int | None = None
    lease_owner: str | None = None
    lease_until: int | None = None
    epoch: int = 0
    attempts: int = 0
    unfinished: int = 0
    notify: str | None = None
    orcpt: str | None = None
    expires_at: int | None = None
    delay_noticed: bool = False
    last_mx: str | None = None
    last_reply: str | None = None
    settled_at: int | None = None

    @property
    def is_trial(self) -> bool:
        """It goes to the simulator, and teaches us nothing."""
        return self.destination == TRIALS


COLUMNS = (
    "id, tenant_id, message_id, mailbox_id, position, address, destination, is_local, state, reason,"
    " release_day, due_at, lease_owner, lease_until, epoch, attempts, unfinished, notify, orcpt,"
    " expires_at, delay_noticed, last_mx, last_reply, settled_at"
)
_INSERT = (
    f"insert into recipients ({COLUMNS}) values (" + ", ".join(f"${place}" for place in range(1, 25)) + ")"
)
# As people see them, who want to know when a recipient is tried next, though its destination rests.
SHOWN = COLUMNS.replace("due_at", f"{DUE_AT} as due_at")
_SELECT = f"select {SHOWN} from recipients"


async def enqueue(tx: Transaction, recipients: Sequence[QueuedRecipient]) -> None:
    """Put recipients in, each in the state it carries."""
    await tx.put(_INSERT, *map(_values, recipients))


async def of_message(reader: Reader, message_id: str) -> list[QueuedRecipient]:
    """The recipients of one message, in the order of the envelope."""
    rows = await reader.fetch_all(f"{_SELECT} where message_id = $1 order by position", message_id)
    return [from_row(row) for row in rows]


async def of_messages(reader: Reader, message_ids: Sequence[str]) -> dict[str, list[QueuedRecipient]]:
    """The recipients of several messages, each in the order of its envelope."""
    rows = await reader.fetch_all(
        f"{_SELECT} where message_id in (select value from {{each:$1}}) order by message_id, position",
        json.dumps(list(message_ids)),
    )
    found: dict[str, list[QueuedRecipient]] = {message_id: [] for message_id in message_ids}
    for row in rows:
        found[row["message_id"]].append(from_row(row))
    return found


async def by_ids(reader: Reader, ids: Sequence[int]) -> list[QueuedRecipient]:
    """Those of the recipients that are there."""
    rows = await reader.fetch_all(
        f"{_SELECT} where id in (select value from {{each_number:$1}})", json.dumps(list(ids))
    )
    return [from_row(row) for row in rows]


async def waiting(
    reader: Reader, *, destination: str | None = None, mailbox_id: str | None = None, limit: int = 100
) -> list[QueuedRecipient]:
    """Recipients that are not finished, soonest due first."""
    rows = await reader.fetch_all(
        f"{_SELECT} where state in ('scheduled', 'queued', 'leased', 'deferred', 'held')"
        " and ($1 = '' or destination = $1) and ($2 = '' or mailbox_id = $2)"
        " order by due_at, id limit $3",
        destination or "",
        mailbox_id or "",
        limit,
    )
    return [from_row(row) for row in rows]


async def depth(reader: Reader) -> list[tuple[str, str, int, int]]:
    """How much waits where: (destination, state, recipients, oldest message's creation), most first."""
    rows = await reader.fetch_all(
        "select r.destination, r.state, count(*) as recipients, min(m.created_at) as oldest"
        " from recipients r join messages m on m.id = r.message_id"
        " where r.state in ('scheduled', 'queued', 'leased', 'deferred', 'held')"
        " group by r.destination, r.state order by recipients desc"
    )
    return [(row["destination"], row["state"], row["recipients"], row["oldest"]) for row in rows]


async def forget(tx: Transaction, message_ids: Sequence[str]) -> None:
    """Remove the recipients of messages that are to be forgotten."""
    await tx.execute(
        "delete from recipients where message_id in (select value from {each:$1})",
        json.dumps(list(message_ids)),
    )


def from_row(row: Row) -> QueuedRecipient:
    return QueuedRecipient(
        id=row["id"],
        tenant_id=row["tenant_id"],
        message_id=row["message_id"],
        mailbox_id=row["mailbox_id"],
        position=row["position"],
        address=_read_address(row["address"]),
        destination=row["destination"],
        is_local=bool(row["is_local"]),
        state=State(row["state"]),
        reason=row["reason"],
        release_day=row["release_day"],
        due_at=row["due_at"],
        lease_owner=row["lease_owner"],
        lease_until=row["lease_until"],
        epoch=row["epoch"],
        attempts=row["attempts"],
        unfinished=row["unfinished"],
        notify=row["notify"],
        orcpt=row["orcpt"],
        expires_at=row["expires_at"],
        delay_noticed=bool(row["delay_noticed"]),
        last_mx=row["last_mx"],
        last_reply=row["last_reply"],
        settled_at=row["settled_at"],
    )


def _read_address(text: str) -> Address:
    """An address as it is kept: `postmaster` is the one that needs no domain."""
    return POSTMASTER if text == str(POSTMASTER) else parse_address(text)


def _values(recipient: QueuedRecipient) -> tuple[str | int | None, ...]:
    return (
        recipient.id,
        recipient.tenant_id,
        recipient.message_id,
        recipient.mailbox_id,
        recipient.position,
        str(recipient.address),
        recipient.destination,
        int(recipient.is_local),
        recipient.state.value,
        recipient.reason,
        recipient.release_day,
        recipient.due_at,
        recipient.lease_owner,
        recipient.lease_until,
        recipient.epoch,
        recipient.attempts,
        recipient.unfinished,
        recipient.notify,
        recipient.orcpt,
        recipient.expires_at,
        int(recipient.delay_noticed),
        recipient.last_mx,
        recipient.last_reply,
        recipient.settled_at,
    )
