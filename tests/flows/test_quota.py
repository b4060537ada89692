"""A tenant's month: whoever comes together, over every door, exactly as many pass as its quota says."""

import asyncio
import smtplib
from dataclasses import dataclass, replace
from typing import cast

import pytest

from relay.address import parse_address
from relay.estate import tenants as estate
from relay.events import log
from relay.events.kinds import EventKind
from relay.policy.caps import DailyCapReached, QuotaExceeded
from relay.queue import records as queue
from relay.store.database import Row, Transaction, Value
from relay.submission.scheduled import take_back
from relay.tenants.mailboxes import Mailbox
from relay.tenants.tenants import DEFAULT_TENANT, TenantChanges, TenantStatus
from tests.flows.house import FAR, OURS, House, letter

pytestmark = pytest.mark.both_engines

APP, OTHER = f"app@{OURS}", f"other@{OURS}"
ANN, BOB, CLEO, DORA = (f"{name}@{FAR}" for name in ("ann", "bob", "cleo", "dora"))
NEXT_MONTH = b"2026-04-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Watched:
    """A transaction whose questions are noted."""

    tx: Transaction
    seen: list[str]

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        self.seen.append(sql)
        return await self.tx.fetch_one(sql, *args)


async def set_quota(house: House, quota: int | None) -> None:
    changes = TenantChanges(monthly_quota=quota)
    await house.station.directory.change(estate.changing(house.station, DEFAULT_TENANT, changes))


async def used(house: House, month: str = "2026-03") -> int:
    row = await house.station.db.fetch_one(
        "select used from tenant_months where tenant_id = $1 and month = $2", DEFAULT_TENANT, month
    )
    return row["used"] if row else 0


async def mailbox_of(house: House, address: str) -> Mailbox:
    found = await house.station.directory.mailbox_for_address(parse_address(address))
    assert found is not None
    return found


async def warnings(house: House) -> list[dict[str, object]]:
    events = await log.after(house.station.db, 0, 1000)
    return [
        event.data for event in events if event.kind is EventKind.USAGE_THRESHOLD and "tenant" in event.data
    ]


async def test_all_mailboxes_draw_on_one_month(house: House) -> None:
    await house.mailbox(OTHER)
    await set_quota(house, 3)
    await house.submit(to=[ANN, BOB])
    await house.submit(to=ANN, sender=OTHER)
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        await house.submit(to=CLEO, sender=OTHER)
    code, text = caught.value.recipients[CLEO]
    assert code == 451
    assert text.startswith(b"4.7.1 Monthly quota reached: 3 of 3")
    assert NEXT_MONTH in text
    assert await used(house) == 3
    assert await house.used_today(OTHER) == 1


async def test_the_next_month_has_a_quota_of_its_own(house: House) -> None:
    await set_quota(house, 1)
    await house.submit(to=ANN)
    house.clock.advance(days=30)
    await house.submit(to=BOB)
    assert (await used(house), await used(house, "2026-04")) == (1, 1)


async def test_a_race_that_is_lost_after_the_dot_takes_nothing_of_the_day(house: House) -> None:
    await set_quota(house, 2)
    mailbox = await mailbox_of(house, APP)
    await house.submit(to=[ANN, BOB])
    with pytest.raises(QuotaExceeded):
        await house.station.db.transact(
            lambda tx: house.way_out.booking.caps.reserve(tx, mailbox, "2026-03-02", 1)
        )

    async def go_on(tx: Transaction) -> None:
        """As a batch does: one is refused, others of the same transaction are not."""
        with pytest.raises(QuotaExceeded):
            await house.way_out.booking.caps.reserve(tx, mailbox, "2026-03-02", 1)
        await house.way_out.booking.caps.reserve(tx, mailbox, "2026-04-02", 1)

    await house.station.db.transact(go_on)
    assert await house.used_today(APP) == 2
    assert (await used(house), await used(house, "2026-04")) == (2, 1)


async def test_without_a_quota_nothing_is_counted_and_one_that_is_set_counts_what_was_sent(
    house: House,
) -> None:
    await house.submit(to=[ANN, BOB])
    assert await house.count("tenant_months") == 0
    await set_quota(house, 3)
    assert await used(house) == 2
    await house.submit(to=CLEO)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await house.submit(to=DORA)
    await set_quota(house, None)
    await house.submit(to=DORA)
    assert await used(house) == 3
    await set_quota(house, 9)
    assert await used(house) == 4


async def test_a_tenant_without_a_quota_costs_no_statement(house: House) -> None:
    mailbox = await mailbox_of(house, APP)
    asked: dict[int | None, list[str]] = {}
    for quota in (None, 5):
        seen = asked.setdefault(quota, [])

        async def reserve(tx: Transaction, seen: list[str] = seen, quota: int | None = quota) -> None:
            watched = cast(Transaction, Watched(tx, seen))
            paying = replace(mailbox, tenant_quota=quota)
            await house.way_out.booking.caps.reserve(watched, paying, "2026-03-02", 1)

        await house.station.db.transact(reserve)
    assert len(asked[None]) == 1
    assert "allowances" in asked[None][0]
    assert len(asked[5]) == 2


async def test_mail_that_waits_draws_on_the_month_of_its_release_and_gives_it_back(house: House) -> None:
    await set_quota(house, 1)
    waits = b"X-Posthouse-Send-At: 2026-04-02T09:00:00Z\r\n" + letter(APP, ANN)
    sent = await house.submit(to=ANN, message=waits)
    assert (await used(house), await used(house, "2026-04")) == (0, 1)
    await house.submit(to=BOB)
    with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)):
        await house.submit(
            to=CLEO, message=b"X-Posthouse-Send-At: 2026-04-03T09:00:00Z\r\n" + letter(APP, CLEO)
        )

    async def cancel(tx: Transaction) -> None:
        await take_back(tx, house.clock, await queue.of_message(tx, sent.id), {"by": "test"})

    await house.station.db.transact(cancel)
    assert (await used(house), await used(house, "2026-04")) == (1, 0)


async def test_suppressed_recipients_cost_nothing(house: House) -> None:
    await set_quota(house, 1)
    await house.suppress(BOB)
    await house.submit(to=[ANN, BOB])
    assert await used(house) == 1
    await house.submit(to=BOB)


async def test_four_fifths_are_told_once_a_month(house: House) -> None:
    await set_quota(house, 5)
    await house.submit(to=[ANN, BOB, CLEO])
    assert await warnings(house) == []
    await house.submit(to=ANN)
    await house.submit(to=BOB)
    (told,) = await warnings(house)
    assert told == {
        "tenant": DEFAULT_TENANT,
        "month": "2026-03",
        "quota": 5,
        "used": 4,
        "percent": 80,
        "resets_at": "2026-04-01T00:00:00Z",
    }


async def test_as_many_pass_as_the_quota_says_however_many_come_at_once(house: House) -> None:
    mailboxes = [f"m{number}@{OURS}" for number in range(4)]
    for mailbox in mailboxes:
        await house.mailbox(mailbox, daily_cap=1000)
    await set_quota(house, 100)

    async def one(number: int) -> int:
        try:
            to, sender = f"p{number}@{FAR}", mailboxes[number % 4]
            draft = await house.draft([to], letter(sender, to), sender=sender)
            await house.way_out.acceptor.accept(draft)
        except QuotaExceeded:
            return 0
        return 1

    taken = await asyncio.gather(*(one(number) for number in range(500)))
    assert sum(taken) == await used(house) == await house.count("messages") == 100
    days = [await house.used_today(mailbox) for mailbox in mailboxes]
    assert sum(days) == 100


async def test_the_cap_of_the_day_is_refused_before_the_month_is_drawn_on(house: House) -> None:
    await house.mailbox(OTHER, daily_cap=1)
    await set_quota(house, 10)
    await house.submit(to=ANN, sender=OTHER)
    mailbox = await mailbox_of(house, OTHER)
    with pytest.raises(DailyCapReached):
        await house.station.db.transact(
            lambda tx: house.way_out.booking.caps.reserve(tx, mailbox, "2026-03-02", 1)
        )
    assert await used(house) == 1


async def test_a_paused_tenant_is_refused_for_now_and_a_suspended_one_for_good(house: House) -> None:
    for status, code, text in [
        (TenantStatus.PAUSED, 451, b"4.7.1 This account is paused"),
        (TenantStatus.SUSPENDED, 550, b"5.7.1 This account is suspended"),
    ]:
        changes = TenantChanges(status=status)
        await house.station.directory.change(estate.changing(house.station, DEFAULT_TENANT, changes))
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            await house.submit(to=ANN)
        assert (caught.value.smtp_code, caught.value.smtp_error) == (code, text)
    changes = TenantChanges(status=TenantStatus.ACTIVE)
    await house.station.directory.change(estate.changing(house.station, DEFAULT_TENANT, changes))
    await house.submit(to=ANN)
