"""Mail goes to nobody whom the lists keep out, and who has no lists hardly pays for them."""

from collections.abc import Sequence
from typing import Any

import pytest

from relay.address import parse_address
from relay.lists import Gate, RecipientNotAllowed, records
from relay.store.database import Database, Row, Value, Work
from relay.tenants import domain_changes, mailbox_changes
from relay.tenants.directory import MAX_AGE
from relay.tenants.mailbox_changes import NewMailbox
from relay.tenants.mailboxes import Mailbox
from tests.fakes.clock import FakeClock

ME = "ten_default"
ANN, BOB = parse_address("ann@example.test"), parse_address("bob@example.test")


class Counted:
    """A database that counts what is read."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.reads = 0

    async def fetch_all(self, sql: str, *args: Value) -> Sequence[Row]:
        self.reads += 1
        return await self.db.fetch_all(sql, *args)

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        self.reads += 1
        return await self.db.fetch_one(sql, *args)

    async def transact(self, work: Work[Any], *, intake: bool = False) -> Any:
        return await self.db.transact(work, intake=intake)


@pytest.fixture
async def mailbox(db: Database, clock: FakeClock) -> Mailbox:
    await db.transact(lambda tx: domain_changes.add(tx, clock, ME, "ours.test"))
    new = NewMailbox(address="app@ours.test")
    return await db.transact(lambda tx: mailbox_changes.add(tx, clock, ME, new))


@pytest.fixture
def counted(db: Database) -> Counted:
    return Counted(db)


@pytest.fixture
def gate(counted: Counted, clock: FakeClock) -> Gate:
    return Gate(counted, clock)  # type: ignore[arg-type]  # what is not asked here is not counted


async def block(gate: Gate, clock: FakeClock, entry: str) -> None:
    await gate.change(
        lambda tx: records.add(tx, clock, tenant_id=ME, direction="send", type="block", entry=entry)
    )


async def test_without_lists_one_read_serves_many_messages(
    gate: Gate, counted: Counted, mailbox: Mailbox, clock: FakeClock
) -> None:
    for _ in range(100):
        await gate.check(mailbox, [ANN, BOB])
    assert counted.reads == 1
    clock.advance(seconds=MAX_AGE.total_seconds())
    await gate.check(mailbox, [ANN])
    assert counted.reads == 2


async def test_with_lists_a_message_costs_one_read_and_its_repetition_none(
    gate: Gate, counted: Counted, mailbox: Mailbox, clock: FakeClock
) -> None:
    await block(gate, clock, "other.test")
    await gate.check(mailbox, [ANN])
    counted.reads = 0
    many = [parse_address(f"user{number}@example.test") for number in range(500)]
    await gate.check(mailbox, many)
    assert counted.reads == 1
    await gate.check(mailbox, [ANN, *many])
    assert counted.reads == 1


async def test_a_change_is_seen_at_once(gate: Gate, mailbox: Mailbox, clock: FakeClock) -> None:
    await gate.check(mailbox, [ANN])
    await block(gate, clock, "example.test")
    with pytest.raises(RecipientNotAllowed) as refused:
        await gate.check(mailbox, [parse_address("cy@far.test"), ANN])
    assert refused.value.code == "recipient_not_allowed"
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (550, "5.7.1")
    assert "ann@example.test" in refused.value.reply.text


async def test_a_change_made_elsewhere_is_seen_after_a_while(
    gate: Gate, mailbox: Mailbox, db: Database, clock: FakeClock
) -> None:
    await gate.check(mailbox, [ANN])
    await block(Gate(db, clock), clock, "ann@example.test")
    await gate.check(mailbox, [ANN])
    clock.advance(seconds=MAX_AGE.total_seconds())
    with pytest.raises(RecipientNotAllowed):
        await gate.check(mailbox, [ANN])
