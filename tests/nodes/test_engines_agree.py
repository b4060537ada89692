"""Two engines and a model of a few lines: whatever is done, in whatever order, all three say the same."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from relay.address import Address, parse_address
from relay.clock import to_us
from relay.events import log
from relay.policy import allowances
from relay.queue import claims, moves
from relay.queue import records as queue
from relay.queue.claims import CRASHES_UNTIL_HELD, Site
from relay.queue.records import QueuedRecipient
from relay.queue.state import EVENTS, FINAL, Happening, State, next_state
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.database import Database, Transaction
from relay.suppressions import records as suppressions
from relay.tenants import domain_changes, mailbox_changes
from relay.tenants.mailbox_changes import NewMailbox
from relay.tenants.mailboxes import Mailbox
from relay.tenants.tenants import DEFAULT_TENANT
from tests.conftest import open_store_at
from tests.fakes.clock import FakeClock

CAP = 7
DAY = "2026-03-02"
LEASE = 60 * 10**6
SITES = ("far.example", "slow.example")
PEOPLE = [parse_address(f"{name}@{site}") for site in SITES for name in ("ann", "bob")]
OUTCOMES = (
    Happening.ACCEPTED,
    Happening.PUT_OFF,
    Happening.REJECTED,
    Happening.GIVEN_UP,
)
_EMPTIED = ("events", "recipients", "contents", "messages", "cursors", "allowances", "suppressions")


@dataclass
class Engines:
    """Both stores, on one loop, each with one mailbox."""

    loop: asyncio.AbstractEventLoop
    clock: FakeClock
    stores: list[Database]
    mailboxes: list[Mailbox]

    def each(self, ask: Callable[[Database, Mailbox], Awaitable[Any]]) -> Any:
        """What both answer; fails where they do not agree."""

        async def both() -> list[Any]:
            pairs = zip(self.stores, self.mailboxes, strict=True)
            return [await ask(store, mailbox) for store, mailbox in pairs]

        here, there = self.loop.run_until_complete(both())
        assert here == there
        return here


class NoRoom(Exception):
    """The cap is reached: nothing of the transaction is kept."""


class Machine(RuleBasedStateMachine):
    """The model is `rows`, `used`, `suppressed` and `told`."""

    engines: Engines

    leased = Bundle("leased")

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, QueuedRecipient] = {}
        self.used = 0
        self.suppressed: set[Address] = set()
        self.told: list[tuple[str, int | None]] = []
        self.cursors = [0, 0]
        self.heard: list[tuple[str, int | None]] = []
        self.numbers = 0
        self.engines.each(lambda store, _: store.transact(_empty))

    @property
    def now(self) -> int:
        return to_us(self.engines.clock.now())

    @rule(to=st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3, unique=True))
    def accept(self, to: list[Address]) -> None:
        """A message and its allowance, or nothing."""
        self.numbers += 1
        name, now = f"msg_{self.numbers:04}", self.now
        rows = [
            _row(1000 * self.numbers + place, name, place, address, now) for place, address in enumerate(to)
        ]

        async def ask(store: Database, mailbox: Mailbox) -> int | None:
            async def work(tx: Transaction) -> int:
                await spool.insert(tx, _message(name, now), StoredContent(b"", b"", None))
                await queue.enqueue(tx, rows)
                taken = await allowances.take(tx, mailbox, DAY, len(rows), CAP)
                if taken is None:
                    raise NoRoom
                return taken[0]

            try:
                return await store.transact(work, side_by_side=True)
            except NoRoom:
                return None

        fits = self.used + len(rows) <= CAP
        self.used += len(rows) if fits else 0
        assert self.engines.each(ask) == (self.used if fits else None)
        if fits:
            self.rows.update({row.id: row for row in rows})

    @rule(count=st.integers(1, 4))
    def give_back(self, count: int) -> None:
        self.used = max(0, self.used - count)

        async def ask(store: Database, mailbox: Mailbox) -> int:
            await store.transact(lambda tx: allowances.give_back(tx, mailbox.id, DAY, count))
            return await allowances.used_on(store, mailbox.id, DAY)

        assert self.engines.each(ask) == self.used

    @rule(target=leased, site=st.sampled_from(SITES), limit=st.integers(1, 3), owner=st.sampled_from("AB"))
    def claim(self, site: str, limit: int, owner: str) -> Any:
        now = self.now
        due = [
            row
            for row in self.rows.values()
            if row.state in (State.QUEUED, State.DEFERRED)
            and not row.unfinished
            and row.destination == site
            and (row.due_at or 0) <= now
        ]
        first = sorted((row.due_at, row.message_id) for row in due)[:limit]
        messages = {message for _, message in first}
        expected = [_leased(row, owner, now) for row in due if row.message_id in messages]
        claimed = self.engines.each(
            lambda store, _: store.transact(
                lambda tx: claims.claim_due(
                    tx, Site(site, False, 0), limit=limit, owner=owner, now=now, until=now + LEASE
                ),
                side_by_side=True,
            )
        )
        assert sorted(claimed, key=_id) == sorted(expected, key=_id)
        self.rows.update({row.id: row for row in claimed})
        return multiple(*claimed)

    @rule(target=leased, owner=st.sampled_from("AB"))
    def claim_suspect(self, owner: str) -> Any:
        now = self.now
        claimed: QueuedRecipient | None = self.engines.each(
            lambda store, _: store.transact(
                lambda tx: claims.claim_suspect(tx, owner=owner, now=now, until=now + LEASE),
                side_by_side=True,
            )
        )
        suspects = [
            (row.unfinished, row.due_at, row.id)
            for row in self.rows.values()
            if row.state in (State.QUEUED, State.DEFERRED) and row.unfinished and (row.due_at or 0) <= now
        ]
        if claimed is None:
            assert suspects == []
            return multiple()
        before = self.rows[claimed.id]
        assert (before.unfinished, before.due_at, before.id) == min(suspects)
        assert claimed == _leased(before, owner, now)
        self.rows[claimed.id] = claimed
        return claimed

    @rule(lease=leased, happening=st.sampled_from(OUTCOMES), wait=st.integers(0, 90))
    def settle(self, lease: QueuedRecipient, happening: Happening, wait: int) -> None:
        """An outcome counts under its own lease alone, however late it comes."""
        now = self.now
        due_at = now + wait * 10**6 if happening is Happening.PUT_OFF else None
        clock = self.engines.clock
        row = self.rows[lease.id]
        counts = row.state is State.LEASED and row.epoch == lease.epoch
        assert (
            self.engines.each(
                lambda store, _: store.transact(
                    lambda tx: moves.move(tx, clock, lease, happening, due_at=due_at), side_by_side=True
                )
            )
            is counts
        )
        if counts:
            self._move(row, happening, due_at=due_at, unfinished=0)

    @rule()
    def end_leases(self) -> None:
        now, clock = self.now, self.engines.clock
        over = [
            row
            for row in self.rows.values()
            if row.state is State.LEASED and row.lease_until is not None and row.lease_until < now
        ]
        ended = self.engines.each(
            lambda store, _: store.transact(lambda tx: claims.end_leases(tx, clock), side_by_side=True)
        )
        assert ended == len(over)
        for row in over:
            held = row.unfinished >= CRASHES_UNTIL_HELD
            self._move(row, Happening.QUARANTINED if held else Happening.LEASE_ENDED, due_at=now)

    @rule(target=leased, owner=st.sampled_from("AB"))
    def take_over(self, owner: str) -> Any:
        """All nodes stand still past their leases, and one goes on: the outcomes of the others are late."""
        self.engines.clock.advance(seconds=61)
        self.end_leases()
        return self.claim_suspect(owner)

    @rule(seconds=st.sampled_from([1, 30, 61]))
    def time_passes(self, seconds: int) -> None:
        self.engines.clock.advance(seconds=seconds)

    @rule(address=st.sampled_from(PEOPLE))
    def suppress(self, address: Address) -> None:
        clock = self.engines.clock
        is_new = self.engines.each(
            lambda store, _: store.transact(
                lambda tx: suppressions.add(
                    tx, clock, tenant_id=DEFAULT_TENANT, address=address, reason="manual"
                )
            )
        )
        assert is_new is (address not in self.suppressed)
        self.suppressed.add(address)
        if is_new:
            self.told.append(("suppression.created", None))

    @rule(address=st.sampled_from(PEOPLE))
    def unsuppress(self, address: Address) -> None:
        clock = self.engines.clock
        was = self.engines.each(
            lambda store, _: store.transact(
                lambda tx: suppressions.remove(tx, clock, DEFAULT_TENANT, address)
            )
        )
        assert was is (address in self.suppressed)
        self.suppressed.discard(address)
        if was:
            self.told.append(("suppression.removed", None))

    @rule(limit=st.integers(1, 5))
    def follow_the_log(self, limit: int) -> None:
        """Numbers differ, what they order does not."""

        async def read(place: int, store: Database) -> list[tuple[str, int | None]]:
            events = await log.after(store, self.cursors[place], limit)
            self.cursors[place] = events[-1].seq if events else self.cursors[place]
            return [(str(event.kind), event.recipient_id) for event in events]

        places = iter((0, 1))
        self.heard += self.engines.each(lambda store, _: read(next(places), store))
        assert self.heard == self.told[: len(self.heard)]

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        async def ask(store: Database, mailbox: Mailbox) -> Any:
            rows = await queue.by_ids(store, list(self.rows))
            known = await suppressions.suppressed_among(
                store, DEFAULT_TENANT, PEOPLE, None, self.engines.clock.now()
            )
            survey = await claims.survey(store)
            sites = sorted((site.destination, site.due_at) for site in survey.sites)
            return sorted(rows, key=_id), set(known), sites, survey.has_suspects

        rows, known, sites, has_suspects = self.engines.each(ask)
        assert rows == sorted(self.rows.values(), key=_id)
        assert known == self.suppressed
        waiting = [row for row in rows if row.state in (State.QUEUED, State.DEFERRED)]
        assert has_suspects is any(row.unfinished for row in waiting)
        first: dict[str, int] = {}
        for row in waiting:
            if not row.unfinished:
                first[row.destination] = min(row.due_at, first.get(row.destination, row.due_at))
        assert sites == sorted(first.items())

    def _move(self, row: QueuedRecipient, happening: Happening, **changes: Any) -> None:
        state = next_state(row.state, happening)
        if happening is Happening.QUARANTINED:
            changes["reason"] = "quarantine"
        final: dict[str, Any] = {"settled_at": self.now} if state in FINAL else {}
        self.rows[row.id] = replace(row, state=state, lease_owner=None, lease_until=None, **final, **changes)
        kind = EVENTS[happening]
        assert kind is not None
        self.told.append((kind.value, row.id))


def _id(row: QueuedRecipient) -> int:
    return row.id


def _row(number: int, message: str, place: int, address: Address, now: int) -> QueuedRecipient:
    return QueuedRecipient(
        id=number,
        tenant_id=DEFAULT_TENANT,
        message_id=message,
        mailbox_id=None,
        position=place,
        address=address,
        destination=address.domain,
        is_local=False,
        state=State.QUEUED,
        due_at=now,
        expires_at=now + 10**12,
    )


def _message(name: str, now: int) -> Message:
    return Message(
        id=name,
        tenant_id=DEFAULT_TENANT,
        mailbox_id=None,
        direction="out",
        source="smtp",
        reverse_path=parse_address("app@ours.test"),
        header_from="",
        subject="",
        message_id="",
        size=1,
        body_size=0,
        created_at=now,
    )


def _leased(row: QueuedRecipient, owner: str, now: int) -> QueuedRecipient:
    return replace(
        row,
        state=State.LEASED,
        lease_owner=owner,
        lease_until=now + LEASE,
        epoch=row.epoch + 1,
        attempts=row.attempts + 1,
        unfinished=row.unfinished + 1,
    )


async def _empty(tx: Transaction) -> None:
    for table in _EMPTIED:
        await tx.execute(f"delete from {table}")  # noqa: S608 - our own names


async def _mailbox(store: Database, clock: FakeClock) -> Mailbox:
    async def work(tx: Transaction) -> Mailbox:
        domain = await domain_changes.add(tx, clock, DEFAULT_TENANT, "ours.test")
        await domain_changes.assume_verified(tx, clock, domain, receives=False, bounces=False)
        return await mailbox_changes.add(tx, clock, DEFAULT_TENANT, NewMailbox(address="app@ours.test"), None)

    return await store.transact(work)


@pytest.fixture
def engines(postgres_url: str, tmp_path: Path) -> Iterator[Engines]:
    loop, clock = asyncio.new_event_loop(), FakeClock()
    stores: list[Database] = []
    try:
        for engine in ("sqlite", "postgresql"):
            opening = open_store_at(engine, postgres_url, tmp_path, clock)
            stores.append(loop.run_until_complete(opening))
        mailboxes = [loop.run_until_complete(_mailbox(store, clock)) for store in stores]
        yield Engines(loop, clock, stores, mailboxes)
    finally:
        for store in stores:
            loop.run_until_complete(store.close())
        loop.close()


def test_both_engines_do_what_the_model_does(engines: Engines) -> None:
    machine = type("OnBoth", (Machine,), {"engines": engines})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
