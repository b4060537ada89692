"""A mailbox whose mail bounces too much is warned of, grows no more, and is paused where we are told to."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from relay.analytics.follower import Follower
from relay.analytics.judging import Judge
from relay.analytics.rollup import Rollup, ask_anew
from relay.config import PolicyConfig, WarmupPlan
from relay.events import log
from relay.events.kinds import EventKind as Kind
from relay.events.turns import Turn
from relay.policy.caps import Caps
from relay.store.database import Database
from relay.tenants import mailboxes
from relay.tenants.directory import Directory
from relay.tenants.mailboxes import Mailbox, MailboxStatus
from tests.fakes.clock import FakeClock
from tests.relay.analytics.ledger import Ledger
from tests.relay.tenants.house import House

pytestmark = pytest.mark.both_engines
OF_THE_HOUSE = (Kind.MAILBOX_RATES_EXCEEDED, Kind.MAILBOX_RATES_RECOVERED, Kind.MAILBOX_PAUSED)


class Office:
    """A mailbox, its mail, and what follows the log."""

    def __init__(self, db: Database, clock: FakeClock, policy: PolicyConfig) -> None:
        self.db, self.clock, self.policy = db, clock, policy
        self.house = House(db, clock, Directory(db, clock))
        self.ledger = Ledger(db, clock, "ten_default")
        self.follower = self.restarted()
        self.mailbox: Mailbox

    def restarted(self) -> Follower:
        judge = Judge(self.db, self.clock, self.policy, self.house.directory)
        return Follower(self.clock, Rollup(self.db, self.clock), judge, Turn(self.db, self.clock, "figures"))

    async def send(self, recipients: int, **ends: int) -> None:
        """So many are delivered, but for those that end otherwise: `bounced=3`."""
        sent = await self.ledger.accept(*["ann@x.test"] * recipients, mailbox=self.mailbox.id)
        bounced, complained = ends.get("bounced", 0), ends.get("complained", 0)
        for which in range(recipients):
            kind = Kind.MESSAGE_BOUNCED if which < bounced else Kind.MESSAGE_DELIVERED
            await self.ledger.ends(sent, kind, which=which)
            if recipients - which <= complained:
                await self.ledger.happens(sent, Kind.MESSAGE_COMPLAINED, which=which)

    async def told(self) -> list[str]:
        """What the log says of its health, in order."""
        events = await log.after(self.db, 0, 10_000)
        return [str(event.kind) for event in events if event.kind in OF_THE_HOUSE]

    async def status(self) -> MailboxStatus:
        found = await mailboxes.find(self.db, self.mailbox.id)
        assert found is not None
        return found.status


OpenOffice = Callable[..., Awaitable[Office]]


@pytest.fixture
async def open_office(db: Database, clock: FakeClock) -> AsyncIterator[OpenOffice]:
    """With settings of the test's own: `open_office(pause_bounce_rate=0.2)`."""
    async with AsyncExitStack() as stack:

        async def open_it(**policy: Any) -> Office:
            office = Office(db, clock, PolicyConfig(**{"rate_minimum": 20, **policy}))
            stack.callback(office.house.directory.close)
            await office.house.add_domain("ours.test")
            office.mailbox = await office.house.add_mailbox("app@ours.test")
            return office

        yield open_it


@pytest.fixture
async def office(open_office: OpenOffice) -> Office:
    """At its defaults."""
    return await open_office()


async def test_bounces_above_the_threshold_are_told_once_and_stop_nothing(office: Office) -> None:
    await office.send(30, bounced=3)
    await office.follower.step()
    await office.send(5, bounced=5)
    await office.restarted().step()
    assert await office.told() == ["mailbox.rates_exceeded"]
    assert await office.status() is MailboxStatus.ACTIVE
    (event,) = [
        event for event in await log.after(office.db, 0, 1000) if event.kind == Kind.MAILBOX_RATES_EXCEEDED
    ]
    assert event.mailbox_id == office.mailbox.id
    assert event.data == {
        "address": "app@ours.test",
        "days": 7,
        "sent": 30,
        "delivered": 27,
        "bounced": 3,
        "complained": 0,
        "bounce_rate": 0.1,
        "complaint_rate": 0.0,
        "exceeded": "bounce_rate",
        "threshold": 0.05,
    }


@pytest.mark.parametrize(
    ("recipients", "ends"),
    [(19, {"bounced": 19}), (20, {"bounced": 2}), (60, {"bounced": 3}), (20, {"complained": 2})],
    ids=["few recipients", "two bounces", "just the threshold", "two complaints"],
)
async def test_few_and_little_are_no_bad_health(
    office: Office, recipients: int, ends: dict[str, int]
) -> None:
    await office.send(recipients, **ends)
    await office.follower.step()
    assert await office.told() == []


async def test_complaints_are_told_of_too(office: Office) -> None:
    await office.send(30, complained=3)
    await office.follower.step()
    assert await office.told() == ["mailbox.rates_exceeded"]


async def test_health_comes_back_when_what_was_bad_is_a_week_ago(office: Office, clock: FakeClock) -> None:
    await office.send(30, bounced=10)
    await office.follower.step()
    clock.advance(days=8)
    await office.send(30)
    await office.follower.step()
    assert await office.told() == ["mailbox.rates_exceeded", "mailbox.rates_recovered"]


async def test_where_the_house_says_so_a_bad_mailbox_is_paused_until_a_person_resumes_it(
    open_office: OpenOffice, clock: FakeClock
) -> None:
    office = await open_office(pause_bounce_rate=0.2, pause_complaint_rate=0.1)
    await office.send(30, bounced=5)
    await office.follower.step()
    assert await office.status() is MailboxStatus.ACTIVE
    await office.send(10, bounced=5)
    await office.follower.step()
    assert await office.status() is MailboxStatus.PAUSED
    assert await office.told() == ["mailbox.rates_exceeded", "mailbox.paused"]

    clock.advance(minutes=10)
    await office.house.change(office.mailbox, status=MailboxStatus.ACTIVE)
    clock.advance(hours=1)
    # What the person has seen is not held against it again: fresh bounces are, when they are enough.
    await office.send(1, bounced=1)
    await office.follower.step()
    assert await office.status() is MailboxStatus.ACTIVE
    await office.send(30, bounced=30)
    await office.follower.step()
    assert await office.status() is MailboxStatus.PAUSED
    kept = await office.db.fetch_all("select actor from audit where action = 'mailbox.paused'")
    assert [row["actor"] for row in kept] == ["system", "system"]
    assert (await office.told())[2:] == [
        "mailbox.rates_recovered",
        "mailbox.rates_exceeded",
        "mailbox.paused",
    ]


async def test_counting_anew_pauses_nobody_for_what_was_judged_long_ago(
    open_office: OpenOffice, clock: FakeClock
) -> None:
    office = await open_office(pause_bounce_rate=0.2)
    await office.send(20, bounced=10)
    await office.follower.step()
    clock.advance(hours=1)
    await office.house.change(office.mailbox, status=MailboxStatus.ACTIVE)
    await office.follower.step()
    told = await office.told()
    await office.db.transact(lambda tx: ask_anew(tx, clock, timedelta(days=365)))
    await office.restarted().step()
    assert await office.status() is MailboxStatus.ACTIVE
    assert await office.told() == told


async def test_a_threshold_of_zero_is_none(open_office: OpenOffice) -> None:
    office = await open_office(warn_bounce_rate=0.0, warn_complaint_rate=0.0)
    await office.send(30, bounced=30)
    await office.follower.step()
    assert await office.told() == []


async def test_a_warm_up_grows_no_more_while_health_is_bad(office: Office, clock: FakeClock) -> None:
    office.mailbox = await office.house.add_mailbox(
        "new@ours.test", warmup=WarmupPlan(table=(50, 60, 70, 80))
    )
    caps = Caps(clock, default_daily_cap=1000, zone=office.policy.cap_timezone)

    async def day(bounced: int) -> int:
        """A day with mail; the cap of the next one."""
        await office.db.transact(lambda tx: caps.reserve(tx, office.mailbox, caps.today(), 30))
        await office.send(30, bounced=bounced)
        await office.follower.step()
        clock.advance(days=1)
        await office.follower.step()
        return (await caps.standing(office.db, office.mailbox)).cap

    assert await day(bounced=0) == 60
    assert await day(bounced=15) == 60
    assert await day(bounced=0) == 60
    clock.advance(days=8)
    await office.follower.step()
    assert await day(bounced=0) == 70


async def test_a_mailbox_that_is_gone_is_judged_no_more(open_office: OpenOffice) -> None:
    office = await open_office(pause_bounce_rate=0.2)
    await office.send(30, bounced=30)
    await office.house.remove(office.mailbox)
    await office.follower.step()
    assert await office.told() == []
    assert await office.db.fetch_all("select * from mailbox_health") == []
