"""Figures are what a plain count of the log gives: each event once, whoever counts and wherever it dies."""

import asyncio
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.analytics import rollup as rollup_module
from relay.analytics.buckets import bucket_of
from relay.analytics.rollup import CURSOR, OTHERS, Rollup, ask_anew
from relay.clock import to_us
from relay.events import log
from relay.events.kinds import EventKind as Kind
from relay.store.database import Database
from relay.tenants import tenants
from tests.fakes.clock import FakeClock
from tests.relay.analytics.ledger import HOUR, Ledger, Sent, Table, count, table, times, total

pytestmark = pytest.mark.both_engines
KEPT = timedelta(days=365)


@pytest.fixture
def ledger(db: Database, clock: FakeClock) -> Ledger:
    return Ledger(db, clock, "ten_default")


@pytest.fixture
def rollup(db: Database, clock: FakeClock) -> Rollup:
    return Rollup(db, clock)


async def test_a_message_is_counted_by_all_that_it_has_in_common(ledger: Ledger, rollup: Rollup) -> None:
    facts: dict[str, Any] = {"tags": ("welcome", "blue"), "template_id": "tmp_1", "mailbox": "inb_7"}
    sent = await ledger.accept("ann@gmail.com", "bob@firm.example", **facts)
    await ledger.ends(sent, Kind.MESSAGE_DELIVERED)
    await ledger.ends(sent, Kind.MESSAGE_BOUNCED, which=1)
    await count(rollup)
    everything = {"accepted": 2, "sent": 2, "delivered": 1, "bounced": 1}
    for facet, value in (
        ("all", ""),
        ("domain", "ours.test"),
        ("tag", "welcome"),
        ("tag", "blue"),
        ("template", "tmp_1"),
        ("mailbox", "inb_7"),
    ):
        assert await total(ledger.db, ledger.tenant_id, facet, value) == everything
    assert await total(ledger.db, ledger.tenant_id, "provider", "gmail") == {"sent": 1, "delivered": 1}
    assert await total(ledger.db, ledger.tenant_id, "provider", "other") == {"sent": 1, "bounced": 1}


async def test_a_recipient_is_sent_to_once_however_many_attempts_it_takes(
    ledger: Ledger, rollup: Rollup
) -> None:
    sent = await ledger.accept("ann@gmail.com")
    await ledger.ends(sent, Kind.MESSAGE_DEFERRED)
    await ledger.ends(sent, Kind.MESSAGE_DEFERRED, attempt=2)
    # It waits behind a destination that nobody reaches, without an attempt of its own.
    await ledger.happens(sent, Kind.MESSAGE_DEFERRED, scope="site")
    await ledger.ends(sent, Kind.MESSAGE_DELIVERED, attempt=3)
    await count(rollup)
    counted = await total(ledger.db, ledger.tenant_id)
    assert counted == {"accepted": 1, "sent": 1, "deferred": 3, "delivered": 1}


async def test_an_attempt_that_died_was_one_all_the_same(ledger: Ledger, rollup: Rollup) -> None:
    sent = await ledger.accept("ann@gmail.com")
    await ledger.happens(sent, Kind.MESSAGE_DEFERRED, attempt=1, attempts_without_outcome=1)
    await ledger.ends(sent, Kind.MESSAGE_DELIVERED, attempt=2)
    await count(rollup)
    assert (await total(ledger.db, ledger.tenant_id))["sent"] == 1


async def test_opens_and_clicks_count_once_a_recipient_and_never_for_machines(
    ledger: Ledger, rollup: Rollup
) -> None:
    sent = await ledger.accept("ann@gmail.com", "bob@gmail.com")
    await ledger.happens(sent, Kind.MESSAGE_OPENED, machine=True)
    await count(rollup)
    for _ in range(3):
        await ledger.happens(sent, Kind.MESSAGE_OPENED, machine=False)
        await ledger.happens(sent, Kind.MESSAGE_CLICKED)
        await count(rollup)
    await ledger.happens(sent, Kind.MESSAGE_OPENED, which=1)
    await ledger.happens(sent, Kind.MESSAGE_OPENED, which=1)
    await count(rollup)
    assert await total(ledger.db, ledger.tenant_id) == {"accepted": 2, "opened": 2, "clicked": 1}


@pytest.mark.parametrize("facts", [{"is_test": True}, {"mailbox": None}, {"direction": "in"}])
async def test_trials_and_our_own_reports_are_not_counted(
    facts: dict[str, Any], ledger: Ledger, rollup: Rollup
) -> None:
    sent = await ledger.accept("ann@gmail.com", **facts)
    await ledger.ends(sent, Kind.MESSAGE_DELIVERED)
    await count(rollup)
    assert await table(ledger.db, ledger.tenant_id) == {}


async def test_time_to_delivery_counts_from_when_the_mail_began_to_travel(
    ledger: Ledger, rollup: Rollup, clock: FakeClock
) -> None:
    released = to_us(clock.now() + timedelta(hours=3))
    sent = await ledger.accept("ann@gmail.com", released_at=released)
    clock.advance(hours=3, seconds=2)
    await ledger.ends(sent, Kind.MESSAGE_DELIVERED)
    await count(rollup)
    (bucket,) = {key[-1] for key in await times(ledger.db, ledger.tenant_id)}
    assert bucket == bucket_of(2_000_000)


async def test_what_two_count_at_once_is_counted_once(ledger: Ledger, db: Database, clock: FakeClock) -> None:
    for _ in range(5):
        await ledger.ends(await ledger.accept("ann@gmail.com"), Kind.MESSAGE_DELIVERED)
    counting = [Rollup(db, clock) for _ in range(4)]
    await asyncio.gather(*map(count, counting))
    assert await total(db, ledger.tenant_id) == {"accepted": 5, "sent": 5, "delivered": 5}


async def test_tags_beyond_a_days_bound_are_counted_together(
    ledger: Ledger, rollup: Rollup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_module, "VALUES_A_DAY", 6)
    for number in range(9):
        await ledger.accept("ann@gmail.com", tags=(f"order-{number}",))
        if number % 4 == 0:
            await count(rollup)
    # What has its row keeps it; a message with two surplus tags is one message.
    await ledger.accept("ann@gmail.com", tags=("order-0", "new-1", "new-2"))
    await count(rollup)
    found = {
        value: counts
        for (span, facet, value, _), counts in (await table(ledger.db, ledger.tenant_id)).items()
        if (span, facet) == ("hour", "tag")
    }
    assert len(found) == 7
    assert found["order-0"] == {"accepted": 2}
    assert found[OTHERS] == {"accepted": 4}


MESSAGES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["ann@gmail.com", "bob@yahoo.co.uk", "eve@x.test"]), min_size=1, max_size=3),
        st.lists(st.sampled_from(["a", "b", "c"]), max_size=3),
        st.sampled_from(["inb_1", "inb_2"]),
        st.sampled_from([None, "tmp_1"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)
HAPPENINGS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 2),
        st.sampled_from(
            [
                *(Kind.MESSAGE_DELIVERED, Kind.MESSAGE_DEFERRED, Kind.MESSAGE_BOUNCED, Kind.MESSAGE_OPENED),
                *(Kind.MESSAGE_CLICKED, Kind.MESSAGE_COMPLAINED, Kind.MESSAGE_UNSUBSCRIBED),
            ]
        ),
        st.sampled_from([1, 40, 1500]),
        st.booleans(),
    ),
    max_size=25,
)
_ATTEMPTS = (Kind.MESSAGE_DELIVERED, Kind.MESSAGE_DEFERRED, Kind.MESSAGE_BOUNCED)
_BY_HAND = {"ann@gmail.com": "gmail", "bob@yahoo.co.uk": "yahoo", "eve@x.test": "other"}


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(messages=MESSAGES, happenings=HAPPENINGS, batch=st.integers(1, 7))
async def test_figures_are_a_plain_count_of_what_happened_and_counting_anew_gives_the_same(
    db: Database, messages: list[Any], happenings: list[Any], batch: int
) -> None:
    clock = FakeClock()
    tenant = await db.transact(lambda tx: tenants.add(tx, clock, "One of many"))
    ledger, rollup, hand = Ledger(db, clock, tenant.id), Rollup(db, clock), Hand()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollup_module, "BATCH", batch)
        sent = []
        for addresses, tags, mailbox, template, is_test in messages:
            facts = {"tags": tuple(tags), "mailbox": mailbox, "template_id": template, "is_test": is_test}
            sent.append(await ledger.accept(*addresses, **facts))
            hand.add(sent[-1], to_us(clock.now()), "accepted", None, len(addresses))
        attempts: Counter[int] = Counter()
        for message, which, kind, minutes, is_machine in happenings:
            clock.advance(minutes=minutes)
            about = sent[message % len(sent)]
            which %= len(about.recipients)
            number, address = about.recipients[which]
            now, name = to_us(clock.now()), kind.value.partition(".")[2]
            if kind in _ATTEMPTS:
                attempts[number] += 1
                await ledger.ends(about, kind, which=which, attempt=attempts[number])
                hand.add(about, now, name, address, 1)
                if attempts[number] == 1:
                    hand.add(about, now, "sent", address, 1)
            else:
                await ledger.happens(about, kind, which=which, machine=is_machine)
                if not is_machine and hand.is_first(number, name):
                    hand.add(about, now, name, address, 1)
            if minutes == 40:
                await count(rollup)
        await count(rollup)
    assert await table(db, ledger.tenant_id) == hand.table()
    histograms = await times(db, ledger.tenant_id)
    await db.transact(lambda tx: ask_anew(tx, clock, KEPT))
    await count(Rollup(db, clock))
    assert await table(db, ledger.tenant_id) == hand.table()
    assert await times(db, ledger.tenant_id) == histograms


class Hand:
    """The same rules, kept by hand."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str, int], Counter[str]] = defaultdict(Counter)
        self.seen: set[tuple[int, str]] = set()

    def is_first(self, number: int, name: str) -> bool:
        before = len(self.seen)
        self.seen.add((number, name))
        return len(self.seen) > before

    def add(self, sent: Sent, at: int, name: str, address: str | None, many: int) -> None:
        message = sent.message
        if message.is_test:
            return
        under = [("all", ""), ("domain", "ours.test"), ("mailbox", str(message.mailbox_id))]
        under += [("tag", tag) for tag in set(message.tags)]
        under += [("template", message.template_id)] if message.template_id else []
        under += [("provider", _BY_HAND[address])] if address else []
        for facet, value in under:
            self.rows["hour", facet, value, at // HOUR * HOUR][name] += many
            self.rows["day", facet, value, at // (24 * HOUR) * (24 * HOUR)][name] += many

    def table(self) -> Table:
        return {place: dict(counts) for place, counts in self.rows.items()}


async def test_counting_anew_keeps_what_is_older_than_the_log(
    ledger: Ledger, rollup: Rollup, clock: FakeClock
) -> None:
    await ledger.ends(await ledger.accept("ann@gmail.com"), Kind.MESSAGE_DELIVERED)
    clock.advance(days=40)
    young = await ledger.accept("bob@gmail.com")
    await ledger.ends(young, Kind.MESSAGE_DELIVERED)
    await count(rollup)
    before = await table(ledger.db, ledger.tenant_id)
    month = to_us(clock.now() - timedelta(days=30))
    await ledger.db.transact(lambda tx: log.purge(tx, month))
    await ledger.db.transact(lambda tx: ask_anew(tx, clock, timedelta(days=30)))
    await count(Rollup(ledger.db, clock))
    assert await table(ledger.db, ledger.tenant_id) == before
    assert len(before) == 4 * 2 * 2


async def test_counting_anew_that_is_cut_short_goes_on_with_whoever_comes_next(
    ledger: Ledger, rollup: Rollup, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_module, "CLEARED_AT_ONCE", 3)
    for _ in range(4):
        await ledger.ends(await ledger.accept("ann@gmail.com", tags=("x",)), Kind.MESSAGE_DELIVERED)
        clock.advance(hours=1)
    await count(rollup)
    before = await table(ledger.db, ledger.tenant_id)
    await ledger.db.transact(lambda tx: ask_anew(tx, clock, KEPT))
    await rollup.step()
    # Half is gone; what a counter had in hand from before is not added to it.
    assert await log.read_cursor(ledger.db, CURSOR) == -1
    await count(Rollup(ledger.db, clock))
    assert await table(ledger.db, ledger.tenant_id) == before


async def test_what_comes_while_it_counts_waits_for_the_next_round(
    ledger: Ledger, rollup: Rollup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_module, "BATCH", 2)
    for _ in range(3):
        await ledger.ends(await ledger.accept("ann@gmail.com"), Kind.MESSAGE_DELIVERED)
    # Three acceptances and three deliveries; no more is known to be there after the third step.
    assert [await rollup.step() for _ in range(4)] == [True, True, True, False]
    await ledger.accept("ann@gmail.com")
    assert await rollup.step() is False
    assert await rollup.step() is False
