"""verify finds each kind of damage, and tells where."""

from pathlib import Path

import pytest

from tests.relay.control.desk import Desk


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("delete from contents", "has no content"),
        ("delete from recipients", "has no recipients"),
        ("update contents set body = x'00'", "its body has 1 octets instead of"),
        ("update contents set body = null", "recipients wait, but its body is gone"),
        ("update contents set body = null, body_file = '00/msg_0000'", "is missing"),
        ("update recipients set state = 'lost'", "is in a state that there is not"),
        ("update recipients set due_at = null", "waits, but not for any time"),
        ("update recipients set state = 'leased'", "is leased, but to nobody"),
        ("update recipients set lease_owner = 'x'", "has a lease, but is in no attempt"),
        ("update recipients set state = 'delivered'", "is finished, but not since when"),
        ("update recipients set settled_at = 1", "waits, but is said to be finished"),
        (
            "update recipients set state = 'delivered', settled_at = 1",
            "is delivered, but its last event is missing",
        ),
        ("update recipients set state = 'held', reason = 'x'", "is held, but its last event is missing"),
        ("update allowances set used = used + 1", "2 counted on 2026-03-02, but 1 recipients"),
        ("delete from allowances", "0 counted on 2026-03-02, but 1 recipients"),
        ("insert into cursors (name, seq) values ('notify', 999)", "reader notify is at event 999"),
        ("update messages set mailbox_id = 'x', tenant_id = 'x' where 0", ""),
    ],
)
async def test_damage_is_found(desk: Desk, damage: str, told: str) -> None:
    await desk.sends("bob@far.test")
    assert (await desk.does("store.verify"))["whole"] is True

    await desk.station.db.transact(lambda tx: tx.execute(damage))
    found = await desk.does("store.verify")

    assert found["whole"] is (told == "")
    assert told in "\n".join(found["problems"])


async def test_a_body_file_of_another_size_is_found(desk: Desk) -> None:
    await desk.does("message.send", sender="app@example.test", to=["bob@far.test"], text="x" * 200_000)
    [name] = desk.station.shelf.names()
    desk.station.shelf.path(name).write_bytes(b"short")

    [problem] = (await desk.does("store.verify"))["problems"]

    assert "has 5 octets instead of" in problem


async def test_a_file_without_a_message_does_no_harm(desk: Desk) -> None:
    orphan: Path = desk.station.shelf.path("00/msg_0000")
    orphan.parent.mkdir()
    orphan.write_bytes(b"x")

    found = await desk.does("store.verify")

    assert found["whole"] is True
    assert "00/msg_0000" in found["notes"][0]


async def test_history_that_retention_has_purged_is_not_missed(desk: Desk) -> None:
    message = await desk.sends("bob@far.test")
    await desk.does("queue.cancel", message=message)
    await desk.station.db.transact(lambda tx: tx.execute("delete from events"))

    assert (await desk.does("store.verify"))["problems"] == []


async def test_much_damage_of_one_kind_is_told_in_short(desk: Desk) -> None:
    for number in range(30):
        address = f"m{number}@example.test"
        await desk.does("mailbox.add", address=address)
        await desk.does("message.send", sender=address, to=["bob@far.test"], text="x")
    await desk.station.db.transact(lambda tx: tx.execute("delete from allowances"))

    problems = (await desk.does("store.verify"))["problems"]

    assert len(problems) == 21
    assert problems[-1] == "… and 10 more of the kind"
