"""Claims: whole messages, longest overdue first, and never a walk through all that is due."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from relay.address import NULL_PATH, POSTMASTER, parse_address
from relay.clock import to_us
from relay.queue import claims, moves, records, rests
from relay.queue.claims import Site
from relay.queue.records import QueuedRecipient
from relay.queue.state import Happening, State
from relay.queue.waits import Limits, cut_waits
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.database import Database, Transaction
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.both_engines

FAR = Site("far.example", False, 0)
LEASE = 30 * 60 * 10**6


def message(name: str) -> Message:
    return Message(
        id=name,
        tenant_id="ten_default",
        mailbox_id=None,
        direction="out",
        source="smtp",
        reverse_path=NULL_PATH,
        header_from="",
        subject="",
        message_id="",
        size=1,
        body_size=1,
        created_at=0,
    )


class Queue:
    """Puts recipients in and claims them."""

    def __init__(self, db: Database, clock: FakeClock) -> None:
        self.db, self.clock = db, clock
        self._number = 0

    @property
    def now(self) -> int:
        return to_us(self.clock.now())

    async def put(
        self, name: str, addresses: Sequence[str], *, due_in: int = 0, local: bool = False
    ) -> list[QueuedRecipient]:
        rows = []
        for position, text in enumerate(addresses):
            self._number += 1
            address = POSTMASTER if text == "postmaster" else parse_address(text)
            rows.append(
                QueuedRecipient(
                    id=self._number,
                    tenant_id="ten_default",
                    message_id=name,
                    mailbox_id=None,
                    position=position,
                    address=address,
                    destination=address.domain,
                    is_local=local,
                    state=State.QUEUED,
                    due_at=self.now + due_in,
                    expires_at=self.now + 10**12,
                )
            )

        async def work(tx: Transaction) -> None:
            await spool.insert(tx, message(name), StoredContent(b"", b"", None))
            await records.enqueue(tx, rows)

        await self.db.transact(work)
        return rows

    async def claim(self, site: Site = FAR, limit: int = 10, owner: str = "us") -> list[QueuedRecipient]:
        return await self.db.transact(
            lambda tx: claims.claim_due(
                tx, site, limit=limit, owner=owner, now=self.now, until=self.now + LEASE
            )
        )

    async def state_of(self, number: int) -> QueuedRecipient:
        (row,) = await records.by_ids(self.db, [number])
        return row


@pytest.fixture
def queue(db: Database, clock: FakeClock) -> Queue:
    return Queue(db, clock)


async def test_a_message_is_claimed_with_all_its_recipients_there_that_are_due(queue: Queue) -> None:
    people = [f"p{number}@far.example" for number in range(40)]
    await queue.put("msg_a", [*people, "x@other.example"])
    claimed = await queue.claim(limit=1)
    assert [str(leased.address) for leased in claimed] == people
    assert {(leased.state, leased.attempts, leased.unfinished, leased.epoch) for leased in claimed} == {
        (State.LEASED, 1, 1, 1)
    }
    assert await queue.claim() == []


async def test_the_longest_overdue_come_first_and_what_is_not_due_does_not_come(queue: Queue) -> None:
    await queue.put("msg_b", ["b@far.example"], due_in=-5)
    await queue.put("msg_c", ["c@far.example"], due_in=1)
    await queue.put("msg_a", ["a@far.example"], due_in=-9)
    assert [leased.message_id for leased in await queue.claim(limit=1)] == ["msg_a"]
    assert [leased.message_id for leased in await queue.claim()] == ["msg_b"]
    assert await queue.claim() == []


async def test_mail_that_stays_in_the_house_is_claimed_apart(queue: Queue) -> None:
    await queue.put("msg_a", ["a@far.example"])
    await queue.put("msg_b", ["b@far.example"], local=True, due_in=-1)
    (site,) = (await claims.survey(queue.db)).sites
    assert site == Site("far.example", True, queue.now - 1)
    assert [leased.message_id for leased in await queue.claim(site)] == ["msg_b"]
    (site,) = (await claims.survey(queue.db)).sites
    assert not site.is_local


async def test_postmaster_alone_can_be_read_back(queue: Queue) -> None:
    await queue.put("msg_a", ["postmaster"], local=True)
    (site,) = (await claims.survey(queue.db)).sites
    (leased,) = await queue.claim(site)
    assert leased.address == POSTMASTER


async def test_what_is_handed_back_paid_no_attempt(queue: Queue) -> None:
    await queue.put("msg_a", ["a@far.example"])
    (leased,) = await queue.claim()
    await queue.db.transact(lambda tx: claims.hand_back(tx, leased))
    row = await queue.state_of(leased.id)
    assert (row.state, row.attempts, row.unfinished) == (State.QUEUED, 0, 0)
    assert len(await queue.claim()) == 1


async def test_an_outcome_under_an_old_lease_changes_nothing(queue: Queue) -> None:
    await queue.put("msg_a", ["a@far.example"])
    (old,) = await queue.claim()
    queue.clock.advance(minutes=31)
    assert await queue.db.transact(lambda tx: claims.end_leases(tx, queue.clock)) == 1

    async def claim_again(tx: Transaction) -> QueuedRecipient | None:
        return await claims.claim_suspect(tx, owner="them", now=queue.now, until=queue.now + LEASE)

    suspect = await queue.db.transact(claim_again)
    assert suspect is not None
    for happening in (Happening.ACCEPTED, Happening.REJECTED):
        assert not await queue.db.transact(lambda tx, it=happening: moves.move(tx, queue.clock, old, it))  # type: ignore[misc]
    await queue.db.transact(lambda tx: claims.end_without_outcome(tx, queue.clock, [old]))
    await queue.db.transact(lambda tx: claims.hand_back(tx, old))
    row = await queue.state_of(old.id)
    assert (row.state, row.lease_owner, row.epoch) == (State.LEASED, "them", suspect.epoch)


async def test_only_leases_that_somebody_works_under_are_extended(queue: Queue) -> None:
    await queue.put("msg_a", ["a@far.example", "b@far.example"])
    kept, forgotten = await queue.claim()
    queue.clock.advance(minutes=20)
    later = queue.now + LEASE
    await queue.db.transact(lambda tx: claims.extend_leases(tx, "us", {kept.id}, later))
    queue.clock.advance(minutes=20)
    await queue.db.transact(lambda tx: claims.end_leases(tx, queue.clock))
    assert (await queue.state_of(kept.id)).state is State.LEASED
    assert (await queue.state_of(forgotten.id)).state is State.QUEUED


async def test_a_rest_holds_up_all_that_would_be_due_at_a_destination_and_nothing_else(queue: Queue) -> None:
    (due,) = await queue.put("msg_a", ["a@far.example"])
    await queue.put("msg_b", ["b@far.example"], due_in=10**9)
    await queue.put("msg_c", ["c@other.example"])
    await queue.put("msg_d", ["d@ours.test"], local=True)
    until = queue.now + 10**6
    await rest(queue, "far.example", until)
    assert await due_at(queue) == {"far.example": until, "other.example": queue.now, "ours.test": queue.now}
    assert (await queue.state_of(due.id)).due_at == until
    stored = await queue.db.fetch_one("select due_at from recipients where id = $1", due.id)
    assert stored is not None
    assert stored["due_at"] == queue.now

    await rest(queue, rests.SMARTHOST, until + 1)
    assert await due_at(queue) == {
        "far.example": until + 1,
        "other.example": until + 1,
        "ours.test": queue.now,
    }


async def test_what_is_due_after_the_rest_keeps_its_time(queue: Queue) -> None:
    await queue.put("msg_a", ["a@far.example"], due_in=10**9)
    await rest(queue, "far.example", queue.now + 10**6)
    assert await due_at(queue) == {"far.example": queue.now + 10**9}


async def test_a_rest_becomes_longer_and_ends_when_somebody_says_so(queue: Queue) -> None:
    await queue.put("msg_a", ["a@far.example"])
    longer = queue.now + 10**7
    for until in (longer, queue.now + 10**6):
        await rest(queue, "far.example", until)
    assert await due_at(queue) == {"far.example": longer}
    await queue.db.transact(lambda tx: rests.end(tx, ["other.example"]))
    assert await due_at(queue) == {"far.example": longer}
    await queue.db.transact(lambda tx: rests.end(tx, ["far.example"]))
    assert await due_at(queue) == {"far.example": queue.now}


async def test_rests_that_are_over_are_forgotten(queue: Queue) -> None:
    await rest(queue, "far.example", queue.now + 10**6)
    queue.clock.advance(minutes=1)
    await rest(queue, "other.example", queue.now + 10**6)
    rows = await queue.db.fetch_all("select destination from site_rests")
    assert [row["destination"] for row in rows] == ["other.example"]


async def test_a_rest_that_was_ordered_while_the_clock_was_ahead_is_cut(queue: Queue) -> None:
    await queue.put("msg_a", ["a@far.example"])
    await rest(queue, "far.example", queue.now + 10**10)
    limits = Limits(due_at=queue.now + 10**9, lease_until=queue.now + 10**9)
    await queue.db.transact(lambda tx: cut_waits(tx, limits, now=queue.now, lease_until=queue.now))
    assert await due_at(queue) == {"far.example": queue.now}


async def rest(queue: Queue, destination: str, until: int) -> None:
    await queue.db.transact(lambda tx: rests.begin(tx, destination, now=queue.now, until=until))


async def due_at(queue: Queue) -> dict[str, int]:
    return {site.destination: site.due_at for site in (await claims.survey(queue.db)).sites}


async def test_suspects_are_tried_side_by_side_one_for_each_destination(queue: Queue) -> None:
    await queue.put("msg_a", ["a@far.example", "b@far.example"])
    await queue.put("msg_c", ["c@other.example"])
    await crash(queue)
    first = await claim_suspect(queue)
    assert first is not None
    other = await claim_suspect(queue, beside=[first.destination])
    assert other is not None
    assert {first.destination, other.destination} == {"far.example", "other.example"}
    both = ["far.example", "other.example"]
    assert await claim_suspect(queue, beside=both) is None
    assert not await claims.has_due_suspect(queue.db, now=queue.now, beside=both)
    assert await claims.has_due_suspect(queue.db, now=queue.now)


async def test_who_was_in_two_crashes_is_tried_when_no_other_suspect_is(queue: Queue) -> None:
    await queue.put("msg_a", ["a@far.example"])
    await crash(queue)
    assert await claim_suspect(queue) is not None
    await queue.db.transact(lambda tx: claims.end_leases(tx, queue.clock, owner="us"))
    await queue.put("msg_b", ["b@other.example"])
    await crash(queue)
    assert await claim_suspect(queue, beside=["other.example"]) is None
    assert await claim_suspect(queue, beside=["third.example"]) is not None  # once in a crash
    twice = await claim_suspect(queue)
    assert twice is not None
    assert (twice.destination, twice.unfinished) == ("far.example", 3)


async def crash(queue: Queue) -> None:
    """Everything that is due is begun, and its node ends without an outcome."""
    for site in (await claims.survey(queue.db)).sites:
        await queue.claim(site)
    await queue.db.transact(lambda tx: claims.end_leases(tx, queue.clock, owner="us"))


async def claim_suspect(queue: Queue, beside: Sequence[str] = ()) -> QueuedRecipient | None:
    return await queue.db.transact(
        lambda tx: claims.claim_suspect(tx, owner="us", now=queue.now, until=queue.now + LEASE, beside=beside)
    )


@pytest.mark.sqlite_only  # it reads SQLite's plan
async def test_a_claim_looks_only_at_what_it_takes(queue: Queue) -> None:
    """The plan: what is due by its index, then the recipients of those messages by theirs."""
    seen: list[str] = []

    class Watched:
        async def fetch_all(self, sql: str, *args: object) -> list[object]:
            seen.append(sql)
            return []

    await claims.claim_due(Watched(), FAR, limit=6, owner="us", now=1, until=2)  # type: ignore[arg-type]
    plan = await queue.db.transact(
        lambda tx: tx.fetch_all(f"explain query plan {seen[0]}", "us", 2, "far.example", 0, 1, 6)
    )
    steps = "\n".join(row["detail"] for row in plan)
    assert "SCAN" not in steps
    assert "recipients_by_message" in steps
    assert "recipients_due (destination=?" in steps


async def test_several_move_together_each_under_its_lease_alone(queue: Queue) -> None:
    for name in "abc":
        await queue.put(f"msg_{name}", [f"{name}@far.example"])
    first, second, third = await queue.claim()
    lost = replace(second, epoch=second.epoch + 1)
    steps = [
        moves.Move(first, Happening.ACCEPTED, mx="mx.far.example", reply="250 2.0.0 ok\0"),
        moves.Move(lost, Happening.REJECTED, reason="no_mailbox"),
        moves.Move(third, Happening.PUT_OFF, due_at=queue.now + 5, reason="unknown", delay_noticed=True),
    ]

    moved = await queue.db.transact(lambda tx: moves.move_together(tx, queue.clock, steps))

    assert moved == [True, False, True]
    delivered, leased, deferred = [await queue.state_of(row.id) for row in (first, second, third)]
    assert (delivered.state, delivered.last_mx, delivered.last_reply, delivered.settled_at) == (
        State.DELIVERED,
        "mx.far.example",
        "250 2.0.0 ok?",
        queue.now,
    )
    assert (delivered.lease_owner, delivered.unfinished, delivered.due_at) == (None, 0, None)
    assert (leased.state, leased.reason) == (State.LEASED, None)
    assert (deferred.state, deferred.due_at, deferred.reason) == (State.DEFERRED, queue.now + 5, "unknown")
    assert (deferred.delay_noticed, deferred.settled_at, deferred.last_reply) == (True, None, None)
