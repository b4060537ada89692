"""The cap holds, whoever races for it; it comes back at midnight, and is given back for mail not sent."""

import asyncio
import re
from datetime import timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config import WarmupPlan
from relay.events import log
from relay.policy import caps as caps_module
from relay.policy.caps import Caps, DailyCapReached, Reservation, WarmupCapReached
from relay.store.database import Transaction
from relay.store.sqlite import open_sqlite
from relay.tenants.directory import Directory
from relay.tenants.mailboxes import Mailbox
from tests.fakes.clock import FakeClock
from tests.fakes.fresh_store import NO_RESERVE, put_store
from tests.relay.tenants.house import House

MONDAY = "2026-03-02"
TUESDAY = "2026-03-03"


@pytest.fixture
def caps(clock: FakeClock) -> Caps:
    return Caps(clock, default_daily_cap=75, zone=ZoneInfo("UTC"))


async def reserve(house: House, caps: Caps, mailbox: Mailbox, count: int, day: str = MONDAY) -> Reservation:
    return await house.db.transact(lambda tx: caps.reserve(tx, mailbox, day, count))


async def kinds_of(house: House) -> list[str]:
    return [event.kind for event in await log.after(house.db, 0, 1000) if event.mailbox_id is not None]


@pytest.mark.parametrize("day", [f"2026-03-{day:02}" for day in range(2, 12)])
async def test_500_parallel_reservations_at_cap_100_give_exactly_100(
    house: House, caps: Caps, day: str
) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=100)

    tries = await asyncio.gather(
        *(reserve(house, caps, mailbox, 1, day) for _ in range(500)), return_exceptions=True
    )

    assert sum(isinstance(each, Reservation) for each in tries) == 100
    assert sum(isinstance(each, DailyCapReached) for each in tries) == 400
    assert (await caps.standing(house.db, mailbox, day)).used == 100


async def test_parallel_reservations_of_several_recipients_never_pass_the_cap(
    house: House, caps: Caps
) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=100)
    counts = [1, 7, 3, 20] * 30

    tries = await asyncio.gather(
        *(reserve(house, caps, mailbox, count) for count in counts), return_exceptions=True
    )

    taken = sum(count for count, each in zip(counts, tries, strict=True) if isinstance(each, Reservation))
    assert taken == (await caps.standing(house.db, mailbox)).used == 100


async def test_a_message_that_does_not_fit_takes_nothing(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=10)
    await reserve(house, caps, mailbox, 8)

    with pytest.raises(DailyCapReached) as refused:
        await reserve(house, caps, mailbox, 3)

    assert refused.value.standing.left == 2
    assert (await caps.standing(house.db, mailbox)).used == 8
    await reserve(house, caps, mailbox, 2)


async def test_more_than_the_whole_cap_on_a_fresh_day_takes_nothing(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=10)
    with pytest.raises(DailyCapReached):
        await reserve(house, caps, mailbox, 11)
    assert (await caps.standing(house.db, mailbox)).left == 10


async def test_a_refusal_says_when_the_allowance_returns(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=1)
    await reserve(house, caps, mailbox, 1)

    with pytest.raises(DailyCapReached) as refused:
        await reserve(house, caps, mailbox, 1)

    reply = refused.value.reply
    assert (reply.code, reply.enhanced) == (451, "4.7.1")
    assert reply.text == ("Daily sending limit reached: 1 of 1 recipients used; more at 2026-03-03T00:00:00Z")
    assert refused.value.code == "mailbox_cap_reached"


async def test_work_that_fails_after_reserving_takes_nothing(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test")

    async def fails(tx: Transaction) -> None:
        await caps.reserve(tx, mailbox, MONDAY, 5)
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk"):
        await house.db.transact(fails)
    assert (await caps.standing(house.db, mailbox)).used == 0


async def test_the_default_cap_holds_for_a_mailbox_without_its_own(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test")
    await reserve(house, caps, mailbox, 75)
    with pytest.raises(DailyCapReached):
        await reserve(house, caps, mailbox, 1)


async def test_a_cap_of_none_is_not_a_cap_of_zero(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=0)
    with pytest.raises(DailyCapReached):
        await reserve(house, caps, mailbox, 1)


async def test_mail_with_no_recipient_left_needs_no_allowance(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=0)
    assert (await reserve(house, caps, mailbox, 0)).used == 0


async def test_the_allowance_returns_at_midnight(house: House, caps: Caps, clock: FakeClock) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=1)
    await reserve(house, caps, mailbox, 1, caps.today())

    clock.advance(hours=15)  # 09:00 + 15 h

    await reserve(house, caps, mailbox, 1, caps.today())
    assert caps.today() == TUESDAY


async def test_a_clock_that_steps_back_gives_no_second_allowance(
    house: House, caps: Caps, clock: FakeClock
) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=1)
    await reserve(house, caps, mailbox, 1, caps.today())
    clock.advance(hours=25)
    await reserve(house, caps, mailbox, 1, caps.today())
    clock.advance(timedelta(hours=-25))

    with pytest.raises(DailyCapReached):
        await reserve(house, caps, mailbox, 1, caps.today())


async def test_canceled_mail_gives_its_allowance_back_to_its_own_day(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=10)
    await reserve(house, caps, mailbox, 4)
    await reserve(house, caps, mailbox, 6, TUESDAY)

    await house.db.transact(lambda tx: caps_module.give_back(tx, mailbox.id, TUESDAY, 5))

    assert (await caps.standing(house.db, mailbox, MONDAY)).used == 4
    assert (await caps.standing(house.db, mailbox, TUESDAY)).used == 1


async def test_giving_back_too_much_leaves_an_unused_day(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=10)
    await reserve(house, caps, mailbox, 4)
    await house.db.transact(lambda tx: caps_module.give_back(tx, mailbox.id, MONDAY, 5))
    assert (await caps.standing(house.db, mailbox)).used == 0


async def test_80_percent_and_the_cap_are_told_once_a_day(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=10)
    told = [await reserve(house, caps, mailbox, 1) for _ in range(10)]
    await house.db.transact(lambda tx: caps_module.give_back(tx, mailbox.id, MONDAY, 5))
    told += [await reserve(house, caps, mailbox, 1) for _ in range(5)]

    assert [each.used for each in told if each.crossed_threshold] == [8]
    assert [each.used for each in told if each.reached_cap] == [10]
    assert await kinds_of(house) == ["mailbox.created", "usage.threshold", "mailbox.cap_reached"]


async def test_one_message_that_takes_everything_tells_both(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=10)
    await reserve(house, caps, mailbox, 10)
    threshold, reached = (await log.after(house.db, 0, 1000))[-2:]
    assert (threshold.kind, reached.kind) == ("usage.threshold", "mailbox.cap_reached")
    assert reached.data == {
        "address": "app@example.test",
        "day": MONDAY,
        "cap": 10,
        "used": 10,
        "percent": 100,
        "resets_at": "2026-03-03T00:00:00Z",
        "warmup": False,
    }


async def test_check_reserves_nothing_and_answers_like_reserve(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=2)
    assert (await caps.check(house.db, mailbox, MONDAY, 2)).left == 2
    with pytest.raises(DailyCapReached, match=re.escape("0 of 2 recipients used")):
        await caps.check(house.db, mailbox, MONDAY, 3)


async def test_defer_finds_the_next_day_with_enough_left(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test", daily_cap=10)
    await reserve(house, caps, mailbox, 10)
    await reserve(house, caps, mailbox, 8, TUESDAY)

    async def next_day(count: int, horizon: timedelta = timedelta(days=7)) -> str | None:
        return await caps.next_free_day(house.db, mailbox, count, MONDAY, horizon)

    assert await next_day(2) == TUESDAY
    assert await next_day(3) == "2026-03-04"
    assert await next_day(3, timedelta(days=1)) is None
    assert await next_day(11) is None


async def test_rotate_takes_the_mailbox_with_the_most_left_that_suits(house: House, caps: Caps) -> None:
    first = await house.add_mailbox("a@example.test", daily_cap=10, pool="news")
    second = await house.add_mailbox("b@example.test", daily_cap=9, pool="news")
    await house.add_mailbox("c@example.test", daily_cap=99)
    await reserve(house, caps, first, 5)

    async def pick(count: int, only: Mailbox | None = None) -> Mailbox | None:
        return await caps.pick_from_pool(
            house.db, first.tenant_id, "news", count, MONDAY, lambda each: only in (None, each)
        )

    assert await pick(2) == second
    assert await pick(2, only=first) == first
    assert await pick(10) is None
    assert await caps.pick_from_pool(house.db, first.tenant_id, "none", 1, MONDAY) is None


async def test_a_warm_up_limits_the_day_and_grows_with_days_that_had_mail(
    house: House, caps: Caps, clock: FakeClock
) -> None:
    plan = WarmupPlan(table=(2, 4, 8))
    mailbox = await house.add_mailbox("app@example.test", daily_cap=6, warmup=plan)
    await reserve(house, caps, mailbox, 2)
    with pytest.raises(WarmupCapReached) as refused:
        await reserve(house, caps, mailbox, 1)
    assert refused.value.code == "warmup_cap_reached"
    assert refused.value.reply.text.startswith("Warm-up sending limit reached: 2 of 2")

    clock.advance(days=5)  # nothing is sent meanwhile
    standing = await caps.standing(house.db, mailbox)
    assert (standing.cap, standing.left, standing.is_warming_up) == (4, 4, True)
    assert standing.step is not None
    assert (standing.step.number, standing.step.next_cap) == (2, 8)

    await reserve(house, caps, mailbox, 1, caps.today())
    clock.advance(days=1)
    standing = await caps.standing(house.db, mailbox)
    assert (standing.cap, standing.is_warming_up) == (6, False)
    assert standing.step is not None
    assert standing.step.next_cap is None


async def test_a_day_whose_mail_was_all_canceled_is_no_sending_day(
    house: House, caps: Caps, clock: FakeClock
) -> None:
    mailbox = await house.add_mailbox("app@example.test", warmup=WarmupPlan(table=(2, 4)))
    await reserve(house, caps, mailbox, 2)
    await house.db.transact(lambda tx: caps_module.give_back(tx, mailbox.id, MONDAY, 2))
    clock.advance(days=1)
    assert (await caps.standing(house.db, mailbox)).cap == 2


async def test_weekends_neither_stop_the_mail_nor_bring_the_plan_forward(
    house: House, caps: Caps, clock: FakeClock
) -> None:
    plan = WarmupPlan(table=(2, 4, 8), weekdays=("mon", "tue", "wed", "thu", "fri"))
    mailbox = await house.add_mailbox("app@example.test", warmup=plan)
    clock.advance(days=5)
    saturday, sunday, monday = ("2026-03-07", "2026-03-08", "2026-03-09")
    assert caps.today() == saturday

    await reserve(house, caps, mailbox, 2, saturday)
    await reserve(house, caps, mailbox, 2, sunday)
    await reserve(house, caps, mailbox, 2, monday)
    assert (await caps.standing(house.db, mailbox, "2026-03-10")).cap == 4


async def test_days_before_the_plan_began_do_not_count_for_it(
    house: House, caps: Caps, clock: FakeClock
) -> None:
    old = await house.add_mailbox("app@example.test", warmup=WarmupPlan(table=(5, 6, 7)))
    await reserve(house, caps, old, 5)
    clock.advance(days=1)
    assert (await caps.standing(house.db, old)).cap == 6

    fresh = await house.change(old, warmup=WarmupPlan(table=(1, 2, 3)))
    assert (await caps.standing(house.db, fresh)).cap == 1


async def test_defer_counts_the_warm_ups_growth_over_days_that_are_spoken_for(
    house: House, caps: Caps
) -> None:
    mailbox = await house.add_mailbox("app@example.test", warmup=WarmupPlan(table=(2, 4, 8)))
    await reserve(house, caps, mailbox, 2)
    await reserve(house, caps, mailbox, 4, TUESDAY)
    free = await caps.next_free_day(house.db, mailbox, 8, MONDAY, timedelta(days=7))
    assert free == "2026-03-04"
    await reserve(house, caps, mailbox, 8, "2026-03-04")


async def test_a_removed_mailbox_leaves_no_allowance_behind(house: House, caps: Caps) -> None:
    mailbox = await house.add_mailbox("app@example.test")
    await reserve(house, caps, mailbox, 1)
    await house.remove(mailbox)
    assert await house.directory.mailbox(mailbox.id) is None


@given(
    cap=st.integers(0, 12),
    steps=st.lists(st.tuples(st.sampled_from([MONDAY, TUESDAY]), st.integers(-6, 6)), max_size=25),
)
@settings(max_examples=40)
def test_whatever_is_taken_and_given_back_the_sum_stays_under_the_cap(
    tmp_path_factory: pytest.TempPathFactory, cap: int, steps: list[tuple[str, int]]
) -> None:
    """Against the simplest account that could be kept of it; negative counts are given back."""
    asyncio.run(_keep_accounts(tmp_path_factory.mktemp("house"), cap, steps))


async def _keep_accounts(directory: Path, cap: int, steps: list[tuple[str, int]]) -> None:
    clock = FakeClock()
    path = put_store(directory / "posthouse.db")
    db = open_sqlite(path, clock, reserve=NO_RESERVE, health_interval=None)
    house = House(db, clock, Directory(db, clock))
    await house.add_domain("example.test")
    mailbox = await house.add_mailbox("app@example.test", daily_cap=cap)
    caps, account = Caps(clock, 75, ZoneInfo("UTC")), {MONDAY: 0, TUESDAY: 0}
    for day, count in steps:
        if count < 0:
            await db.transact(partial(caps_module.give_back, mailbox_id=mailbox.id, day=day, count=-count))
            account[day] = max(account[day] + count, 0)
        elif account[day] + count <= cap or not count:
            assert (await reserve(house, caps, mailbox, count, day)).used == account[day] + count
            account[day] += count
        else:
            with pytest.raises(DailyCapReached):
                await reserve(house, caps, mailbox, count, day)
        assert (await caps.standing(db, mailbox, day)).used == account[day]
    house.directory.close()
    await db.close()


async def test_what_all_mailboxes_have_left_is_the_sum_of_what_each_has(house: House, caps: Caps) -> None:
    app = await house.add_mailbox("app@example.test", daily_cap=100)
    await house.add_mailbox("ann@example.test")
    await reserve(house, caps, app, 30)

    assert await caps.left_of_all(house.db) == 70 + 75
