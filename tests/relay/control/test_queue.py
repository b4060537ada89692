"""Turning the queue: what changes, what is left alone, and what comes of the allowance."""

from typing import Any

import pytest

from relay.errors import InvalidInput
from relay.queue import listing
from tests.fakes.clock import FakeClock
from tests.relay.control.desk import Desk


async def test_what_is_in_an_attempt_is_left_alone(desk: Desk) -> None:
    message = await desk.sends("bob@far.test", "ann@near.test")
    await desk.leases("far.test")

    for name, status in (
        ("hold", "held"),
        ("release", "queued"),
        ("retry", "queued"),
        ("cancel", "canceled"),
    ):
        turned = await desk.does(f"queue.{name}", message=message)
        assert [each["address"] for each in turned["in_attempt"]] == ["bob@far.test"]
        assert await desk.statuses(message) == {"bob@far.test": "leased", "ann@near.test": status}
    assert await desk.used() == 1


async def test_a_deferred_recipient_is_due_at_once_when_it_is_hurried(desk: Desk, clock: FakeClock) -> None:
    message = await desk.sends("bob@far.test")
    await desk.station.db.transact(
        lambda tx: tx.execute("update recipients set state = 'deferred', due_at = due_at + 3600000000")
    )

    turned = await desk.does("queue.retry", destination="far.test")

    assert turned["changed"] == 1
    [recipient] = (await desk.does("queue.show", message=message))["recipients"]
    assert recipient["status"] == "queued"
    assert recipient["next_attempt_at"] == clock.now().isoformat().replace("+00:00", "Z")
    assert desk.rung[-1] == "queue.retry"


async def test_more_than_one_part_is_turned_once_each(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.control.operations.queue.BATCH", 3)
    message = await desk.sends(*(f"r{number}@far.test" for number in range(8)))

    turned = await desk.does("queue.retry", message=message)
    held = await desk.does("queue.hold", message=message)

    assert (turned["changed"], held["changed"]) == (8, 8)
    explained = await desk.does("message.explain", message=message)
    assert [event["kind"] for event in explained["events"]].count("message.held") == 8


async def test_a_command_is_one_entry_of_the_audit_log_however_many_it_turns(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.control.operations.queue.BATCH", 3)
    message = await desk.sends(*(f"r{number}@far.test" for number in range(8)))

    await desk.does("queue.hold", message=message, destination="far.test")
    await desk.does("queue.hold", message=message)

    [entry] = await desk.does("audit.list", action="queue")
    assert (entry["actor"], entry["actor_id"]) == ("operator", "queue.hold")
    assert (entry["action"], entry["target"]) == ("queue.held", message)
    assert entry["data"] == {"message": message, "destination": "far.test", "changed": 8}


async def test_a_command_that_breaks_off_has_told_what_it_did(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.control.operations.queue.BATCH", 3)
    await desk.sends(*(f"r{number}@far.test" for number in range(8)))
    parts = iter([listing.batch, listing.batch])

    async def two_parts(*arguments: Any) -> Any:
        return await next(parts)(*arguments)

    monkeypatch.setattr("relay.control.operations.queue.listing.batch", two_parts)
    with pytest.raises(RuntimeError):
        await desk.does("queue.cancel", destination="far.test")

    [entry] = await desk.does("audit.list", action="queue.canceled")
    assert entry["data"]["changed"] == 6
    assert await desk.used() == 2


async def test_each_tenant_reads_of_its_own_mail(desk: Desk) -> None:
    await desk.sends("bob@far.test", "ann@far.test", "eve@far.test")
    other = (await desk.does("tenant.add", name="Other"))["id"]
    await desk.station.db.transact(
        lambda tx: tx.execute(
            "update recipients set tenant_id = $1 where address in ('ann@far.test', 'eve@far.test')", other
        )
    )

    await desk.does("queue.hold", destination="far.test")

    for tenant, changed in (("ten_default", 1), (other, 2)):
        [entry] = await desk.does("audit.list", action="queue.held", tenant=tenant)
        assert entry["data"] == {"destination": "far.test", "changed": changed}


async def test_held_mail_gets_a_whole_lifetime_when_it_is_released(desk: Desk, clock: FakeClock) -> None:
    message = await desk.sends("bob@far.test")
    await desk.does("queue.hold", message=message)
    clock.advance(days=30)

    await desk.does("queue.release", message=message)

    row = await desk.station.db.fetch_one("select expires_at - due_at as life from recipients")
    assert row is not None
    assert row["life"] == 5 * 86_400 * 1_000_000


async def test_what_was_scheduled_before_it_was_held_still_waits_for_its_time(
    desk: Desk, clock: FakeClock
) -> None:
    message = await desk.sends("bob@far.test")
    await desk.station.db.transact(
        lambda tx: tx.execute("update recipients set state = 'scheduled', release_day = '2026-03-04'")
    )
    await desk.station.db.transact(lambda tx: tx.execute("update messages set released_at = null"))
    await desk.does("queue.hold", message=message)

    await desk.does("queue.release", message=message)

    [recipient] = (await desk.does("queue.show", message=message))["recipients"]
    assert (recipient["status"], recipient["next_attempt_at"]) == ("scheduled", "2026-03-04T00:00:00Z")


async def test_who_was_suppressed_while_it_was_held_is_not_written_to(desk: Desk) -> None:
    message = await desk.sends("bob@far.test", "ann@far.test")
    await desk.does("queue.hold", message=message)
    await desk.does("suppression.add", address="bob@far.test", reason="complaint")

    await desk.does("queue.release", message=message)

    assert await desk.statuses(message) == {"bob@far.test": "suppressed", "ann@far.test": "queued"}
    assert await desk.used() == 1
    assert (await desk.does("store.verify"))["problems"] == []


async def test_canceling_gives_the_allowance_of_its_day_back(desk: Desk, clock: FakeClock) -> None:
    message = await desk.sends("bob@far.test", "ann@far.test")
    clock.advance(days=1)
    await desk.sends("later@far.test")

    await desk.does("queue.cancel", message=message)

    assert await desk.used() == 1
    rows = await desk.station.db.fetch_all("select day, used from allowances order by day")
    assert [(row["day"], row["used"]) for row in rows] == [("2026-03-02", 0), ("2026-03-03", 1)]


async def test_a_turn_names_what_it_means(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match="name a message, a destination or a mailbox"):
        await desk.does("queue.cancel")
    with pytest.raises(InvalidInput, match="no destination"):
        await desk.does("queue.cancel", destination="no such thing")


async def test_the_store_is_whole_after_every_turn(desk: Desk) -> None:
    message = await desk.sends("bob@far.test", "ann@near.test")
    for name in ("hold", "release", "retry", "hold", "cancel"):
        await desk.does(f"queue.{name}", message=message)
        assert (await desk.does("store.verify"))["problems"] == []
