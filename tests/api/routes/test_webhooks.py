"""/v1/webhooks: added, changed, tried, rotated, replayed; each key sees what it may."""

from datetime import timedelta
from typing import Any

import pytest

from relay.events import log
from relay.events.kinds import EventKind
from relay.store.database import Transaction
from relay.tenants.tenants import DEFAULT_TENANT
from relay.webhooks.assembly import build_sender
from tests.api.client import Answer
from tests.api.conftest import Api, MakeApi
from tests.fakes.fixtures import receiver
from tests.relay.webhooks.receiver import Receiver

__all__ = ["receiver"]

URL = "https://app.example/hooks"


@pytest.fixture
async def near(make_api: MakeApi) -> Api:
    """An API whose webhooks may lie on loopback."""
    return await make_api({"webhooks.allow_private_networks": True, "webhooks.endpoints_per_tenant": 3})


async def add(api: Api, url: str = URL, **wanted: Any) -> dict[str, Any]:
    answer = await api.live.post("/v1/webhooks", {"url": url, **wanted})
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.json
    return made


async def happens(api: Api, mailbox_id: str | None = None, tenant_id: str = DEFAULT_TENANT) -> str:
    """Something happens; returns the event's id."""

    async def work(tx: Transaction) -> None:
        kind = EventKind.MESSAGE_RECEIVED
        await log.append(tx, api.clock, kind, tenant_id=tenant_id, mailbox_id=mailbox_id)

    await api.house.db.transact(work)
    (event,) = await log.after(api.house.db, await log.last_seq(api.house.db) - 1, 1)
    return event.id


async def post_all(api: Api) -> None:
    sender = build_sender(api.house.station)
    while await sender.step():
        await sender.idle()


def paths(answer: Answer) -> list[str]:
    assert (answer.status, answer.code) == (422, "validation_error"), answer
    return [error["path"] for error in answer.json["errors"]]


async def test_the_secret_is_told_when_it_is_made_and_never_again(api: Api) -> None:
    made = await add(api, events=["message.*"], label="CRM")
    assert made["secret"].startswith("whsec_")
    again = await api.live.get(f"/v1/webhooks/{made['id']}")
    assert again.json == {name: value for name, value in made.items() if name != "secret"}
    assert (await api.live.get("/v1/webhooks")).json["data"] == [again.json]


async def test_adding_twice_with_one_idempotency_key_adds_one_and_hides_the_secret(api: Api) -> None:
    first, second = [
        await api.live.post("/v1/webhooks", {"url": URL}, Idempotency_Key="k1") for _ in range(2)
    ]
    assert second.status == 201
    assert second.json == {name: value for name, value in first.json.items() if name != "secret"}
    assert len((await api.live.get("/v1/webhooks")).json["data"]) == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"url": "http://169.254.169.254/"}, "$.url"),
        ({"url": "http://localhost:8025/"}, "$.url"),
        ({"url": "https://user:pw@app.example/"}, "$.url"),
        ({"url": ""}, "$.url"),
        ({"url": URL, "events": []}, "$.events"),
        ({"url": URL, "events": ["message.eaten"]}, "$.events"),
        ({"url": URL, "events": "message.received"}, "$.events"),
        ({"url": URL, "label": "two\nlines"}, "$.label"),
        ({"url": URL, "secret": "whsec_mine"}, "$.secret"),
        ({}, "$.url"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(body: dict[str, Any], path: str, api: Api) -> None:
    assert paths(await api.live.post("/v1/webhooks", body)) == [path]
    assert (await api.live.get("/v1/webhooks")).json["data"] == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"url": "http://10.0.0.1/"}, "$.url"),
        ({"status": "disabled"}, "$.status"),
        ({"events": None}, "$.events"),
    ],
)
async def test_a_change_is_checked_too(body: dict[str, Any], path: str, api: Api) -> None:
    made = await add(api)
    assert paths(await api.live.patch(f"/v1/webhooks/{made['id']}", body)) == [path]


async def test_more_than_a_tenant_may_have_are_refused(near: Api) -> None:
    for _ in range(3):
        await add(near)
    answer = await near.live.post("/v1/webhooks", {"url": URL})
    assert (answer.status, answer.code) == (429, "quota_exceeded")
    assert "3" in answer.json["detail"]


async def test_label_events_and_status_are_changed_and_the_rest_stays(api: Api) -> None:
    made = await add(api, label="CRM")
    path = f"/v1/webhooks/{made['id']}"
    changed = (await api.live.patch(path, {"status": "paused", "label": ""})).json
    assert (changed["status"], changed["label"], changed["events"]) == ("paused", "", ["*"])
    changed = (await api.live.patch(path, {"status": "active", "events": ["domain.*"]})).json
    assert (changed["status"], changed["events"], changed["url"]) == ("active", ["domain.*"], URL)


async def test_a_removed_webhook_is_not_found(api: Api) -> None:
    path = f"/v1/webhooks/{(await add(api))['id']}"
    assert (await api.live.delete(path)).status == 204
    assert (await api.live.get(path)).status == 404
    assert (await api.live.delete(path)).status == 404


async def test_another_tenant_finds_nothing(api: Api) -> None:
    path = f"/v1/webhooks/{(await add(api))['id']}"
    assert (await api.foreign.get("/v1/webhooks")).json["data"] == []
    answers = [
        await api.foreign.get(path),
        await api.foreign.patch(path, {"label": "mine"}),
        await api.foreign.delete(path),
        await api.foreign.get(f"{path}/attempts"),
        await api.foreign.post(f"{path}/test"),
        await api.foreign.post(f"{path}/rotate"),
        await api.foreign.post(f"{path}/replay", {"since": "2026-01-01T00:00:00Z"}),
    ]
    assert {answer.status for answer in answers} == {404}


async def test_scopes_are_held(api: Api) -> None:
    reader = await api.client(scopes=["webhooks:read"])
    assert (await reader.get("/v1/webhooks")).status == 200
    assert (await reader.post("/v1/webhooks", {"url": URL})).code == "insufficient_scope"


async def test_a_key_of_one_inbox_makes_and_sees_webhooks_of_that_inbox(
    near: Api, receiver: Receiver
) -> None:
    whole = await add(near)
    bound = await near.client(mailbox=near.inbox)
    made = (await bound.post("/v1/webhooks", {"url": receiver.url})).json
    assert made["inbox_id"] == near.inbox.id
    assert [seen["id"] for seen in (await bound.get("/v1/webhooks")).json["data"]] == [made["id"]]
    assert (await bound.get(f"/v1/webhooks/{whole['id']}")).status == 404

    elsewhere, own = await happens(near), await happens(near, near.inbox.id)
    replayed = await bound.post(f"/v1/webhooks/{made['id']}/replay", {"event_ids": [elsewhere]})
    assert paths(replayed) == ["$.event_ids"]
    await near.live.patch(f"/v1/webhooks/{whole['id']}", {"status": "paused"})
    await post_all(near)
    assert receiver.ids == [own]


async def test_another_tenants_inbox_cannot_be_named(api: Api) -> None:
    answer = await api.live.post("/v1/webhooks", {"url": URL, "inbox": api.foreign_inbox.id})
    assert answer.status == 404


async def test_a_test_tells_what_came_of_it(near: Api, receiver: Receiver) -> None:
    made = await add(near, receiver.url)
    receiver.says(b"HTTP/1.1 418 No\r\nContent-Length: 6\r\n\r\nteapot")
    answer = await near.live.post(f"/v1/webhooks/{made['id']}/test")
    assert answer.status == 200
    told = answer.json
    assert (told["kind"], told["status"], told["answer"], told["error"]) == (
        "webhook.test",
        418,
        "teapot",
        "answered 418",
    )
    assert receiver.ids == [told["event_id"]]
    assert (await near.live.get(f"/v1/webhooks/{made['id']}/attempts")).json["data"] == [told]


async def test_attempts_are_listed_newest_first_by_page_and_by_event(near: Api, receiver: Receiver) -> None:
    made = await add(near, receiver.url)
    events = []
    for _ in range(3):
        events.append(await happens(near))
        await post_all(near)
        near.clock.advance(seconds=1)
    path = f"/v1/webhooks/{made['id']}/attempts"
    first = (await near.live.get(f"{path}?limit=2")).json
    rest = (await near.live.get(f"{path}?limit=2&cursor={first['next_cursor']}")).json
    assert [each["event_id"] for each in first["data"] + rest["data"]] == events[::-1]
    one = (await near.live.get(f"{path}?event={events[1]}")).json
    assert [each["event_id"] for each in one["data"]] == [events[1]]


async def test_rotation_tells_a_new_secret_once(api: Api) -> None:
    made = await add(api)
    path = f"/v1/webhooks/{made['id']}"
    first, second = [
        await api.live.post(f"{path}/rotate", {"overlap_seconds": 60}, Idempotency_Key="r") for _ in range(2)
    ]
    assert first.json["secret"] not in (made["secret"], None)
    assert "secret" not in second.json
    assert first.json["previous_secret_until"] == "2026-03-02T09:01:00Z"
    assert paths(await api.live.post(f"{path}/rotate", {"overlap_seconds": -1})) == ["$.overlap_seconds"]


async def test_a_replay_posts_again_what_is_named(near: Api, receiver: Receiver) -> None:
    made = await add(near, receiver.url, events=["message.*"])
    events = [await happens(near) for _ in range(2)]
    await post_all(near)
    receiver.requests.clear()
    near.clock.advance(timedelta(days=1))
    path = f"/v1/webhooks/{made['id']}/replay"
    answer = await near.live.post(path, {"event_ids": events[:1]})
    assert (answer.status, answer.json) == (202, {"queued": 1})
    await post_all(near)
    assert receiver.ids == events[:1]
    answer = await near.live.post(path, {"since": "2026-03-02T00:00:00Z"})
    assert answer.json == {"queued": 2}
    answer = await near.live.post(path, {"since": "2026-03-02T00:00:00Z", "failed_only": True})
    assert answer.json == {"queued": 0}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$"),
        ({"until": "2026-03-02T00:00:00Z"}, "$"),
        ({"event_ids": ["evt_1"], "since": "2026-03-02T00:00:00Z"}, "$"),
        ({"event_ids": []}, "$.event_ids"),
        ({"event_ids": ["evt_none"]}, "$.event_ids"),
        ({"since": "2026-03-02T00:00:00"}, "$.since"),
        ({"since": "2030-03-02T00:00:00Z"}, "$.since"),
        ({"since": "yesterday"}, "$.since"),
    ],
)
async def test_a_replay_of_what_cannot_be_meant_is_refused(body: dict[str, Any], path: str, api: Api) -> None:
    made = await add(api)
    assert paths(await api.live.post(f"/v1/webhooks/{made['id']}/replay", body)) == [path]


async def test_nobody_replays_another_tenants_events(near: Api, receiver: Receiver) -> None:
    made = await add(near, receiver.url)
    tenant_id = near.foreign_inbox.tenant_id
    foreign = await happens(near, near.foreign_inbox.id, tenant_id)
    answer = await near.live.post(f"/v1/webhooks/{made['id']}/replay", {"event_ids": [foreign]})
    assert paths(answer) == ["$.event_ids"]
    await post_all(near)
    assert not receiver.requests


async def test_how_posts_are_to_be_is_said_and_shown_without_the_values_of_fields(api: Api) -> None:
    wanted: dict[str, Any] = {
        "signature_style": "timestamped",
        "signature_header": "X-Shop-Signature",
        "gzip": True,
        "domains": ["ours.test"],
        "tags": ["order"],
    }
    made = await add(api, **wanted, headers={"Authorization": "Bearer s3cret"})
    assert {name: made[name] for name in wanted} == wanted
    assert (made["header_names"], made["test"]) == (["Authorization"], False)
    shown = await api.live.get(f"/v1/webhooks/{made['id']}")
    assert b"s3cret" not in shown.body
    change: dict[str, Any] = {
        "signature_style": "standard",
        "signature_header": None,
        "headers": {},
        "tags": [],
    }
    changed = (await api.live.patch(f"/v1/webhooks/{made['id']}", change)).json
    assert (changed["signature_style"], changed["signature_header"]) == ("standard", None)
    assert (changed["header_names"], changed["tags"], changed["gzip"]) == ([], [], True)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"signature_style": "hex"}, "$.signature_header"),
        ({"signature_style": "md5"}, "$.signature_style"),
        ({"signature_header": "X-Sig"}, "$.signature_header"),
        ({"signature_style": "hex", "signature_header": "Content-Length"}, "$.signature_header"),
        ({"headers": {"Host": "elsewhere.example"}}, "$.headers"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "$.headers"),
        ({"headers": {"X-A": 1}}, "$.headers[...]"),
        ({"domains": ["no domain"]}, "$.domains"),
        ({"tags": ["two\nlines"]}, "$.tags"),
    ],
)
async def test_how_posts_cannot_be_is_refused_by_name(body: dict[str, Any], path: str, api: Api) -> None:
    assert paths(await api.live.post("/v1/webhooks", {"url": URL, **body})) == [path]
    made = await add(api)
    assert paths(await api.live.patch(f"/v1/webhooks/{made['id']}", body)) == [path]


async def test_a_test_key_has_webhooks_of_its_own(near: Api, receiver: Receiver) -> None:
    live = await add(near)
    made = await near.test.post("/v1/webhooks", {"url": receiver.url})
    assert made.json["test"] is True
    assert [each["id"] for each in (await near.test.get("/v1/webhooks")).json["data"]] == [made.json["id"]]
    assert len((await near.live.get("/v1/webhooks")).json["data"]) == 2
    assert (await near.test.get(f"/v1/webhooks/{live['id']}")).status == 404
    await happens(near)
    await post_all(near)
    assert receiver.requests == []
