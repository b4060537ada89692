"""Figures over HTTP: sums and series of one's own mail, in the words that people know."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from relay.analytics.rollup import Rollup
from relay.events.kinds import EventKind as Kind
from tests.api.conftest import OURS, Api
from tests.relay.analytics.ledger import Ledger, count

SUMMARY = "/v1/analytics/summary"
SERIES = "/v1/analytics/series"
Written = Callable[[], Awaitable[None]]


@pytest.fixture
def ledger(api: Api) -> Ledger:
    return Ledger(api.house.db, api.clock, api.inbox.tenant_id)


@pytest.fixture
def counted(api: Api) -> Written:
    """Count whatever has happened."""

    async def count_it() -> None:
        await count(Rollup(api.house.db, api.clock))

    return count_it


async def day_of_mail(api: Api, ledger: Ledger) -> None:
    """Monday: ten to Gmail, of whom one bounces, one complains, four open; on Tuesday one to Yahoo."""
    monday = await ledger.accept(*["ann@gmail.com"] * 10, mailbox=api.inbox.id, tags=("welcome",))
    api.clock.advance(seconds=2)
    await ledger.ends(monday, Kind.MESSAGE_BOUNCED)
    for which in range(1, 10):
        await ledger.ends(monday, Kind.MESSAGE_DELIVERED, which=which)
    await ledger.happens(monday, Kind.MESSAGE_COMPLAINED, which=1)
    for which in range(2, 6):
        await ledger.happens(monday, Kind.MESSAGE_OPENED, which=which)
    await ledger.happens(monday, Kind.MESSAGE_CLICKED, which=2)
    await ledger.happens(monday, Kind.MESSAGE_UNSUBSCRIBED, which=3)
    api.clock.advance(days=1)
    tuesday = await ledger.accept("eve@yahoo.com", mailbox="inb_other")
    api.clock.advance(minutes=1)
    await ledger.ends(tuesday, Kind.MESSAGE_DELIVERED)


async def test_a_summary_says_what_became_of_the_mail(api: Api, ledger: Ledger, counted: Written) -> None:
    await day_of_mail(api, ledger)
    await counted()
    found = (await api.live.get(f"{SUMMARY}?period=7d")).json
    numbers = {name: found[name] for name in ("accepted", "sent", "delivered", "bounced", "complained")}
    assert numbers == {"accepted": 11, "sent": 11, "delivered": 10, "bounced": 1, "complained": 1}
    assert {name: found[name] for name in ("opened", "clicked", "unsubscribed", "deferred")} == {
        "opened": 4,
        "clicked": 1,
        "unsubscribed": 1,
        "deferred": 0,
    }
    assert found["rates"] == {
        "delivery": 0.90909,
        "bounce": 0.09091,
        "complaint": 0.1,
        "open": 0.4,
        "click": 0.1,
        "unsubscribe": 0.1,
    }
    times = found["time_to_delivery"]
    assert times["median"] == pytest.approx(2, rel=times["error"])
    assert times["p95"] == pytest.approx(60, rel=times["error"])
    assert (found["since"], found["until"]) == ("2026-02-24T09:00:00Z", "2026-03-03T10:00:00Z")
    assert found["counted_until"] == "2026-03-03T09:01:02Z"


async def test_a_day_is_the_span_unless_another_is_asked_for(
    api: Api, ledger: Ledger, counted: Written
) -> None:
    await day_of_mail(api, ledger)
    api.clock.advance(hours=20)
    await counted()
    assert (await api.live.get(SUMMARY)).json["sent"] == 1
    assert (await api.live.get(f"{SUMMARY}?period=24h")).json["sent"] == 1
    monday = f"{SUMMARY}?since=2026-03-02T00:00:00Z&until=2026-03-03T00:00:00Z"
    assert (await api.live.get(monday)).json["sent"] == 10


@pytest.mark.parametrize(
    ("which", "sent"),
    [
        (f"domain={OURS}", 11),
        ("provider=gmail", 10),
        ("provider=icloud", 0),
        ("tag=welcome", 10),
        ("tag=nothing", 0),
        ("template=tmp_1", 0),
        (f"mailbox=app%40{OURS}", 10),
    ],
)
async def test_a_summary_can_be_of_some_mail(
    which: str, sent: int, api: Api, ledger: Ledger, counted: Written
) -> None:
    await day_of_mail(api, ledger)
    await counted()
    assert (await api.live.get(f"{SUMMARY}?period=7d&{which}")).json["sent"] == sent


async def test_a_series_has_every_day_and_the_busiest_value_first(
    api: Api, ledger: Ledger, counted: Written
) -> None:
    await day_of_mail(api, ledger)
    await counted()
    span = "since=2026-03-01T00:00:00Z&until=2026-03-04T00:00:00Z"
    found = (await api.live.get(f"{SERIES}?interval=day&by=provider&{span}")).json
    assert (found["interval"], found["by"]) == ("day", "provider")
    assert [each["value"] for each in found["data"]] == ["gmail", "yahoo"]
    gmail, yahoo = found["data"]
    assert [(point["at"], point["sent"]) for point in gmail["points"]] == [
        ("2026-03-01T00:00:00Z", 0),
        ("2026-03-02T00:00:00Z", 10),
        ("2026-03-03T00:00:00Z", 0),
    ]
    assert gmail["total"]["rates"]["bounce"] == 0.1
    assert yahoo["total"]["time_to_delivery"]["median"] == pytest.approx(60, rel=0.05)
    assert yahoo["points"][0]["time_to_delivery"]["median"] is None
    (one,) = (await api.live.get(f"{SERIES}?by=provider&top=1&{span}")).json["data"]
    assert one == gmail


async def test_a_series_of_all_mail_goes_by_the_hour(api: Api, ledger: Ledger, counted: Written) -> None:
    await day_of_mail(api, ledger)
    await counted()
    span = "since=2026-03-02T08:00:00Z&until=2026-03-02T11:00:00Z"
    (all_mail,) = (await api.live.get(f"{SERIES}?interval=hour&{span}")).json["data"]
    assert all_mail["value"] is None
    assert [point["delivered"] for point in all_mail["points"]] == [0, 9, 0]


async def test_before_anything_is_counted_all_is_nothing(api: Api) -> None:
    found = (await api.live.get(SUMMARY)).json
    assert (found["sent"], found["rates"]["bounce"], found["counted_until"]) == (0, None, None)
    (all_mail,) = (await api.live.get(SERIES)).json["data"]
    assert len(all_mail["points"]) == 8


async def test_hours_that_are_not_kept_any_more_are_told_as_days(
    api: Api, ledger: Ledger, counted: Written
) -> None:
    await day_of_mail(api, ledger)
    await counted()
    api.clock.advance(days=100)
    found = (await api.live.get(f"{SUMMARY}?since=2026-03-02T08:00:00Z&until=2026-03-02T12:00:00Z")).json
    assert (found["since"], found["until"]) == ("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z")
    assert found["sent"] == 10


async def test_another_tenants_mail_is_not_in_it(api: Api, ledger: Ledger, counted: Written) -> None:
    await day_of_mail(api, ledger)
    await counted()
    assert (await api.foreign.get(f"{SUMMARY}?period=7d")).json["accepted"] == 0
    assert (await api.foreign.get(f"{SERIES}?by=tag")).json["data"] == []
    assert (await api.foreign.get(f"{SUMMARY}?mailbox={api.inbox.id}")).status == 404


async def test_a_key_of_one_inbox_sees_that_inboxs_figures(
    api: Api, ledger: Ledger, counted: Written
) -> None:
    await day_of_mail(api, ledger)
    await counted()
    bound = await api.client(mailbox=api.inbox)
    assert (await bound.get(f"{SUMMARY}?period=7d&mailbox={api.inbox.id}")).json["sent"] == 10
    assert (await bound.get(f"{SERIES}?mailbox={api.inbox.id}")).json["data"][0]["total"]["sent"] == 10
    assert (await bound.get(f"{SUMMARY}?period=7d")).code == "insufficient_scope"
    assert (await bound.get(f"{SERIES}?by=tag")).code == "insufficient_scope"
    assert (await bound.get(f"{SUMMARY}?tag=welcome")).code == "insufficient_scope"
    other = await api.mailbox(f"other@{OURS}")
    assert (await bound.get(f"{SUMMARY}?mailbox={other.id}")).status == 404


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("period=0h", "?period"),
        ("period=week", "?period"),
        ("period=9999d", "?period"),
        ("period=7d&since=2026-03-01T00:00:00Z", "?period"),
        ("since=2026-03-01T00:00:00", "?since"),
        ("since=2026-03-05T00:00:00Z", "?since"),
        ("since=0001-01-01T00:00:00%2B14:00", "?since"),
        ("until=9999-12-31T23:59:59-14:00", "?until"),
        ("tag=a&template=b", "?template"),
        ("tag=", "?tag"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_name(query: str, path: str, api: Api) -> None:
    answer = await api.live.get(f"{SUMMARY}?{query}")
    assert (answer.status, answer.code) == (422, "validation_error")
    assert answer.json["errors"][0]["path"] == path


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("interval=week", "?interval"),
        ("by=subject", "?by"),
        ("by=tag&provider=gmail", "?by"),
        ("interval=hour&period=1000d", "?interval"),
        ("interval=hour&period=60d&by=tag&top=50", "?interval"),
        ("top=0", "?top"),
    ],
)
async def test_a_series_has_bounds(query: str, path: str, api: Api) -> None:
    answer = await api.live.get(f"{SERIES}?{query}")
    assert (answer.status, answer.json["errors"][0]["path"]) == (422, path)


async def test_figures_need_their_scope(api: Api) -> None:
    reader = await api.client(scopes=("analytics:read",))
    assert (await reader.get(SUMMARY)).status == 200
    other: Any = await api.client(scopes=("events:read",))
    assert (await other.get(SUMMARY)).code == "insufficient_scope"
