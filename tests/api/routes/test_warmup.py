"""A warm-up over HTTP: begun, followed, paused at its present cap, resumed, moved and ended."""

from typing import Any

import pytest

from relay.analytics.rollup import Rollup
from relay.events.kinds import EventKind as Kind
from relay.policy.caps import Caps
from relay.tenants.mailboxes import Mailbox
from tests.api.conftest import OURS, Api
from tests.relay.analytics.ledger import Ledger, count

WARMUP = f"/v1/inboxes/app@{OURS}/warmup"


async def begin(api: Api, plan: str = "10,20,30,40", **more: Any) -> Any:
    answer = await api.live.request("PUT", WARMUP, {"plan": plan, **more})
    assert answer.status == 200, answer
    return answer.json


async def send_today(api: Api, mailbox: Mailbox | None = None) -> None:
    """One recipient's worth of today's allowance, and then it is tomorrow."""
    policy = api.house.config.policy
    caps = Caps(api.clock, policy.default_daily_cap, policy.cap_timezone)
    current = await api.house.directory.mailbox((mailbox or api.inbox).id)
    assert current is not None
    await api.house.db.transact(lambda tx: caps.reserve(tx, current, caps.today(), 1))
    api.clock.advance(days=1)


async def test_a_plan_grows_with_each_day_of_mail_until_it_is_full(api: Api) -> None:
    begun = await begin(api)
    assert begun["inbox_id"] == api.inbox.id
    assert (begun["status"], begun["day"], begun["days"]) == ("growing", 1, 4)
    assert (begun["cap"], begun["next_cap"], begun["daily_cap"]) == (10, 20, 75)
    assert begun["full_on"] == "2026-03-05"
    caps = []
    for _ in range(4):
        now = (await api.live.get(WARMUP)).json
        caps.append((now["day"], now["cap"], now["status"], now["full_on"]))
        await send_today(api)
    assert caps == [
        (1, 10, "growing", "2026-03-05"),
        (2, 20, "growing", "2026-03-05"),
        (3, 30, "growing", "2026-03-05"),
        (4, 40, "full", "2026-03-05"),
    ]
    # Tuesday passes without mail, and everything is a day later.
    await begin(api)
    api.clock.advance(days=1)
    assert (await api.live.get(WARMUP)).json["full_on"] == "2026-03-10"


async def test_paused_it_keeps_its_cap_and_resumed_it_goes_on_from_there(api: Api) -> None:
    await begin(api)
    await send_today(api)
    paused = (await api.live.post(f"{WARMUP}/pause")).json
    assert (paused["status"], paused["cap"], paused["next_cap"]) == ("paused", 20, None)
    assert (paused["paused_at"], paused["full_on"]) == ("2026-03-03T09:00:00Z", None)
    for _ in range(3):
        await send_today(api)
    assert (await api.live.get(WARMUP)).json["cap"] == 20
    again = (await api.live.post(f"{WARMUP}/pause")).json
    assert again["paused_at"] == "2026-03-03T09:00:00Z"
    resumed = (await api.live.post(f"{WARMUP}/resume")).json
    assert (resumed["status"], resumed["cap"], resumed["next_cap"]) == ("growing", 20, 30)
    await send_today(api)
    assert (await api.live.get(WARMUP)).json["cap"] == 30


async def test_resuming_what_grows_loses_no_day(api: Api) -> None:
    await begin(api)
    await send_today(api)
    await api.live.post(f"{WARMUP}/resume")
    await send_today(api)
    assert (await api.live.get(WARMUP)).json["day"] == 3


async def test_another_plan_keeps_the_days_that_are_done_and_a_day_can_be_said(api: Api) -> None:
    await begin(api)
    await send_today(api)
    changed = (await api.live.patch(WARMUP, {"plan": "100,200,300"})).json
    assert (changed["day"], changed["cap"], changed["plan"]["table"]) == (2, 75, [100, 200, 300])
    moved = (await api.live.patch(WARMUP, {"plan": "5,10,20", "day": 3})).json
    assert (moved["day"], moved["cap"], moved["status"]) == (3, 20, "full")
    assert (await begin(api, "5,10,20"))["day"] == 1
    assert (await begin(api, "gentle", day=5))["cap"] == 24


async def test_a_plan_is_full_when_the_daily_cap_is_the_lower_one(api: Api) -> None:
    begun = await begin(api, "start=10,factor=2,ceiling=100000")
    assert (begun["days"], begun["full_on"]) == (4, "2026-03-05")


async def test_only_the_plans_weekdays_bring_it_on(api: Api) -> None:
    plan = '{"table": [10, 20, 30], "weekdays": ["mon", "fri"]}'
    assert (await begin(api, plan))["full_on"] == "2026-03-07"


async def test_a_plan_that_takes_for_ever_has_no_date(api: Api) -> None:
    begun = await begin(api, "start=1,factor=1.0000001,ceiling=1000000000")
    assert begun["full_on"] is None
    # Its daily cap of 75 is 43 million days away.
    assert begun["days"] > 40_000_000


async def test_health_is_told_by_the_last_days_and_bad_health_stands_still(api: Api) -> None:
    await begin(api)
    ledger = Ledger(api.house.db, api.clock, api.inbox.tenant_id)
    sent = await ledger.accept(*["ann@x.test"] * 10, mailbox=api.inbox.id)
    for which in range(10):
        kind = Kind.MESSAGE_BOUNCED if which < 4 else Kind.MESSAGE_DELIVERED
        await ledger.ends(sent, kind, which=which)
    await count(Rollup(api.house.db, api.clock))
    health = (await api.live.get(WARMUP)).json["health"]
    assert health == {
        "status": "well",
        "bad_since": None,
        "days": 7,
        "sent": 10,
        "delivered": 6,
        "bounced": 4,
        "complained": 0,
        "bounce_rate": 0.4,
        "complaint_rate": 0.0,
    }


async def test_all_that_warm_up_are_listed(api: Api) -> None:
    assert (await api.live.get("/v1/warmup")).json["data"] == []
    await begin(api)
    api.clock.advance(seconds=1)
    other = await api.mailbox(f"other@{OURS}")
    await api.mailbox(f"idle@{OURS}")
    await api.live.request("PUT", f"/v1/inboxes/{other.id}/warmup", {"plan": "gentle"})
    listed = (await api.live.get("/v1/warmup")).json["data"]
    assert [each["address"] for each in listed] == [f"other@{OURS}", f"app@{OURS}"]
    assert listed[1] == (await api.live.get(WARMUP)).json
    first = (await api.live.get("/v1/warmup?limit=1")).json
    (second,) = (await api.live.get(f"/v1/warmup?cursor={first['next_cursor']}")).json["data"]
    assert [*first["data"], second] == listed
    bound = await api.client(mailbox=api.inbox)
    assert [each["inbox_id"] for each in (await bound.get("/v1/warmup")).json["data"]] == [api.inbox.id]
    assert (await api.foreign.get("/v1/warmup")).json["data"] == []


async def test_an_ended_warm_up_is_gone(api: Api) -> None:
    await begin(api)
    assert (await api.live.delete(WARMUP)).status == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume")):
        assert (await api.live.request(method, WARMUP + path)).code == "not_found"
    assert (await api.live.patch(WARMUP, {"day": 2})).code == "not_found"
    assert (await api.live.get(f"/v1/inboxes/{api.inbox.id}")).json["warmup"] is None


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"plan": "fast"}, "$.plan"),
        ({"plan": "5,10", "day": 3}, "$.day"),
        ({"plan": "gentle", "day": 0}, "$.day"),
        ({}, "$.plan"),
        ({"plan": "gentle", "speed": 1}, "$.speed"),
    ],
)
async def test_what_is_no_plan_is_refused_by_name(document: Any, path: str, api: Api) -> None:
    answer = await api.live.request("PUT", WARMUP, document)
    assert (answer.status, answer.code) == (422, "validation_error")
    assert answer.json["errors"][0]["path"] == path


async def test_another_tenants_inbox_has_no_warm_up_here(api: Api) -> None:
    await begin(api)
    assert (await api.foreign.get(WARMUP)).status == 404
    assert (await api.foreign.request("PUT", WARMUP, {"plan": "gentle"})).status == 404
    bound = await api.client(mailbox=api.inbox)
    assert (await bound.get(WARMUP)).status == 200
    assert (await bound.post(f"{WARMUP}/pause")).code == "insufficient_scope"
