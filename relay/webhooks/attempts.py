"""What came of each post, for the endpoint's owner. Owns `webhook_attempts`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.clock import Clock, from_us, to_us
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction
from relay.webhooks.deliveries import Post
from relay.webhooks.post import Outcome

_COLUMNS = (
    "id, tenant_id, endpoint_id, delivery, event_id, kind, attempt, at, duration_ms, status, answer, error"
)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One post, begun at `at`. `answer` is the first KiB; `error` is None exactly if it was taken."""

    id: str
    event_id: str
    kind: str
    attempt: int
    at: datetime
    duration_ms: int
    status: int | None
    answer: str
    error: str | None


async def add(tx: Transaction, clock: Clock, post: Post, outcome: Outcome) -> Attempt:
    """Keep what came of `post`."""
    attempt = Attempt(
        id=new_id("wha", clock),
        event_id=post.event_id,
        kind=post.kind,
        attempt=post.attempt,
        at=clock.now() - outcome.duration,
        duration_ms=outcome.duration // _MILLISECOND,
        status=outcome.status,
        answer=outcome.answer,
        error=outcome.error,
    )
    await tx.execute(
        f"insert into webhook_attempts ({_COLUMNS})"  # noqa: S608 - the columns are ours
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        attempt.id,
        post.tenant_id,
        post.endpoint_id,
        post.number,
        attempt.event_id,
        attempt.kind,
        attempt.attempt,
        to_us(attempt.at),
        attempt.duration_ms,
        attempt.status,
        attempt.answer,
        attempt.error,
    )
    return attempt


async def list_of_endpoint(
    reader: Reader,
    tenant_id: str,
    endpoint_id: str,
    *,
    limit: int = 50,
    before_id: str | None = None,
    event_id: str | None = None,
) -> Sequence[Attempt]:
    """What was posted to one endpoint, newest first; `before_id` is the last one of the page before."""
    rows = await reader.fetch_all(
        f"select {_COLUMNS} from webhook_attempts where tenant_id = $1 and endpoint_id = $2"  # noqa: S608
        " and ($3 = '' or id < $3) and ($4 = '' or event_id = $4) order by id desc limit $5",
        tenant_id,
        endpoint_id,
        before_id or "",
        event_id or "",
        limit,
    )
    return [_from_row(row) for row in rows]


def _from_row(row: Row) -> Attempt:
    return Attempt(
        id=row["id"],
        event_id=row["event_id"],
        kind=row["kind"],
        attempt=row["attempt"],
        at=from_us(row["at"]),
        duration_ms=row["duration_ms"],
        status=row["status"],
        answer=row["answer"],
        error=row["error"],
    )
