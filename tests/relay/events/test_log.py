"""The log has what happened, in order, exactly if it happened."""

import pytest

from relay.events import log
from relay.events.kinds import BY_NAME, EventKind
from relay.events.log import NewEvent
from relay.store.database import Database, Transaction
from tests.fakes.clock import FakeClock

ME = "ten_default"


async def append(db: Database, clock: FakeClock, kind: EventKind, **more: object) -> None:
    await db.transact(lambda tx: log.append(tx, clock, kind, tenant_id=ME, **more))  # type: ignore[arg-type]


async def test_an_event_is_read_as_it_was_written(db: Database, clock: FakeClock) -> None:
    data = {"recipient": "jörg@example.test", "attempt": 2, "tags": ("a", "b"), "mx": None, "at": clock.now()}
    await append(
        db,
        clock,
        EventKind.MESSAGE_SENT,
        mailbox_id="inb_1",
        message_id="msg_1",
        recipient_id=7,
        data=data,
    )
    (event,) = await log.of_message(db, "msg_1")
    assert event.kind is EventKind.MESSAGE_SENT
    assert event.id.startswith("evt_")
    assert (event.tenant_id, event.mailbox_id, event.recipient_id, event.at) == (ME, "inb_1", 7, clock.now())
    assert event.data == {**data, "tags": ["a", "b"], "at": "2026-03-02T09:00:00Z"}


async def test_an_event_of_work_that_failed_never_happened(db: Database, clock: FakeClock) -> None:
    async def fails(tx: Transaction) -> None:
        await log.append(tx, clock, EventKind.KEY_CREATED, tenant_id=ME)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await db.transact(fails)
    assert await log.after(db, 0, 10) == []
    assert await log.last_seq(db) == 0


async def test_readers_go_on_where_they_stopped(db: Database, clock: FakeClock) -> None:
    events = [NewEvent(EventKind.MESSAGE_ACCEPTED, ME, message_id=f"msg_{number}") for number in range(5)]
    await db.transact(lambda tx: log.append_many(tx, clock, events))

    async def step(name: str, limit: int) -> list[str | None]:
        found = await log.after(db, await log.read_cursor(db, name), limit)
        if found:
            await db.transact(lambda tx: log.move_cursor(tx, name, found[-1].seq))
        return [event.message_id for event in found]

    assert await step("webhooks", 3) == ["msg_0", "msg_1", "msg_2"]
    assert await step("webhooks", 3) == ["msg_3", "msg_4"]
    assert await step("webhooks", 3) == []
    assert await step("analytics", 1) == ["msg_0"]
    assert await log.last_seq(db) == await log.read_cursor(db, "webhooks")


@pytest.mark.parametrize("text", ["caf\udce9", "a\0b", "\ud800"])
async def test_octets_that_are_no_text_do_not_lose_the_event(
    db: Database, clock: FakeClock, text: str
) -> None:
    data = {"from": text, "more": [{"deep": text}], text: 1, "backslash": "\\u0000", "count": 3}
    await append(db, clock, EventKind.MESSAGE_RECEIVED, data=data)
    (event,) = await log.after(db, 0, 10)
    assert "?" in event.data["from"]
    assert event.data["more"] == [{"deep": event.data["from"]}]
    assert event.data["backslash"] == "\\u0000"
    assert event.data["count"] == 3


async def test_a_later_versions_event_is_still_read(db: Database, clock: FakeClock) -> None:
    await append(db, clock, EventKind.MESSAGE_SENT)
    await db.transact(lambda tx: tx.execute("update events set kind = 'message.teleported'"))
    assert [event.kind for event in await log.after(db, 0, 10)] == ["message.teleported"]


async def test_purging_forgets_the_old_in_parts(db: Database, clock: FakeClock) -> None:
    for _ in range(5):
        await append(db, clock, EventKind.MESSAGE_SENT, message_id="msg_gone")
    clock.advance(days=1)
    await append(db, clock, EventKind.MESSAGE_SENT)
    before = int(clock.now().timestamp() * 1_000_000)

    purged = [await db.transact(lambda tx: log.purge(tx, before, limit=3)) for _ in range(3)]
    assert purged == [3, 2, 0]
    assert len(await log.after(db, 0, 10)) == 1


async def test_mail_that_is_under_way_keeps_its_story(db: Database, clock: FakeClock) -> None:
    await append(db, clock, EventKind.MESSAGE_SENT, message_id="msg_1")
    await db.transact(_put_a_held_recipient)
    clock.advance(days=400)
    before = int(clock.now().timestamp() * 1_000_000)
    assert await db.transact(lambda tx: log.purge(tx, before)) == 0

    await db.transact(lambda tx: tx.execute("update recipients set state = 'canceled', settled_at = 1"))
    assert await db.transact(lambda tx: log.purge(tx, before)) == 1


async def _put_a_held_recipient(tx: Transaction) -> None:
    await tx.execute(
        "insert into messages (id, tenant_id, direction, source, reverse_path, header_from, subject,"
        " message_id, size, body_size, is_8bit, needs_utf8, lacks_date, tags, metadata, created_at)"
        " values ('msg_1', $1, 'out', 'smtp', '', '', '', '', 0, 0, 0, 0, 0, '[]', '{}', 0)",
        ME,
    )
    await tx.execute(
        "insert into recipients (id, tenant_id, message_id, position, address, destination, is_local, state,"
        " epoch, attempts, unfinished, delay_noticed)"
        " values (1, $1, 'msg_1', 0, 'a@b.test', 'b.test', 0, 'held', 0, 0, 0, 0)",
        ME,
    )


def test_every_kind_is_noun_dot_participle_and_says_what_it_means() -> None:
    for kind in EventKind:
        noun, _, participle = kind.value.partition(".")
        assert kind.name == f"{noun}_{participle}".upper()
        assert kind.meaning
        assert BY_NAME[kind.value] is kind
