"""Who works on what: leases on due recipients, taken before anything is dialled.

The attempt is on record when the claim commits, so a crash in it is seen
afterwards: such a recipient becomes a suspect, is tried again alone, and
after `CRASHES_UNTIL_HELD` attempts without an outcome waits for a person.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from relay.clock import Clock, to_us
from relay.events import log
from relay.events.kinds import EventKind
from relay.queue import rests
from relay.queue.records import COLUMNS, QueuedRecipient, from_row
from relay.queue.state import EVENTS, Happening, State, next_state
from relay.store.database import Reader, Row, Transaction

CRASHES_UNTIL_HELD = 3

_LEASE = (
    "update recipients set state = 'leased', lease_owner = $1, lease_until = $2, epoch = epoch + 1,"
    " attempts = attempts + 1, unfinished = unfinished + 1 where id "
)
_DUE = "state in ('queued', 'deferred') and unfinished = 0"
_SUSPECT = "state in ('queued', 'deferred') and unfinished > 0"
_MAY_BE_TRIED = (
    f"{_SUSPECT} and due_at <= $1 and ($2 = '[]' or"
    " (unfinished = 1 and destination not in (select value from {each:$2})))"
)
_RESTS_UNTIL = f"(select max(w.until) from site_rests w where {rests.resting('sites.destination')})"
_ELSEWHERE = "select s.until from site_leases s where s.node <> $1 and s.destination = "


@dataclass(frozen=True, slots=True)
class Site:
    """A destination with waiting mail, and when the first of it is due (microseconds), or its rest is over.

    `is_local` says whether that first one stays in the house, `elsewhere_until`
    how long another node has the destination leased.
    """

    destination: str
    is_local: bool
    due_at: int
    elsewhere_until: int | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What waits, at one glance. Sites are in order of their due time; instants are microseconds.

    `release_at` is when the next scheduled recipient is due, None without one.
    """

    release_at: int | None
    has_suspects: bool
    sites: tuple[Site, ...]


async def survey(reader: Reader, node: str | None = None) -> Survey:
    """Every destination with queued or deferred mail, the longest overdue first, and what else is to do.

    One read, because it is made whenever anything happens. Walks the index
    from destination to destination, so a hundred thousand recipients at one of
    them cost no more than one. A `node` of several is told what others have
    leased.
    """
    elsewhere = "cast(null as bigint)" if node is None else f"({_ELSEWHERE}sites.destination)"
    rows = await reader.fetch_all(
        "with recursive sites (destination) as ("
        f" select min(destination) from recipients where {_DUE}"
        " union all"
        f" select (select min(r.destination) from recipients r where {_DUE}"
        "  and r.destination > sites.destination) from sites where sites.destination is not null)"
        f" select 'site' as what, destination, (select min(r.due_at) from recipients r where {_DUE}"
        " and r.destination = sites.destination) as due_at,"
        f" (select r.is_local from recipients r where {_DUE}"
        " and r.destination = sites.destination order by r.due_at limit 1) as is_local,"
        f" {elsewhere} as elsewhere_until, {_RESTS_UNTIL} as rests_until"
        " from sites where destination is not null"
        " union all"
        " select 'release', '', (select min(due_at) from recipients where state = 'scheduled'), 0, null, null"
        " union all"
        f" select 'suspect', '', (select min(due_at) from recipients where {_SUSPECT}), 0, null, null",
        *(() if node is None else (node,)),
    )
    first = {row["what"]: row["due_at"] for row in rows if row["what"] != "site"}
    return Survey(
        release_at=first["release"],
        has_suspects=first["suspect"] is not None,
        sites=tuple(sorted((_site(row) for row in rows if row["what"] == "site"), key=_due_at)),
    )


def _site(row: Row) -> Site:
    due_at, is_local = row["due_at"], bool(row["is_local"])
    if row["rests_until"] is not None and not is_local:
        due_at = max(due_at, row["rests_until"])
    return Site(row["destination"], is_local, due_at, row["elsewhere_until"])


def _due_at(site: Site) -> int:
    return site.due_at


async def claim_due(
    tx: Transaction, site: Site, *, limit: int, owner: str, now: int, until: int
) -> list[QueuedRecipient]:
    """Lease due recipients of one destination to `owner`: of at most `limit` messages, the longest overdue.

    All of a message's recipients there that are due come together, so that
    they can share a transaction. No other node sees a leased recipient. If the
    owner dies, the lease runs out and the recipient is due again: late, but
    never lost.
    """
    due = f"{_DUE} and destination = $3 and is_local = $4 and due_at <= $5"
    first = f"select message_id from recipients where {due} order by due_at, message_id limit $6"
    rows = await tx.fetch_all(
        # By message: the index of what is due would be walked to its end.
        f"{_LEASE} in (select id from recipients where {_DUE} and destination || '' = $3 and is_local = $4"
        f" and due_at + 0 <= $5 and message_id in ({first}) {{lock}})"
        f" returning {COLUMNS}",
        owner,
        until,
        site.destination,
        int(site.is_local),
        now,
        limit,
    )
    return sorted((from_row(row) for row in rows), key=lambda leased: (leased.due_at, leased.id))


async def has_due_suspect(reader: Reader, *, now: int, beside: Collection[str] = ()) -> bool:
    """Whether there is one that may be claimed, unless it is another node's."""
    rows = await reader.fetch_all(
        f"select id from recipients where {_MAY_BE_TRIED} limit 1", now, json.dumps(sorted(beside))
    )
    return bool(rows)


async def claim_suspect(
    tx: Transaction,
    *,
    owner: str,
    now: int,
    until: int,
    beside: Collection[str] = (),
    is_shared: bool = False,
) -> QueuedRecipient | None:
    """Lease one suspect that is due: fewest crashes first, so that a poisonous one waits behind the rest.

    While others are tried, for the destinations `beside` it, it is one of
    another destination that was in one crash alone: who was in two is tried
    by itself, so that nobody else is blamed for a third. Where the store
    `is_shared`, none of a destination that another node has leased.
    """
    ours = " and (is_local = 1 or not exists (" + _ELSEWHERE.replace("$1", "$3")
    ours += "recipients.destination and s.until >= $1))"
    rows = await tx.fetch_all(
        # Equal to one, not among some: PostgreSQL may look for those more than once.
        f"{_LEASE.replace('$1', '$3').replace('$2', '$4')} = (select id from recipients"
        f" where {_MAY_BE_TRIED}{ours if is_shared else ''}"
        f" order by unfinished, due_at, id limit 1 {{lock}}) returning {COLUMNS}",
        now,
        json.dumps(sorted(beside)),
        owner,
        until,
    )
    return from_row(rows[0]) if rows else None


async def extend_leases(tx: Transaction, owner: str, recipient_ids: Collection[int], until: int) -> list[int]:
    """Keep for longer what `owner` has in hand; returns what is still its own.

    Only that: a lease that nobody works under has to run out.
    """
    rows = await tx.fetch_all(
        # Not of those whose outcome is just being written: the two would wait for one another.
        "update recipients set lease_until = $1 where id in (select id from recipients"
        " where state = 'leased' and lease_owner = $2 and id in (select value from {each_number:$3}) {lock})"
        " returning id",
        until,
        owner,
        json.dumps(list(recipient_ids)),
    )
    return [row["id"] for row in rows]


async def end_leases(tx: Transaction, clock: Clock, *, owner: str | None = None) -> int:
    """Take back leases that cannot have an outcome any more; returns how many.

    Those of `owner`, at its start, or else all that have run out. The
    recipient is due at once as a suspect, or held for a person after too many
    attempts without an outcome.
    """
    now = to_us(clock.now())
    rows = await tx.fetch_all(
        f"select {COLUMNS} from recipients where state = 'leased'"
        " and (lease_owner = $1 or ($1 = '' and lease_until < $2)) order by id {lock}",
        owner or "",
        now,
    )
    for leased in map(from_row, rows):
        await _end_lease(tx, clock, leased, now)
    return len(rows)


async def end_without_outcome(tx: Transaction, clock: Clock, leased: Sequence[QueuedRecipient]) -> None:
    """Take back the leases of an attempt that failed on our side before it could be written down."""
    now = to_us(clock.now())
    for recipient in leased:
        await _end_lease(tx, clock, recipient, now)


async def hand_back(tx: Transaction, leased: QueuedRecipient) -> None:
    """Undo a claim of which nothing was begun: the attempt does not count."""
    await tx.execute(
        "update recipients set state = $1, lease_owner = null, lease_until = null,"
        " attempts = attempts - 1, unfinished = unfinished - 1"
        " where id = $2 and epoch = $3 and state = 'leased'",
        next_state(State.LEASED, Happening.LEASE_ENDED).value,
        leased.id,
        leased.epoch,
    )


async def _end_lease(tx: Transaction, clock: Clock, leased: QueuedRecipient, now: int) -> None:
    quarantined = leased.unfinished >= CRASHES_UNTIL_HELD
    happening = Happening.QUARANTINED if quarantined else Happening.LEASE_ENDED
    ended = await tx.execute(
        "update recipients set state = $1, reason = $2, due_at = $3, lease_owner = null,"
        " lease_until = null where id = $4 and epoch = $5 and state = 'leased'",
        next_state(State.LEASED, happening).value,
        "quarantine" if quarantined else None,
        now,
        leased.id,
        leased.epoch,
    )
    if not ended:
        return
    await log.append(
        tx,
        clock,
        EVENTS[happening] or EventKind.MESSAGE_DEFERRED,
        tenant_id=leased.tenant_id,
        mailbox_id=leased.mailbox_id,
        message_id=leased.message_id,
        recipient_id=leased.id,
        is_test=leased.is_trial,
        data={
            "recipient": str(leased.address),
            "reason": "quarantine" if quarantined else "attempt_without_outcome",
            "attempt": leased.attempts,
            "attempts_without_outcome": leased.unfinished,
        },
    )
