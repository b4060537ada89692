"""What came of a webhook's posts, and posts out of turn: a test, a replay."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from api.call import Call
from api.operations import Operation
from api.paging import Paged, page
from api.problems import invalid
from api.routes.webhooks import find_webhook
from api.shapes import Body, NoBody, Page, Shape
from relay.errors import InvalidInput
from relay.webhooks import attempts, replay, trial
from relay.webhooks.assembly import build_carrier
from relay.webhooks.attempts import Attempt
from relay.webhooks.replay import Span

Instant = Annotated[datetime, Meta(tz=True)]


class Replay(Body, frozen=True):
    """Either events by id, or a span of time; of the span what the webhook asks for."""

    event_ids: (
        Annotated[tuple[Annotated[str, Meta(max_length=100)], ...], Meta(min_length=1, max_length=1000)]
        | None
    ) = None
    since: Instant | None = None
    until: Instant | None = None
    failed_only: bool = False


class ListAttempts(Paged, frozen=True):
    """Of all events, or of one."""

    event: Annotated[str, Meta(max_length=100, description="an event's id")] | None = None


class AttemptShape(Shape, frozen=True):
    """One post. `error` is null exactly if it was taken; `answer` is the first KiB of what came back."""

    id: str
    event_id: str
    kind: str
    attempt: int
    at: datetime
    duration_ms: int
    status: int | None
    answer: str
    error: str | None


class ReplayShape(Shape, frozen=True):
    """How many events are due now."""

    queued: int


async def list_attempts(call: Call, query: ListAttempts) -> Page[AttemptShape]:
    """What came of each post, newest first."""
    endpoint = await find_webhook(call)
    rows = await attempts.list_of_endpoint(
        call.house.db,
        call.tenant_id,
        endpoint.id,
        limit=query.limit + 1,
        before_id=query.before,
        event_id=query.event,
    )
    return page(rows, query.limit, _attempt_shape, lambda attempt: attempt.id)


async def test_webhook(call: Call, body: NoBody) -> AttemptShape:
    """What came of a post that was made now."""
    endpoint = await find_webhook(call)
    return _attempt_shape(await trial.try_endpoint(build_carrier(call.house.station), endpoint))


async def replay_webhook(call: Call, body: Replay) -> ReplayShape:
    """How many events were made due; they are posted in their turn."""
    endpoint = await find_webhook(call)
    house = call.house
    if body.event_ids is not None and body.since is None and body.until is None and not body.failed_only:
        try:
            queued = await replay.replay_events(house.db, house.clock, endpoint, body.event_ids)
        except InvalidInput as error:
            raise invalid("$.event_ids", str(error)) from error
        return ReplayShape(queued=queued)
    if body.since is None or body.event_ids is not None:
        raise invalid("$", "name either event_ids or since, with until and failed_only if you like")
    span = Span(body.since, body.until, body.failed_only)
    try:
        return ReplayShape(queued=await replay.replay_span(house.db, house.clock, endpoint, span))
    except InvalidInput as error:
        raise invalid("$.since", str(error)) from error


def _attempt_shape(attempt: Attempt) -> AttemptShape:
    return AttemptShape(
        id=attempt.id,
        event_id=attempt.event_id,
        kind=attempt.kind,
        attempt=attempt.attempt,
        at=attempt.at,
        duration_ms=attempt.duration_ms,
        status=attempt.status,
        answer=attempt.answer,
        error=attempt.error,
    )


_ATTEMPT: dict[str, Any] = {
    "id": "wha_01hw3k9v8g2e4r6t8y0a2s4d",
    "event_id": "evt_01hw3k9v8g2e4r6t8y0a2s4d",
    "kind": "message.received",
    "attempt": 1,
    "at": "2026-03-02T09:00:03Z",
    "duration_ms": 84,
    "status": 500,
    "answer": "try later",
    "error": "answered 500",
}
_ONE = "/v1/webhooks/{webhook_id}"

OPERATIONS = (
    Operation(
        "GET",
        f"{_ONE}/attempts",
        "webhooks:read",
        "List what came of each post",
        list_attempts,
        query=ListAttempts,
        answer=Page[AttemptShape],
        answers={"data": [_ATTEMPT], "has_more": False, "next_cursor": None},
        errors=("not_found",),
    ),
    Operation(
        "POST",
        f"{_ONE}/test",
        "webhooks:write",
        "Post a test event now",
        test_webhook,
        body=NoBody,
        answer=AttemptShape,
        example={},
        answers={
            **_ATTEMPT,
            "kind": "webhook.test",
            "status": 204,
            "answer": "",
            "error": None,
        },
        errors=("not_found",),
        description="Whatever the webhook's status; it is not tried again, and counts for nothing.",
    ),
    Operation(
        "POST",
        f"{_ONE}/replay",
        "webhooks:write",
        "Post events again",
        replay_webhook,
        body=Replay,
        answer=ReplayShape,
        status=202,
        example={"since": "2026-03-02T00:00:00Z", "failed_only": True},
        answers={"queued": 12},
        errors=("not_found",),
        description="Under their own ids and to the octet as before. At most 10 000 events at once.",
    ),
)
