"""A store from a backup: everything that waited is held, before anybody can find it otherwise."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from relay.config import Config, build_config
from relay.control import restore as room
from relay.control.operations.audit import ListAudit
from relay.control.operations.events import Tail
from relay.control.operations.queue import ListQueue
from relay.control.reach import perform_here
from relay.control.registry import Nothing
from relay.control.restore import restore
from relay.errors import AlreadyExists, PosthouseError
from tests.fakes.clock import FakeClock
from tests.relay.control.desk import Desk

STATES = {
    "scheduled@far.test": "state = 'scheduled'",
    "queued@far.test": "state = 'queued'",
    "deferred@far.test": "state = 'deferred', attempts = 3",
    "leased@far.test": "state = 'leased', lease_owner = 'x', lease_until = due_at, epoch = 1, attempts = 1",
    "held@far.test": "state = 'held', reason = 'approval', due_at = null",
    "delivered@far.test": "state = 'delivered', settled_at = due_at, due_at = null",
}


@pytest.fixture
async def backup(desk: Desk, tmp_path: Path) -> Path:
    """A backup of one message with a recipient in every state."""
    await desk.sends(*STATES)
    for address, state in STATES.items():
        sql = f"update recipients set {state} where address = '{address}'"  # noqa: S608
        await desk.station.db.transact(partial(_execute, sql))
    target = tmp_path / "b.tar"
    await desk.does("store.backup", file=str(target))
    return target


async def _execute(sql: str, tx: Any) -> None:
    await tx.execute(sql)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Config:
    """Where there is no store yet."""
    data_dir = tmp_path / "elsewhere"
    return build_config({"server.data_dir": str(data_dir), "store.min_free": "0B"}, base=tmp_path)


async def test_all_that_waited_is_held_and_what_was_done_is_done(
    backup: Path, elsewhere: Config, clock: FakeClock
) -> None:
    clock.advance(timedelta(hours=1))

    done = await asyncio.to_thread(restore, elsewhere, backup, clock)

    assert done["held"] == 4
    listed = await perform_here(elsewhere, "event.last", Tail(lines=100), clock=clock)
    held = [event["data"]["recipient"] for event in listed if event["kind"] == "message.held"]
    assert sorted(held) == ["deferred@far.test", "leased@far.test", "queued@far.test", "scheduled@far.test"]
    found = await perform_here(elsewhere, "queue.list", ListQueue(), clock=clock)
    assert {each["address"]: (each["status"], each["reason"]) for each in found["recipients"]} == {
        **{address: ("held", "restored") for address in held},
        "held@far.test": ("held", "approval"),
    }


async def test_dying_while_the_mail_is_being_held_leaves_no_store(
    backup: Path, elsewhere: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object) -> int:
        raise RuntimeError("killed")

    monkeypatch.setattr(room, "_hold_some", dies)
    with pytest.raises(RuntimeError):
        await asyncio.to_thread(restore, elsewhere, backup, clock)

    assert elsewhere.store_file is not None
    assert not elsewhere.store_file.exists()
    monkeypatch.undo()
    assert (await asyncio.to_thread(restore, elsewhere, backup, clock))["held"] == 4


async def test_more_than_one_part_is_held(
    backup: Path, elsewhere: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "BATCH", 1)

    assert (await asyncio.to_thread(restore, elsewhere, backup, clock))["held"] == 4
    [entry] = await perform_here(elsewhere, "audit.list", ListAudit(action="queue"), clock=clock)
    assert (entry["action"], entry["actor_id"]) == ("queue.held", "restore")
    assert entry["data"] == {"reason": "restored", "changed": 4}


async def test_a_restored_store_is_replaced_only_on_request(
    backup: Path, elsewhere: Config, clock: FakeClock
) -> None:
    await asyncio.to_thread(restore, elsewhere, backup, clock)

    with pytest.raises(AlreadyExists):
        await asyncio.to_thread(restore, elsewhere, backup, clock)
    await asyncio.to_thread(partial(restore, elsewhere, backup, clock, replace=True))
    assert (await perform_here(elsewhere, "stats", Nothing(), clock=clock))["queue"]["recipients"] == 5


async def test_a_store_away_from_its_bodies_is_not_restored(
    backup: Path, tmp_path: Path, clock: FakeClock
) -> None:
    url = f"sqlite:///{tmp_path / 'away' / 'posthouse.db'}"
    config = build_config({"store.url": url, "server.data_dir": str(tmp_path / "here")}, base=tmp_path)

    with pytest.raises(PosthouseError, match="is not in"):
        await asyncio.to_thread(restore, config, backup, clock)

    assert not (tmp_path / "away" / "posthouse.db").exists()


async def test_a_store_of_another_kind_is_not_restored_here(tmp_path: Path, clock: FakeClock) -> None:
    config = build_config({"store.url": "postgresql://posthouse@127.0.0.1:1/posthouse"}, base=tmp_path)

    with pytest.raises(PosthouseError, match="PostgreSQL"):
        restore(config, tmp_path / "b.tar", clock)
    with pytest.raises(PosthouseError, match="out of reach"):
        await perform_here(config, "stats", Nothing(), clock=clock)
