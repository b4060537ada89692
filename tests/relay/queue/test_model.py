"""Recipients against a model: whatever happens to them, in whatever order and however late it is heard of.

The model restates the promises, not the table: what has ended stays ended,
what a person holds does not travel, an outcome counts under its own lease
alone, and every change but a claim has its event.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from relay.address import parse_address
from relay.clock import to_us
from relay.events import log
from relay.queue import claims, moves, records
from relay.queue.claims import CRASHES_UNTIL_HELD, Site
from relay.queue.moves import Selection
from relay.queue.records import QueuedRecipient
from relay.queue.state import Happening, State
from relay.spool import records as spool
from relay.spool.records import StoredContent
from relay.store.database import Transaction
from relay.store.sqlite import open_sqlite
from tests.fakes.clock import FakeClock
from tests.fakes.fresh_store import NO_RESERVE, put_store
from tests.relay.queue.test_claims import message

T = TypeVar("T")
LEASE = 60 * 10**6
HERE = Site("far.example", False, 0)
WAITING = {"scheduled", "queued", "deferred", "held"}
ENDED = {"delivered", "bounced", "expired", "suppressed", "canceled"}
OUTCOMES = {
    Happening.ACCEPTED: ("delivered", "message.delivered"),
    Happening.PUT_OFF: ("deferred", "message.deferred"),
    Happening.REJECTED: ("bounced", "message.bounced"),
    Happening.GIVEN_UP: ("expired", "message.expired"),
}
# What a person or program may ask for, what it makes of whom, and how it is told.
WISHES: dict[Happening, tuple[dict[str, str], str]] = {
    Happening.TAKEN_BACK: (
        dict.fromkeys(("scheduled", "queued", "deferred", "held"), "canceled"),
        "message.canceled",
    ),
    Happening.HELD_BACK: (
        dict.fromkeys(("scheduled", "queued", "deferred", "leased"), "held"),
        "message.held",
    ),
    Happening.LET_GO: ({"held": "queued"}, "message.released"),
    Happening.HURRIED: (dict.fromkeys(("queued", "deferred"), "queued"), "message.released"),
    Happening.FOUND_SUPPRESSED: (dict.fromkeys(("scheduled", "queued"), "suppressed"), "message.suppressed"),
    Happening.BOUNCED_LATE: ({"delivered": "bounced"}, "message.bounced"),
}


@dataclass
class One:
    """What the model knows of a recipient."""

    state: str
    due_at: int | None
    leases: int = 0
    crashes: int = 0
    lease_until: int = 0
    told: list[str] = field(default_factory=list)


class Recipients(RuleBasedStateMachine):
    """`copies` are rows as somebody read them at some time; they get old."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.db = self.runner.run(self._open())
        self.all: dict[int, One] = {}
        self.copies: list[QueuedRecipient] = []

    async def _open(self) -> Any:
        path = put_store(Path(self.directory.name) / "posthouse.db")
        return open_sqlite(path, self.clock, reserve=NO_RESERVE, health_interval=None)

    @property
    def now(self) -> int:
        return to_us(self.clock.now())

    def _do(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async def run() -> T:
            done: T = await self.db.transact(work)
            return done

        return self.runner.run(run())

    def _read(self) -> list[QueuedRecipient]:
        return self.runner.run(records.by_ids(self.db, list(self.all)))

    @rule(count=st.integers(1, 3), wait=st.sampled_from([None, 0, 90]))
    def accept(self, count: int, wait: int | None) -> None:
        """Some now, some for later."""
        number = 1000 * (len(self.all) + 1)
        name, state = f"msg_{number}", "queued" if wait is None else "scheduled"
        due = self.now + (wait or 0) * 10**6
        rows = [
            QueuedRecipient(
                id=number + place,
                tenant_id="ten_default",
                message_id=name,
                mailbox_id=None,
                position=place,
                address=parse_address(f"p{place}@far.example"),
                destination="far.example",
                is_local=False,
                state=State(state),
                due_at=due,
                expires_at=self.now + 10**12,
            )
            for place in range(count)
        ]

        async def work(tx: Transaction) -> None:
            await spool.insert(tx, message(name), StoredContent(b"", b"", None))
            await records.enqueue(tx, rows)

        self._do(work)
        self.all.update({row.id: One(state, due) for row in rows})

    @rule(suspects=st.booleans(), limit=st.integers(1, 3))
    def claim(self, suspects: bool, limit: int) -> None:
        until = self.now + LEASE
        claimed = self._do(
            lambda tx: (
                claims.claim_suspect(tx, owner="us", now=self.now, until=until)
                if suspects
                else claims.claim_due(tx, HERE, limit=limit, owner="us", now=self.now, until=until)
            )
        )
        rows = claimed if isinstance(claimed, list) else [claimed] if claimed else []
        for row in rows:
            one = self.all[row.id]
            assert one.state in ("queued", "deferred")
            assert (one.due_at or 0) <= self.now
            assert bool(one.crashes) is suspects
            one.state, one.leases, one.crashes = "leased", one.leases + 1, one.crashes + 1
            one.lease_until = until
        self.copies += rows

    @rule(place=st.integers(0, 10**6), happening=st.sampled_from(sorted(OUTCOMES)), wait=st.integers(0, 90))
    def outcome(self, place: int, happening: Happening, wait: int) -> None:
        if not (leased := self._leased()):
            return
        row = leased[place % len(leased)]
        one, (state, kind) = self.all[row.id], OUTCOMES[happening]
        due = self.now + wait * 10**6 if happening is Happening.PUT_OFF else None
        counts = one.state == "leased" and one.leases == row.epoch
        assert self._do(lambda tx: moves.move(tx, self.clock, row, happening, due_at=due)) is counts
        if counts:
            one.state, one.due_at, one.crashes = state, due, 0
            one.told.append(kind)

    def _leased(self) -> list[QueuedRecipient]:
        return [row for row in self.copies if row.state is State.LEASED]

    @rule(happening=st.sampled_from(sorted(WISHES)), name=st.integers(0, 10**6))
    def wish(self, happening: Happening, name: int) -> None:
        """For all recipients of one message to whom it can happen."""
        if not self.all:
            return
        message_id = f"msg_{sorted(self.all)[name % len(self.all)] // 1000 * 1000}"
        becomes, kind = WISHES[happening]

        async def work(tx: Transaction) -> list[int]:
            rows = await moves.select_for(tx, Selection(message_id=message_id), happening)
            for row in rows:
                assert await moves.move(tx, self.clock, row, happening, due_at=self.now)
            return [row.id for row in rows]

        of_message = [id_ for id_ in self.all if f"msg_{id_ // 1000 * 1000}" == message_id]
        wanted = [id_ for id_ in of_message if self.all[id_].state in becomes]
        assert self._do(work) == wanted
        for id_ in wanted:
            one = self.all[id_]
            one.state, one.due_at, one.crashes = becomes[one.state], self.now, 0
            one.told.append(kind)

    @rule(place=st.integers(0, 10**6), happening=st.sampled_from(sorted(WISHES)))
    def wish_of_somebody_who_read_it_earlier(self, place: int, happening: Happening) -> None:
        if not self.copies:
            return
        row = self.copies[place % len(self.copies)]
        one, (becomes, kind) = self.all[row.id], WISHES[happening]
        if row.state.value not in becomes:
            return
        counts = one.state == row.state.value and one.leases == row.epoch
        assert self._do(lambda tx: moves.move(tx, self.clock, row, happening, due_at=self.now)) is counts
        if counts:
            one.state, one.due_at, one.crashes = becomes[one.state], self.now, 0
            one.told.append(kind)

    @rule()
    def read(self) -> None:
        self.copies += self._read()

    @rule()
    def release_what_is_due(self) -> None:
        async def work(tx: Transaction) -> list[int]:
            rows = await moves.due_for_release(tx, self.now, 100)
            for row in rows:
                assert await moves.move(tx, self.clock, row, Happening.RELEASED, due_at=self.now)
            return [row.id for row in rows]

        due = {
            id_ for id_, one in self.all.items() if one.state == "scheduled" and (one.due_at or 0) <= self.now
        }
        assert set(self._do(work)) == due
        for id_ in due:
            self.all[id_].state, self.all[id_].due_at = "queued", self.now
            self.all[id_].told.append("message.released")

    @rule()
    def leases_end(self) -> None:
        """A node that died three times with the same recipient in hand shall not die of it again."""
        self._do(lambda tx: claims.end_leases(tx, self.clock))
        for one in self.all.values():
            if one.state == "leased" and one.lease_until < self.now:
                is_held = one.crashes >= CRASHES_UNTIL_HELD
                one.state, one.due_at = ("held", self.now) if is_held else ("queued", self.now)
                one.told.append("message.held" if is_held else "message.deferred")

    @rule(place=st.integers(0, 10**6), happening=st.sampled_from(sorted(OUTCOMES)))
    def is_accepted_and_tried(self, place: int, happening: Happening) -> None:
        self.accept(2, None)
        self.claim(False, 3)
        self.outcome(place, happening, 0)

    @rule(happening=st.sampled_from(sorted(OUTCOMES)), accepts=st.booleans())
    def another_takes_over_and_the_first_comes_late(self, happening: Happening, accepts: bool) -> None:
        if accepts:
            self.accept(1, None)
        self.claim(False, 3)
        self.clock.advance(seconds=61)
        self.leases_end()
        self.claim(True, 1)
        again = [row.id for row in self.copies[-1:] if row.epoch > 1]
        late = [place for place, row in enumerate(self._leased()) if row.id in again]
        if late:
            self.outcome(late[0], happening, 0)

    @rule(seconds=st.sampled_from([1, 61, 120]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        rows = {row.id: row for row in self._read()}
        assert {id_: row.state.value for id_, row in rows.items()} == {
            id_: one.state for id_, one in self.all.items()
        }
        for id_, row in rows.items():
            one = self.all[id_]
            assert row.epoch == one.leases
            assert (row.lease_owner is not None) is (one.state == "leased")
            assert (row.settled_at is not None) is (one.state in ENDED)
            if one.state in ("scheduled", "queued", "deferred"):
                assert row.due_at == one.due_at
        told: dict[int, list[str]] = {id_: [] for id_ in self.all}
        for event in self.runner.run(log.after(self.db, 0, 10_000)):
            if event.recipient_id is not None:
                told[event.recipient_id].append(str(event.kind))
        assert told == {id_: one.told for id_, one in self.all.items()}

    def teardown(self) -> None:
        self.runner.run(self.db.close())
        self.runner.close()
        self.directory.cleanup()


def test_recipients_are_where_the_model_says() -> None:
    run_state_machine_as_test(
        Recipients,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
