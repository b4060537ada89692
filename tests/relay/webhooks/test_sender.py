"""What is owed is posted: again until it is taken, for as long as it may be, and nobody waits for another."""

import asyncio
from datetime import timedelta

import pytest
import standardwebhooks
import svix

from relay.clock import SystemClock
from relay.events.kinds import EventKind
from relay.store.database import Transaction
from relay.webhooks import endpoint_changes, outbox
from relay.webhooks.outbox import Outbox
from relay.webhooks.schedule import ATTEMPTS, WAITS
from relay.webhooks.sender import Places
from tests.fakes.clock import FakeClock
from tests.relay.webhooks.desk import Desk
from tests.relay.webhooks.receiver import Receiver


async def test_an_event_is_posted_signed_with_its_own_id(desk: Desk, receiver: Receiver) -> None:
    # The libraries look at the machine's clock.
    desk.carrier.clock = desk.carrier.poster.clock = desk.clock = FakeClock(SystemClock().now())
    made = await desk.add(receiver.url)
    event = await desk.happens(message_id="msg_1")
    await desk.run()
    (request,) = receiver.requests
    assert request.headers["webhook-id"] == request.headers["svix-id"] == event.id
    assert request.event["data"] == {"message_id": "msg_1"}
    standardwebhooks.Webhook(desk.secrets[made.id]).verify(request.body, request.headers)
    svix.Webhook(desk.secrets[made.id]).verify(request.body, request.headers)
    assert await desk.states(made) == ["done"]
    assert desk.tally.taken == 1


async def test_a_failed_post_is_made_again_on_the_schedule_with_the_same_octets(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers(500)
    made = await desk.add(receiver.url)
    await desk.happens()
    await desk.run()
    for number, wait in enumerate(WAITS, start=1):
        assert len(receiver.requests) == number
        desk.clock.advance(wait - timedelta(milliseconds=1))
        await desk.run()
        assert len(receiver.requests) == number
        desk.clock.advance(wait * 0.1 + timedelta(milliseconds=1))
        await desk.run()
    assert len(receiver.requests) == ATTEMPTS == 10
    assert len({(request.body, request.headers["webhook-id"]) for request in receiver.requests}) == 1
    assert await desk.states(made) == ["failed"]
    assert [attempt.attempt for attempt in await desk.attempts(made)] == list(range(1, 11))


async def test_a_later_success_ends_it_and_clears_the_count(desk: Desk, receiver: Receiver) -> None:
    receiver.answers(500, 500, then=200)
    made = await desk.add(receiver.url)
    await desk.happens()
    await desk.run()
    await desk.after(seconds=5)
    assert (await desk.now(made)).failures == 2
    await desk.after(minutes=5)
    assert (await desk.now(made)).failures == 0
    assert await desk.states(made) == ["done"]
    assert [attempt.status for attempt in await desk.attempts(made)] == [500, 500, 200]


async def test_an_attempt_keeps_status_answer_and_reason(desk: Desk, receiver: Receiver) -> None:
    receiver.says(b"HTTP/1.1 422 No\r\nContent-Length: 7\r\n\r\nno such")
    made = await desk.add(receiver.url)
    event = await desk.happens()
    await desk.run()
    (attempt,) = await desk.attempts(made)
    assert (attempt.event_id, attempt.kind, attempt.status) == (event.id, "message.delivered", 422)
    assert (attempt.answer, attempt.error) == ("no such", "answered 422")


@pytest.mark.parametrize("status", [429, 503])
async def test_who_asks_for_time_gets_it_for_all_events(status: int, desk: Desk, receiver: Receiver) -> None:
    receiver.answers(status, then=204, Retry_After="3600")
    await desk.add(receiver.url)
    await desk.happens()
    await desk.run()
    await desk.happens()
    await desk.after(minutes=50)
    assert len(receiver.requests) == 1
    await desk.after(minutes=10)
    assert len(receiver.requests) == 3


async def test_gone_disables_and_is_told_to_the_others(
    desk: Desk, receiver: Receiver, other: Receiver
) -> None:
    receiver.answers(410)
    gone, told = await desk.add(receiver.url), await desk.add(other.url, "webhook.*")
    await desk.happens()
    await desk.happens()
    await desk.run()
    assert ((await desk.now(gone)).status, (await desk.now(gone)).reason) == (
        "disabled",
        "it answered 410: gone",
    )
    (request,) = other.requests
    assert request.event["type"] == "webhook.disabled"
    assert request.event["data"]["webhook_id"] == gone.id
    count = len(receiver.requests)
    await desk.happens()
    await desk.after(days=1)
    assert len(receiver.requests) == count
    assert (await desk.now(told)).status == "active"


async def test_ten_failures_in_a_row_pause_with_one_event(desk: Desk, receiver: Receiver) -> None:
    receiver.answers(500)
    made = await desk.add(receiver.url)
    for _ in range(12):
        await desk.happens()
    await desk.run()
    assert len(receiver.requests) == 10
    paused = await desk.now(made)
    assert (paused.status, paused.failures) == ("paused", 10)
    assert paused.reason == "10 posts in a row failed, the last one so: answered 500"
    assert (await desk.kinds()).count("webhook.paused") == 1
    # It is not told of itself, now or when it is resumed.
    await desk.after(days=1)
    assert len(receiver.requests) == 10
    assert len(await desk.states(made)) == 12


async def test_nine_failures_and_a_success_pause_nothing(desk: Desk, receiver: Receiver) -> None:
    receiver.answers(*[500] * 9, 204, *[500] * 9, 204, then=204)
    made = await desk.add(receiver.url)
    for _ in range(20):
        await desk.happens()
    await desk.run()
    assert (await desk.now(made)).status == "active"


async def test_two_endpoints_that_fail_do_not_chase_each_other(
    desk: Desk, receiver: Receiver, other: Receiver
) -> None:
    receiver.answers(500)
    other.answers(500)
    for server in (receiver, other):
        await desk.add(server.url)
    for _ in range(10):
        await desk.happens()
    await desk.run()
    for _ in range(5):
        await desk.after(days=1)
    assert len(receiver.requests) == len(other.requests) == 10
    assert (await desk.kinds()).count("webhook.paused") == 2


async def test_a_paused_endpoint_keeps_its_events_and_goes_on_when_resumed(
    desk: Desk, receiver: Receiver
) -> None:
    made = await desk.add(receiver.url)
    await desk.change(made, status="paused")
    events = [await desk.happens() for _ in range(3)]
    await desk.after(hours=1)
    assert not receiver.requests
    await desk.change(made, status="active")
    await desk.run()
    assert sorted(receiver.ids) == sorted(event.id for event in events)


async def test_a_disabled_endpoint_gets_what_happens_after_it_is_active_again(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers(410, then=204)
    made = await desk.add(receiver.url)
    await desk.happens()
    await desk.run()
    await desk.happens()
    await desk.run()
    active = await desk.change(made, status="active")
    assert (active.status, active.failures, active.reason) == ("active", 0, None)
    wanted = await desk.happens()
    await desk.run()
    assert receiver.ids[1:] == [wanted.id]


async def test_a_hanging_endpoint_delays_no_other(desk: Desk, receiver: Receiver, other: Receiver) -> None:
    receiver.hold.clear()
    hanging = await desk.add(receiver.url, "message.*")
    await desk.add(other.url, "message.*")
    for _ in range(20):
        await desk.happens()
    running = asyncio.create_task(desk.sender.run())
    await other.has(20)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(set(other.ids)) == 20
    assert len(receiver.requests) <= 2
    assert "done" not in await desk.states(hanging)


async def test_no_more_than_its_places_are_posted_to_one_endpoint_at_once(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.hold.clear()
    made = await desk.add(receiver.url)
    for _ in range(6):
        await desk.happens()
    begun = [await desk.sender.step() for _ in range(5)]
    assert begun == [2, 0, 0, 0, 0]
    assert (await desk.states(made)).count("leased") == 2
    receiver.hold.set()
    await desk.sender.idle()
    await desk.run()
    assert len(set(receiver.ids)) == len(receiver.ids) == 6


async def test_those_that_fail_leave_places_to_those_that_are_well(
    desk: Desk, receiver: Receiver, other: Receiver
) -> None:
    desk.sender.places = Places(of_endpoint=2, of_failing=1, in_all=2)
    receiver.answers(500)
    failing = [await desk.add(receiver.url, "message.delivered") for _ in range(3)]
    await desk.happens()
    await desk.run()
    assert {(await desk.now(each)).failures for each in failing} == {1}
    receiver.hold.clear()
    desk.clock.advance(seconds=6)
    assert await desk.sender.step() == 1
    await desk.add(other.url, "message.received")
    event = await desk.happens(EventKind.MESSAGE_RECEIVED)
    assert await desk.sender.step() == 1
    await other.has(1)
    assert other.ids == [event.id]


async def test_a_crash_between_post_and_mark_posts_again_under_the_same_id(
    desk: Desk, receiver: Receiver
) -> None:
    made = await desk.add(receiver.url)
    event = await desk.happens()
    receiver.hold.clear()
    await desk.sender.step()
    await receiver.has(1)
    await desk.sender.stop(timedelta())
    receiver.hold.set()
    desk.restarted()
    await desk.run()
    assert await desk.states(made) == ["leased"]
    desk.clock.advance(minutes=1)
    await desk.run()
    assert receiver.ids == [event.id, event.id]
    assert receiver.requests[0].body == receiver.requests[1].body
    assert await desk.states(made) == ["done"]
    assert [attempt.attempt for attempt in await desk.attempts(made)] == [2]


async def test_after_a_crash_nobody_waits_for_the_leases_of_the_dead(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url)
    event = await desk.happens()
    receiver.hold.clear()
    await desk.sender.step()
    await receiver.has(1)
    await desk.sender.stop(timedelta())
    receiver.hold.set()
    await desk.restarted().start()
    await desk.run()
    assert await desk.states(made) == ["done"]
    assert receiver.ids == [event.id, event.id]


async def test_an_outcome_that_comes_after_the_lease_changes_nothing(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url)
    await desk.happens()
    receiver.hold.clear()
    await desk.sender.step()
    await receiver.has(1)
    late, successor = desk.sender, desk.restarted()
    desk.clock.advance(minutes=1)
    await successor.step()
    receiver.answers(500, then=204)
    receiver.hold.set()
    await late.idle()
    await successor.idle()
    await desk.run()
    assert await desk.states(made) == ["done"]


async def test_a_post_that_keeps_killing_us_is_given_up(desk: Desk, receiver: Receiver) -> None:
    receiver.hold.clear()
    made = await desk.add(receiver.url)
    await desk.happens()
    for number in range(ATTEMPTS):
        await desk.sender.step()
        await receiver.has(number + 1)
        await desk.sender.stop(timedelta())
        desk.restarted()
        desk.clock.advance(minutes=1)
    await desk.run()
    assert await desk.states(made) == ["failed"]


async def test_both_secrets_sign_during_the_overlap_and_then_the_new_one_alone(
    desk: Desk, receiver: Receiver
) -> None:
    made = await desk.add(receiver.url)
    fresh = await desk.db.transact(
        lambda tx: endpoint_changes.rotate(tx, desk.clock, made.tenant_id, made.id)
    )
    await desk.happens()
    await desk.run()
    await desk.after(hours=24)
    await desk.happens()
    await desk.run()
    during, after = (request.headers["webhook-signature"].split() for request in receiver.requests)
    assert len(during) == 2
    assert len(after) == 1
    assert fresh.secret != desk.secrets[made.id]


async def test_no_secret_and_no_body_is_logged(
    desk: Desk, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    receiver.says(b"HTTP/1.1 500 No\r\nContent-Length: 6\r\n\r\nanswer")
    made = await desk.add(receiver.url + "?token=T0KEN")
    await desk.happens(data={"subject": "of nobody's business"})
    await desk.run()
    assert "attempt 1: answered 500" in caplog.text
    for hidden in (desk.secrets[made.id], "T0KEN", "nobody's business", "answer\n"):
        assert hidden not in caplog.text


async def test_run_outlives_trouble_and_posts_what_happens_meanwhile(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.add(receiver.url)
    event = await desk.happens()
    honest, broken = desk.sender.outbox.step, asyncio.Event()

    async def step() -> bool:
        if not broken.is_set():
            broken.set()
            desk.sender.wake()
            raise RuntimeError("for a moment")
        return await honest()

    monkeypatch.setattr(type(desk.sender.outbox), "step", lambda self: step())
    running = asyncio.create_task(desk.sender.run())
    await receiver.has(1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert receiver.ids == [event.id]


async def test_posts_go_out_while_more_happens_than_is_ever_read(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.add(receiver.url)
    monkeypatch.setattr(outbox, "BATCH", 1)
    honest = type(desk.sender.outbox).step

    async def step(box: Outbox) -> bool:
        await desk.happens()
        await desk.happens()
        return await honest(box)

    monkeypatch.setattr(Outbox, "step", step)
    running = asyncio.create_task(desk.sender.run())
    async with asyncio.timeout(30):
        await receiver.has(3)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await desk.sender.stop(timedelta(seconds=30))


async def test_one_that_takes_its_posts_is_given_more_at_once_until_it_fails(
    desk: Desk, receiver: Receiver
) -> None:
    desk.sender.places = Places(of_endpoint=1, of_endpoint_at_most=3)
    await desk.add(receiver.url)
    assert await _begun_at_once(desk, receiver) == 1
    assert await _begun_at_once(desk, receiver) == 3  # it has taken six; three are the most
    receiver.answers(500, then=204)
    await desk.happens()
    await desk.run()
    desk.clock.advance(minutes=1)
    await desk.run()
    assert await _begun_at_once(desk, receiver) == 2  # it has taken the one that failed, and no more since


async def _begun_at_once(desk: Desk, receiver: Receiver) -> int:
    """Of six posts; they are taken afterwards."""
    for _ in range(6):
        await desk.happens()
    receiver.hold.clear()
    begun = await desk.sender.step()
    receiver.hold.set()
    await desk.sender.idle()
    await desk.run()
    return begun


async def test_a_removed_endpoint_gets_nothing_more(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url)
    await desk.happens()
    await desk.sender.outbox.step()

    async def remove(tx: Transaction) -> None:
        await endpoint_changes.remove(tx, desk.clock, made.tenant_id, made.id)

    await desk.db.transact(remove)
    await desk.happens()
    await desk.run()
    assert not receiver.requests


async def test_while_it_rests_nothing_is_posted_and_what_is_open_ends(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url)
    receiver.hold.clear()
    await desk.happens()
    await desk.sender.step()
    await receiver.has(1)
    resting = asyncio.create_task(desk.sender.pause(timedelta(seconds=30)))
    receiver.hold.set()
    await resting
    assert await desk.states(made) == ["done"]
    await desk.happens()
    assert await desk.sender.step() == 0
    assert await desk.states(made) == ["done"]
    desk.sender.resume()
    await desk.run()
    assert await desk.states(made) == ["done", "done"]
