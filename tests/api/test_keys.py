"""Keys by the API: made, listed, revoked; never more than the key that makes them."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from relay.tenants import domains
from relay.tenants.guards import Guards
from tests.api.client import Client
from tests.api.conftest import Api

EMPTY: dict[str, Any] = {
    "inboxes": [],
    "domains": [],
    "cidrs": [],
    "requests_per_minute": None,
    "burst": None,
}


async def test_a_key_is_shown_once_and_works(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = await api.live.post("/v1/keys", {"name": "billing", "scopes": ["keys:read"]})
    assert made.status == 201
    secret = made.json["key"]
    client = Client(api.live.app, secret)
    shown = await client.get(f"/v1/keys/{made.json['id']}")
    listed = await client.get("/v1/keys")
    assert shown.status == listed.status == 200
    assert "key" not in shown.json
    assert secret not in shown.body.decode() + listed.body.decode() + caplog.text
    assert secret[-4:] == shown.json["hint"]


async def test_what_is_left_out_is_the_makers_own(api: Api) -> None:
    until = api.clock.now() + timedelta(days=1)
    maker = await api.client(
        mode="test",
        scopes=["keys:write", "events:read"],
        mailbox=api.inbox,
        cidrs=["127.0.0.0/8"],
        expires_at=until,
    )
    made = (await maker.post("/v1/keys", {"name": "x"})).json
    assert made["mode"] == "test"
    assert made["scopes"] == ["events:read", "keys:write"]
    assert made["inbox_id"] == api.inbox.id
    assert made["cidrs"] == ["127.0.0.0/8"]
    assert made["expires_at"] == "2026-03-03T09:00:00Z"


@pytest.mark.parametrize(
    "more",
    [
        {"mode": "live"},
        {"scopes": ["*"]},
        {"scopes": ["keys:*"]},
        {"scopes": ["keys:write", "messages:send"]},
        {"cidrs": ["0.0.0.0/0"]},
        {"cidrs": ["127.0.0.0/8", "::/0"]},
        {"expires_at": "2026-03-04T09:00:00Z"},
    ],
    ids=str,
)
async def test_a_key_makes_none_that_may_do_more(api: Api, more: dict[str, Any]) -> None:
    until = api.clock.now() + timedelta(days=1)
    limits: dict[str, Any] = {"scopes": ["keys:write"], "cidrs": ["127.0.0.0/8"], "expires_at": until}
    maker = await api.client(mode="test", **limits)
    refused = await maker.post("/v1/keys", {"name": "x", **more})
    assert (refused.status, refused.code) == (403, "insufficient_scope")


async def test_a_narrower_key_is_made(api: Api) -> None:
    wanted = {
        "name": "narrow",
        "scopes": ["messages:*", "events:read"],
        "inbox": "app@ours.test",
        "cidrs": ["192.0.2.0/24"],
        "expires_at": "2026-04-01T00:00:00+02:00",
    }
    made = (await api.live.post("/v1/keys", wanted)).json
    assert made["inbox_id"] == api.inbox.id
    assert made["expires_at"] == "2026-03-31T22:00:00Z"
    assert made["scopes"] == ["events:read", "messages:*"]


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"scopes": ["mesages:read"]}, "$.scopes[0]"),
        ({"scopes": ["*", "messages"]}, "$.scopes[1]"),
        ({"scopes": []}, "$.scopes"),
        ({"cidrs": ["192.0.2.1/24"]}, "$.cidrs[0]"),
        ({"cidrs": ["nets"]}, "$.cidrs[0]"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "$.expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "$.expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "$.expires_at"),
        ({"mode": "demo"}, "$.mode"),
        ({"name": "a\nb"}, "$.name"),
    ],
    ids=str,
)
async def test_a_slip_is_named(api: Api, wrong: dict[str, Any], path: str) -> None:
    answer = await api.live.post("/v1/keys", {"name": "x", **wrong})
    assert (answer.status, answer.code) == (422, "validation_error")
    assert answer.json["errors"][0]["path"] == path


async def test_others_keys_are_not_here(api: Api) -> None:
    id_ = (await api.foreign.get("/v1/account")).json["key"]["id"]
    assert (await api.live.get(f"/v1/keys/{id_}")).status == 404
    assert (await api.live.delete(f"/v1/keys/{id_}")).status == 404
    assert id_ not in (await api.live.get("/v1/keys")).body.decode()
    stolen = await api.live.post("/v1/keys", {"name": "x", "inbox": api.foreign_inbox.id})
    assert (stolen.status, stolen.code) == (404, "not_found")
    assert (await api.foreign.get("/v1/account")).status == 200


async def test_a_bound_key_sees_keys_of_its_inbox_only(api: Api) -> None:
    bound = await api.client(name="bound", mailbox=api.inbox)
    other = await api.mailbox("other@ours.test")
    live = (await api.live.get("/v1/account")).json["key"]["id"]
    assert [key["name"] for key in (await bound.get("/v1/keys")).json["data"]] == ["bound"]
    assert (await bound.get(f"/v1/keys/{live}")).status == 404
    assert (await bound.delete(f"/v1/keys/{live}")).status == 404
    assert (await bound.post("/v1/keys", {"name": "x", "inbox": other.id})).status == 404


async def test_a_test_key_does_not_revoke_a_live_one(api: Api) -> None:
    live = (await api.live.get("/v1/account")).json["key"]["id"]
    assert (await api.test.delete(f"/v1/keys/{live}")).status == 404
    assert (await api.live.get("/v1/account")).status == 200


async def test_the_list_goes_page_by_page_newest_first(api: Api) -> None:
    made = []
    for number in range(5):
        api.clock.advance(seconds=1)
        made.append((await api.live.post("/v1/keys", {"name": f"key {number}"})).json["id"])
    seen, target = list[str](), "/v1/keys?limit=2"
    for _ in range(10):
        part = (await api.live.get(target)).json
        seen += [key["id"] for key in part["data"]]
        assert len(part["data"]) <= 2
        assert part["has_more"] == (part["next_cursor"] is not None)
        if not part["has_more"]:
            break
        target = f"/v1/keys?limit=2&cursor={part['next_cursor']}"
    assert seen[:5] == made[::-1]
    assert len(seen) == len(set(seen)) == 7


async def test_the_account_says_who_asks(api: Api) -> None:
    answer = (await api.foreign.get("/v1/account")).json
    assert answer["tenant"]["name"] == "Others"
    assert answer["key"]["name"] == "foreign"
    assert answer["limits"]["default_daily_cap"] == 75


async def test_a_key_is_changed_and_the_audit_log_says_how(api: Api) -> None:
    made = (await api.live.post("/v1/keys", {"name": "x"})).json
    path, client = f"/v1/keys/{made['id']}", Client(api.live.app, made["key"])
    other = await api.mailbox("other@ours.test")
    wanted = {"name": "y", "inboxes": ["app@ours.test"], "cidrs": ["127.0.0.0/8"], "burst": 5}
    changed = await api.live.patch(path, wanted | {"requests_per_minute": 60})
    assert changed.status == 200
    assert (changed.json["name"], changed.json["inbox_id"]) == ("y", api.inbox.id)
    assert (changed.json["cidrs"], changed.json["requests_per_minute"]) == (["127.0.0.0/8"], 60)
    assert (await client.get(f"/v1/inboxes/{other.id}")).status == 404
    assert (await client.get(f"/v1/inboxes/{api.inbox.id}")).fields["ratelimit-limit"] == "5"
    (entry,) = (await api.live.get("/v1/audit?action=key.updated")).json["data"]
    assert (entry["before"]["name"], entry["after"]["name"]) == ("x", "y")
    assert entry["after"]["reach"] == {"inboxes": [api.inbox.id], "domains": []}
    # What is left out stays; what is empty is as the key has it that asks.
    renamed, wide = [(await api.live.patch(path, body)).json for body in ({"name": "z"}, EMPTY)]
    del made["key"]
    same = {"last_used_at": None, "name": "z"}
    assert renamed | same == changed.json | same
    assert wide | same == made | same
    assert (await client.get(f"/v1/inboxes/{other.id}")).status == 200


@pytest.mark.parametrize(
    "wider",
    [
        {"cidrs": ["10.0.0.0/8"]},
        {"requests_per_minute": 61},
        {"burst": 11},
        {"inboxes": ["other@ours.test"]},
        {"domains": ["ours.test"]},
    ],
)
async def test_no_key_is_made_wider_than_the_one_that_asks(api: Api, wider: dict[str, Any]) -> None:
    """Not by its empty lists either: they stand for what it has itself."""
    await api.mailbox("other@ours.test")
    asks = await api.client(
        mailbox=api.inbox, cidrs=["127.0.0.0/8"], requests_per_minute=60, burst=10, scopes=["keys:*"]
    )
    made = (await asks.post("/v1/keys", {"name": "x", "cidrs": ["127.0.0.1/32"]})).json
    path = f"/v1/keys/{made['id']}"
    refused = await asks.patch(path, wider)
    assert (refused.status, refused.code) in ((403, "insufficient_scope"), (404, "not_found"))
    empty: dict[str, Any] = {
        "inboxes": [],
        "domains": [],
        "cidrs": [],
        "requests_per_minute": None,
        "burst": None,
    }
    changed = (await asks.patch(path, empty)).json
    assert (changed["inbox_id"], changed["cidrs"]) == (api.inbox.id, ["127.0.0.0/8"])
    assert (changed["requests_per_minute"], changed["burst"]) == (60, 10)


async def test_a_key_changes_none_that_may_do_more(api: Api) -> None:
    asks = await api.client(scopes=["keys:*"])
    powerful = (await api.live.post("/v1/keys", {"name": "all", "cidrs": ["127.0.0.0/8"]})).json
    root = await api.key(name="root", is_root=True, scopes=["keys:read"])
    for id_ in (powerful["id"], root.key.id):
        refused = await asks.patch(f"/v1/keys/{id_}", {"cidrs": []})
        assert (refused.status, refused.code) == (403, "insufficient_scope")
    for other in (api.test, api.foreign):
        assert (await other.patch(f"/v1/keys/{powerful['id']}", {"name": "y"})).status == 404
    free = await api.key(name="free", scopes=["keys:read"])
    tied = await api.client(scopes=["keys:*"], cidrs=["127.0.0.0/8"])
    assert (await tied.patch(f"/v1/keys/{free.key.id}", {"name": "y"})).code == "insufficient_scope"
    guarded = await api.client(scopes=["keys:*"], guards=Guards(links="known"))
    assert (await guarded.patch(f"/v1/keys/{free.key.id}", {"name": "y"})).code == "insufficient_scope"


async def test_who_reaches_an_inbox_by_its_domain_hands_no_address_elsewhere_on(api: Api) -> None:
    await api.domain("second.test")
    inbox = await api.mailbox("both@ours.test", senders=["*@second.test"])
    domain = await domains.get(api.house.db, inbox.tenant_id, "ours.test")
    asks = await api.client(domains=[domain])
    refused = await asks.post("/v1/keys", {"name": "x", "inboxes": [inbox.id]})
    assert (refused.status, refused.code) == (403, "insufficient_scope")
    bound = await api.key(name="bound", mailboxes=[inbox])
    refused = await asks.patch(f"/v1/keys/{bound.key.id}", {"cidrs": ["0.0.0.0/0"]})
    assert (refused.status, refused.code) == (403, "insufficient_scope")


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"name": ""}, "$.name"),
        ({"name": "a\nb"}, "$.name"),
        ({"cidrs": ["x"]}, "$.cidrs[0]"),
        ({"requests_per_minute": 0}, "$.requests_per_minute"),
        ({"scopes": ["*"]}, "$.scopes"),
    ],
)
async def test_a_slip_in_a_change_is_named(api: Api, wrong: dict[str, Any], path: str) -> None:
    made = (await api.live.post("/v1/keys", {"name": "x"})).json
    refused = await api.live.patch(f"/v1/keys/{made['id']}", wrong)
    assert (refused.status, refused.json["errors"][0]["path"]) == (422, path)
