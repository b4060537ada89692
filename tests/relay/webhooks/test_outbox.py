"""Every event is owed once to each endpoint that asks for it, and to no other."""

import json

import pytest

from relay.events import log
from relay.events.kinds import EventKind
from relay.store.database import Transaction
from relay.tenants import tenants
from relay.webhooks import deliveries
from relay.webhooks.outbox import CURSOR, Outbox
from tests.relay.webhooks.desk import Desk

URL = "https://hooks.example/in"


async def feed(desk: Desk) -> None:
    while await desk.sender.outbox.step():
        pass


@pytest.mark.parametrize(
    ("events", "kind", "owed"),
    [
        (("*",), EventKind.DOMAIN_VERIFIED, True),
        (("message.*",), EventKind.MESSAGE_RECEIVED, True),
        (("message.*",), EventKind.DOMAIN_VERIFIED, False),
        (("message.received",), EventKind.MESSAGE_RECEIVED, True),
        (("message.received",), EventKind.MESSAGE_REPLIED, False),
        (("domain.*", "message.replied"), EventKind.MESSAGE_REPLIED, True),
    ],
)
async def test_an_endpoint_gets_the_kinds_that_it_names(
    events: tuple[str, ...], kind: EventKind, owed: bool, desk: Desk
) -> None:
    made = await desk.add(URL, *events)
    await desk.happens(kind)
    await feed(desk)
    assert await desk.states(made) == (["due"] if owed else [])


async def test_an_endpoint_of_one_inbox_gets_no_other_mail(desk: Desk) -> None:
    made = await desk.add(URL, mailbox_id="inb_1")
    await desk.happens(mailbox_id="inb_2")
    await desk.happens(EventKind.DOMAIN_VERIFIED)
    await feed(desk)
    assert await desk.states(made) == []
    await desk.happens(mailbox_id="inb_1")
    await feed(desk)
    assert await desk.states(made) == ["due"]


async def test_events_from_before_an_endpoint_are_not_owed_to_it(desk: Desk) -> None:
    first = await desk.add(URL)
    await desk.happens()
    late = await desk.add(URL, "message.*")
    await desk.happens()
    await feed(desk)
    assert await desk.states(late) == ["due"]
    # The other one was also told that an endpoint was added.
    assert await desk.states(first) == ["due", "due", "due"]


async def test_events_that_nobody_asked_for_are_passed_over_for_good(desk: Desk) -> None:
    for _ in range(3):
        await desk.happens()
    await feed(desk)
    made = await desk.add(URL)
    await feed(desk)
    assert await desk.states(made) == []
    await desk.happens()
    await feed(desk)
    assert await desk.states(made) == ["due"]


async def test_another_tenants_events_are_not_owed(desk: Desk) -> None:
    made = await desk.add(URL)
    stranger = (await desk.db.transact(lambda tx: tenants.add(tx, desk.clock, "Other"))).id
    await desk.happens(tenant_id=stranger)
    await feed(desk)
    assert await desk.states(made) == []


async def test_the_log_read_twice_owes_nothing_twice(desk: Desk) -> None:
    made = await desk.add(URL)
    for _ in range(5):
        await desk.happens()
    await feed(desk)

    async def forget(tx: Transaction) -> None:
        await tx.execute("update cursors set seq = 0 where name = $1", CURSOR)

    await desk.db.transact(forget)
    again = Outbox(desk.db, desk.clock)
    while await again.step():
        pass
    assert await desk.states(made) == ["due"] * 5


async def test_the_cursor_moves_with_what_is_owed_or_not_at_all(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await desk.add(URL)
    event = await desk.happens()
    with monkeypatch.context() as broken:

        async def fail(tx: Transaction, name: str, seq: int) -> None:
            raise RuntimeError("the power went")

        broken.setattr(log, "move_cursor", fail)
        with pytest.raises(RuntimeError):
            await feed(desk)
    assert await desk.states(made) == []
    await feed(desk)
    assert await desk.states(made) == ["due"]
    assert await log.read_cursor(desk.db, CURSOR) == event.seq


async def test_a_long_log_is_read_in_parts_to_its_end(desk: Desk) -> None:
    made = await desk.add(URL)

    async def work(tx: Transaction) -> None:
        events = [log.NewEvent(EventKind.MESSAGE_SENT, "ten_default") for _ in range(1203)]
        await log.append_many(tx, desk.clock, events)

    await desk.db.transact(work)
    await feed(desk)
    assert len(await desk.states(made)) == 1203
    assert await deliveries.waiting(desk.db) == 1203


async def test_the_payload_says_what_the_event_says_and_nothing_internal(desk: Desk) -> None:
    await desk.add(URL)
    event = await desk.happens(
        EventKind.MESSAGE_DEFERRED,
        mailbox_id="inb_1",
        message_id="msg_1",
        data={
            "recipient": "ann@far.example",
            "subject": "grüße \ud800",
            "next_attempt_at": 1_772_442_000_000_000,
            "dialogue": ["EHLO …"],
            "delay_notice": True,
        },
    )
    await feed(desk)
    (row,) = await desk.rows("webhook_deliveries")
    assert json.loads(row["payload"]) == {
        "type": "message.deferred",
        "timestamp": "2026-03-02T09:00:00Z",
        "id": event.id,
        "data": {
            "message_id": "msg_1",
            "inbox_id": "inb_1",
            "recipient": "ann@far.example",
            "subject": "grüße ?",
            "next_attempt_at": "2026-03-02T09:00:00Z",
        },
    }
