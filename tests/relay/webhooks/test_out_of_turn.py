"""Replay and trial: posts that a person asks for, and what is forgotten in time."""

from datetime import timedelta

import pytest

from relay.errors import InvalidInput
from relay.events.kinds import EventKind
from relay.tenants import tenants
from relay.webhooks import endpoint_changes, replay, retention, trial
from relay.webhooks.replay import Span
from relay.webhooks.schedule import WAITS
from tests.relay.webhooks.desk import Desk
from tests.relay.webhooks.receiver import Receiver


async def test_a_replay_is_the_same_to_the_octet(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url)
    event = await desk.happens(data={"subject": "grüße"})
    await desk.run()
    desk.clock.advance(days=2)
    assert await replay.replay_events(desk.db, desk.clock, made, [event.id]) == 1
    await desk.run()
    first, second = receiver.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert await desk.states(made) == ["done"]


async def test_an_event_from_before_the_endpoint_can_be_asked_for(desk: Desk, receiver: Receiver) -> None:
    event = await desk.happens(EventKind.DOMAIN_VERIFIED)
    made = await desk.add(receiver.url, "message.*")
    await replay.replay_events(desk.db, desk.clock, made, [event.id, event.id])
    await desk.run()
    assert receiver.ids == [event.id]


async def test_events_of_another_tenant_or_of_nobody_are_refused_and_nothing_is_posted(
    desk: Desk, receiver: Receiver
) -> None:
    made = await desk.add(receiver.url)
    own = await desk.happens()
    stranger = (await desk.db.transact(lambda tx: tenants.add(tx, desk.clock, "Other"))).id
    foreign = await desk.happens(tenant_id=stranger)
    await desk.run()
    for unknown in (foreign.id, "evt_none"):
        with pytest.raises(InvalidInput, match="no event"):
            await replay.replay_events(desk.db, desk.clock, made, [own.id, unknown])
    await desk.run()
    assert receiver.ids == [own.id]


async def test_a_span_posts_what_happened_in_it_and_is_asked_for(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url, "message.*")
    events = []
    for _ in range(4):
        events.append(await desk.happens())
        await desk.happens(EventKind.DOMAIN_VERIFIED)
        desk.clock.advance(hours=1)
    await desk.run()
    receiver.requests.clear()
    span = Span(since=events[1].at, until=events[3].at)
    assert await replay.replay_span(desk.db, desk.clock, made, span) == 2
    await desk.run()
    assert sorted(receiver.ids) == [events[1].id, events[2].id]


async def test_a_span_can_be_of_what_failed_alone(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url)
    start = desk.clock.now()
    taken = await desk.happens()
    await desk.run()
    receiver.answers(410, then=204)
    failed = await desk.happens()
    await desk.run()
    await desk.change(made, status="active")
    made = await desk.now(made)
    assert (
        await replay.replay_span(
            desk.db, desk.clock, made, Span(start, desk.clock.now() + timedelta(1), True)
        )
        == 1
    )
    await desk.run()
    assert receiver.ids == [taken.id, failed.id, failed.id]


async def test_a_span_ends_after_it_begins(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url)
    with pytest.raises(InvalidInput):
        await replay.replay_span(desk.db, desk.clock, made, Span(desk.clock.now()))


async def test_a_span_of_too_many_events_is_refused_whole(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "AT_MOST", 2)
    made = await desk.add(receiver.url, "message.*")
    start = desk.clock.now()
    for _ in range(3):
        await desk.happens()
    desk.clock.advance(seconds=1)
    with pytest.raises(InvalidInput, match="parts"):
        await replay.replay_span(desk.db, desk.clock, made, Span(start))
    assert await desk.states(made) == []


async def test_a_trial_tells_what_came_of_it(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url)
    attempt = await trial.try_endpoint(desk.carrier, made)
    assert (attempt.status, attempt.error, attempt.kind) == (204, None, "webhook.test")
    (request,) = receiver.requests
    assert request.event["type"] == "webhook.test"
    assert request.event["id"] == request.headers["webhook-id"] == attempt.event_id
    assert [kept.id for kept in await desk.attempts(made)] == [attempt.id]
    assert "webhook.test" not in await desk.kinds()


async def test_a_trial_that_fails_is_not_repeated_and_does_not_count(desk: Desk, receiver: Receiver) -> None:
    receiver.answers(410)
    made = await desk.add(receiver.url)
    for _ in range(11):
        assert (await trial.try_endpoint(desk.carrier, made)).error == "answered 410"
    await desk.after(days=1)
    assert len(receiver.requests) == 11
    assert await desk.now(made) == made


async def test_a_paused_endpoint_can_be_tried(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url)
    paused = await desk.change(made, status="paused")
    assert (await trial.try_endpoint(desk.carrier, paused)).error is None
    assert (await desk.now(made)).status == "paused"


async def test_what_waits_for_three_days_is_given_up(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url)
    await desk.change(made, status="paused")
    await desk.happens()
    await desk.run()
    for days, state in ((2, "due"), (2, "failed")):
        desk.clock.advance(days=days)
        await retention.look_after(desk.db, desk.clock, timedelta(days=365))
        assert await desk.states(made) == [state]


async def test_a_post_between_two_attempts_is_not_given_up_early(desk: Desk, receiver: Receiver) -> None:
    receiver.answers(*[500] * 9, 204, then=204)
    made = await desk.add(receiver.url)
    await desk.happens()
    await desk.run()
    for wait in WAITS:
        await retention.look_after(desk.db, desk.clock, timedelta(days=365))
        await desk.after(seconds=wait.total_seconds())
    assert await desk.states(made) == ["done"]


async def test_old_posts_and_attempts_are_forgotten_and_waiting_ones_are_not(
    desk: Desk, receiver: Receiver, other: Receiver
) -> None:
    done, waiting = await desk.add(receiver.url, "message.*"), await desk.add(other.url, "message.*")
    other.answers(500)
    await desk.happens()
    await desk.run()
    desk.clock.advance(days=2)
    await retention.look_after(desk.db, desk.clock, timedelta(days=1))
    assert (await desk.states(done), await desk.attempts(done)) == ([], [])
    assert (await desk.states(waiting), len(await desk.attempts(waiting))) == (["due"], 1)


async def test_a_removed_endpoint_is_forgotten_with_all_its_rows(desk: Desk, receiver: Receiver) -> None:
    kept, gone = await desk.add(receiver.url), await desk.add(receiver.url)
    await desk.happens()
    await desk.run()
    await desk.happens()
    await desk.sender.outbox.step()
    await desk.db.transact(lambda tx: endpoint_changes.remove(tx, desk.clock, gone.tenant_id, gone.id))
    await retention.look_after(desk.db, desk.clock, timedelta(days=365))
    assert [row["id"] for row in await desk.rows("webhook_endpoints")] == [kept.id]
    assert {row["endpoint_id"] for row in await desk.rows("webhook_deliveries")} == {kept.id}
    assert {row["endpoint_id"] for row in await desk.rows("webhook_attempts")} == {kept.id}


async def test_the_secret_before_is_forgotten_after_the_overlap(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url)
    await desk.db.transact(lambda tx: endpoint_changes.rotate(tx, desk.clock, made.tenant_id, made.id))
    desk.clock.advance(hours=25)
    await retention.look_after(desk.db, desk.clock, timedelta(days=365))
    assert [row["previous_secret"] for row in await desk.rows("webhook_endpoints")] == [None]
