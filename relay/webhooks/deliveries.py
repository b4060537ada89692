"""What each endpoint is owed: one row for each event, from due to done. Owns `webhook_deliveries`.

A claim leases rows and counts the attempt before anything is dialled. Whoever
dies with a lease posts nothing more, and when it runs out the row is due
again: at least once, with the same id and the same octets.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import msgspec

from relay.clock import Clock
from relay.ids import new_number
from relay.store.database import Reader, Row, Transaction
from relay.webhooks.schedule import ATTEMPTS
from relay.webhooks.signature import STANDARD, Style

State: TypeAlias = Literal["due", "leased", "done", "failed"]

_INSERT = (
    "insert into webhook_deliveries (number, endpoint_id, tenant_id, event_id, kind, payload, state,"
    " attempts, due_at, lease_until, created_at, settled_at, message_id)"
    " values ($1, $2, $3, $4, $5, $6, 'due', 0, $7, null, $7, null, $8) on conflict (endpoint_id, event_id) "
)
# What befell one message is posted in its order, each thing when the one before has been tried.
_IN_ORDER = (
    "(d.message_id is null or not exists (select 1 from webhook_deliveries b"
    " where b.endpoint_id = d.endpoint_id and b.message_id = d.message_id and b.number < d.number"
    " and b.state in ('due', 'leased') and (b.state = 'leased' or b.attempts = 0)))"
)
# Octets are kept: only when they go out is new.
_AGAIN = (
    "do update set state = 'due', attempts = 0, due_at = excluded.due_at, lease_until = null,"
    " settled_at = null where webhook_deliveries.state <> 'leased'"
)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """An event that is owed to an endpoint; `message_id` is whose events are posted in order."""

    endpoint_id: str
    tenant_id: str
    event_id: str
    kind: str
    payload: str
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """How an endpoint wants its posts: signed besides in what style, compressed, with what fields."""

    signature_style: Style = STANDARD
    signature_header: str | None = None
    gzip: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Post:
    """A leased row, with all that is needed to post it.

    `attempt` is 1 for the first; `secrets` has the newest first.
    """

    number: int
    endpoint_id: str
    tenant_id: str
    event_id: str
    kind: str
    payload: str = field(repr=False)
    attempt: int
    lease_until: int
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    wishes: Wishes = field(default_factory=Wishes)


@dataclass(frozen=True, slots=True)
class Site:
    """An active endpoint with something due, and when (microseconds). `is_failing`: its last post failed."""

    endpoint_id: str
    due_at: int
    is_failing: bool


async def owe(tx: Transaction, clock: Clock, owed: Sequence[NewDelivery], now: int) -> None:
    """Write down what is owed; what is known already stays as it is."""
    await tx.execute_many(f"{_INSERT} do nothing", [_values(each, clock, now) for each in owed])


async def owe_again(tx: Transaction, clock: Clock, owed: Sequence[NewDelivery], now: int) -> None:
    """Make these due now, whatever became of them before; what is being posted is left alone."""
    await tx.execute_many(_INSERT + _AGAIN, [_values(each, clock, now) for each in owed])


async def sites(reader: Reader) -> list[Site]:
    """Every active endpoint with a due row, and when its first may go out, earliest first."""
    rows = await reader.fetch_all(
        "select id, failures, rests_until, (select min(d.due_at) from webhook_deliveries d"
        " where d.endpoint_id = e.id and d.state = 'due') as due_at"
        " from webhook_endpoints e where e.status = 'active'"
    )
    found = [
        Site(row["id"], max(row["due_at"], row["rests_until"] or 0), row["failures"] > 0)
        for row in rows
        if row["due_at"] is not None
    ]
    return sorted(found, key=lambda site: site.due_at)


async def claim(tx: Transaction, endpoint_id: str, *, limit: int, now: int, until: int) -> list[Post]:
    """Lease up to `limit` due rows of an endpoint that is active now, the longest overdue first."""
    rows = await tx.fetch_all(
        "update webhook_deliveries set state = 'leased', lease_until = $1, attempts = attempts + 1"  # noqa: S608
        " where number in (select d.number from webhook_deliveries d"
        " where d.state = 'due' and d.endpoint_id = $2 and d.due_at <= $3"
        " and exists (select 1 from webhook_endpoints e where e.id = $2"
        " and e.status = 'active' and coalesce(e.rests_until, 0) <= $3)"
        f" and {_IN_ORDER} order by d.due_at, d.number limit $4 {{lock}})"
        " returning number, endpoint_id, tenant_id, event_id, kind, payload, attempts, lease_until",
        until,
        endpoint_id,
        now,
        limit,
    )
    return await _with_endpoint(tx, rows, endpoint_id, now)


async def claim_one(tx: Transaction, endpoint_id: str, event_id: str, *, now: int, until: int) -> Post:
    """Lease the row of one event that was just written, whatever the endpoint's status."""
    rows = await tx.fetch_all(
        "update webhook_deliveries set state = 'leased', lease_until = $1, attempts = attempts + 1"
        " where endpoint_id = $2 and event_id = $3 and state = 'due'"
        " returning number, endpoint_id, tenant_id, event_id, kind, payload, attempts, lease_until",
        until,
        endpoint_id,
        event_id,
    )
    (post,) = await _with_endpoint(tx, rows, endpoint_id, now)
    return post


async def settle(tx: Transaction, post: Post, state: State, due_at: int, now: int) -> bool:
    """Take a leased row to where its outcome leads; False when the lease is no longer ours."""
    touched = await tx.execute(
        "update webhook_deliveries set state = $1, due_at = $2, lease_until = null, settled_at = $3"
        " where number = $4 and state = 'leased' and lease_until = $5",
        state,
        due_at,
        now if state in ("done", "failed") else None,
        post.number,
        post.lease_until,
    )
    return bool(touched)


async def has_lost_leases(reader: Reader, now: int) -> bool:
    """Whether a lease has run out."""
    row = await reader.fetch_one(
        "select 1 from webhook_deliveries where state = 'leased' and lease_until <= $1 limit 1", now
    )
    return row is not None


async def end_leases(tx: Transaction, now: int, *, until: int | None = None) -> int:
    """Take back the leases that have run out, or run out by `until`; returns how many.

    The row is due at once, or failed when its attempts are used up.
    """
    return await tx.execute(
        "update webhook_deliveries set state = case when attempts >= $1 then 'failed' else 'due' end,"
        " settled_at = case when attempts >= $1 then $2 else null end, due_at = $2, lease_until = null"
        " where state = 'leased' and lease_until <= $3",
        ATTEMPTS,
        now,
        now if until is None else until,
    )


async def expire(tx: Transaction, overdue_since: int, now: int, limit: int) -> int:
    """Give up what was due before `overdue_since`; returns how many: at `limit` there may be more."""
    return await tx.execute(
        "update webhook_deliveries set state = 'failed', settled_at = $1 where number in"
        " (select number from webhook_deliveries where state = 'due' and due_at < $2 limit $3)",
        now,
        overdue_since,
        limit,
    )


async def waiting(reader: Reader) -> int:
    """How many rows are due or being posted, of all endpoints."""
    row = await reader.fetch_one(
        # Two counts, each from an index of its own: most rows are done.
        "select (select count(*) from webhook_deliveries where state = 'due')"
        " + (select count(*) from webhook_deliveries where state = 'leased') as waiting"
    )
    return row["waiting"] if row else 0


async def events_in_state(
    reader: Reader, endpoint_id: str, event_ids: Sequence[str], state: State
) -> set[str]:
    """Which of the events are in that state for the endpoint."""
    rows = await reader.fetch_all(
        "select event_id from webhook_deliveries where endpoint_id = $1 and state = $2"
        " and event_id in (select value from {each:$3})",
        endpoint_id,
        state,
        json.dumps(list(event_ids)),
    )
    return {row["event_id"] for row in rows}


async def _with_endpoint(tx: Transaction, rows: Sequence[Row], endpoint_id: str, now: int) -> list[Post]:
    if not rows:
        return []
    endpoint = await tx.fetch_one(
        "select url, secret, signature_style, signature_header, gzip, headers,"
        " case when previous_until > $1 then previous_secret end as previous"
        " from webhook_endpoints where id = $2",
        now,
        endpoint_id,
    )
    assert endpoint is not None
    secrets = tuple(secret for secret in (endpoint["secret"], endpoint["previous"]) if secret)
    wishes = _wishes(endpoint)
    posts = [
        Post(
            number=row["number"],
            endpoint_id=row["endpoint_id"],
            tenant_id=row["tenant_id"],
            event_id=row["event_id"],
            kind=row["kind"],
            payload=row["payload"],
            attempt=row["attempts"],
            lease_until=row["lease_until"],
            url=endpoint["url"],
            secrets=secrets,
            wishes=wishes,
        )
        for row in rows
    ]
    return sorted(posts, key=lambda post: post.number)


def _wishes(row: Row) -> Wishes:
    return Wishes(
        signature_style=row["signature_style"],
        signature_header=row["signature_header"],
        gzip=bool(row["gzip"]),
        headers=msgspec.json.decode(row["headers"], type=dict[str, str]),
    )


def _values(owed: NewDelivery, clock: Clock, now: int) -> tuple[int | str | None, ...]:
    return (
        new_number(clock),
        owed.endpoint_id,
        owed.tenant_id,
        owed.event_id,
        owed.kind,
        owed.payload,
        now,
        owed.message_id,
    )
