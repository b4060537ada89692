"""verify finds each kind of damage, and tells where."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.relay.control.desk import Desk


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("delete from contents", "has no content"),
        ("delete from recipients", "has no recipients"),
        ("update contents set body = x'00'", "its body has 1 octets instead of"),
        (
            "update contents set body = cast('x' || substr(body, 2) as blob)",
            "is not the one that was accepted",
        ),
        ("update contents set header = cast(header || 'X-A: b' as blob)", "its header has"),
        ("update contents set body_file = '00/msg_0000'", "has two bodies: one in its row, one in a file"),
        ("update contents set body = null", "recipients wait, but its body is gone"),
        ("update contents set body = null, body_file = '00/msg_0000'", "is missing"),
        ("update recipients set state = 'lost'", "is in a state that there is not"),
        ("update recipients set due_at = null", "waits, but not for any time"),
        ("update recipients set state = 'leased'", "is leased, but to nobody"),
        ("update recipients set lease_owner = 'x'", "has a lease, but is in no attempt"),
        ("update recipients set lease_until = 1", "has a lease, but is in no attempt"),
        ("update recipients set state = 'delivered'", "is finished, but not since when"),
        ("update recipients set settled_at = 1", "waits, but is said to be finished"),
        (
            "update recipients set state = 'delivered', settled_at = 1",
            "is delivered, but its last event is missing",
        ),
        ("update recipients set state = 'held', reason = 'x'", "is held, but its last event is missing"),
        ("update allowances set used = used + 1", "2 counted on 2026-03-02, but 1 recipients"),
        ("update recipients set release_day = '2026-03-03'", "0 counted on 2026-03-03, but 1 recipients"),
        ("update recipients set tenant_id = 'ten_x'", "is one tenant's, and another has its recipients"),
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


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("delete from messages", r"row \d+ of contents refers to a missing row of messages"),
        ("update recipients set message_id = 'msg_x'", r"row \d+ of recipients refers to a missing row"),
        ("delete from tenants", r"row \d+ of domains refers to a missing row of tenants"),
        (
            "delete from recipients; delete from contents; delete from messages",
            r"event evt_\w+ \(message.accepted\) tells of msg_\w+, which is not there",
        ),
    ],
)
async def test_what_only_another_program_could_have_done_is_found(desk: Desk, damage: str, told: str) -> None:
    """The engine itself refuses these to us."""
    await desk.sends("bob@far.test")
    assert desk.station.config.store_file is not None
    with closing(sqlite3.connect(desk.station.config.store_file)) as other:
        other.executescript(damage)
    found = await desk.does("store.verify")
    assert re.search(told, "\n".join(found["problems"]))


@pytest.mark.sqlite_only
async def test_a_row_that_its_index_does_not_know_is_found(desk: Desk) -> None:
    """The index is hidden while a row is written, and shown again."""
    assert desk.station.config.store_file is not None
    with closing(sqlite3.connect(desk.station.config.store_file, isolation_level=None)) as other:
        index = "type = 'index' and name = 'drafts_by_mailbox'"
        other.execute("pragma writable_schema = on")
        (hidden,) = other.execute(f"select rootpage, sql from sqlite_master where {index}").fetchall()  # noqa: S608
        other.execute(f"delete from sqlite_master where {index}")  # noqa: S608
        other.execute("pragma writable_schema = reset")
        other.execute(
            "insert into drafts (id, tenant_id, mailbox_id, kind, content, created_at, updated_at)"
            " values ('dft_x', 'ten_default', 'con_x', 'new', '{}', 0, 0)"
        )
        other.execute("pragma writable_schema = on")
        other.execute(
            "insert into sqlite_master (type, name, tbl_name, rootpage, sql)"
            " values ('index', 'drafts_by_mailbox', 'drafts', ?, ?)",
            hidden,
        )
        other.execute("pragma writable_schema = reset")

    problems = (await desk.does("store.verify"))["problems"]

    assert "row 1 missing from index drafts_by_mailbox" in problems


async def test_a_body_file_that_was_changed_is_found(desk: Desk) -> None:
    await desk.does("message.send", sender="app@example.test", to=["bob@far.test"], text="x" * 200_000)
    [name] = desk.station.shelf.names()
    with desk.station.shelf.path(name).open("r+b") as file:
        file.seek(150_000)
        file.write(b"y")

    [problem] = (await desk.does("store.verify"))["problems"]

    assert "is not the one that was accepted" in problem


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ("'leased', 1, null, null", "is leased for ever"),
        ("'due', 1, 1, null", "has a lease, but is in no attempt"),
        ("'done', 1, null, null", "is finished, but not since when"),
        ("'due', 1, null, 1", "waits, but is said to be finished"),
        ("'due', -1, null, null", "counts less than nothing"),
        ("'done', 1, null, 1", ""),
    ],
)
async def test_posts_that_contradict_themselves_are_found(desk: Desk, values: str, told: str) -> None:
    endpoint = (
        "insert into webhook_endpoints (id, tenant_id, url, label, events, status, secret, failures,"
        " from_seq, created_at) values ('wh_x', 'ten_default', '', '', '[]', 'active', '', 0, 0, 1)"
    )
    post = (
        "insert into webhook_deliveries (number, endpoint_id, tenant_id, event_id, kind, payload, due_at,"  # noqa: S608
        " created_at, state, attempts, lease_until, settled_at)"
        f" values (1, 'wh_x', 'ten_default', 'evt_x', 'message.sent', '', 1, 1, {values})"
    )
    for statement in (endpoint, post):
        await desk.station.db.transact(lambda tx, each=statement: tx.execute(each))  # type: ignore[misc]
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
