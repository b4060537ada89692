"""Inboxes over HTTP: an address for the asking, a password told once, nobody else's inbox."""

import re
from typing import Any

import pytest

from relay.store.database import Transaction
from relay.tenants.domains import read_name
from tests.api.conftest import OURS, THEIRS, Api


async def made(api: Api, **wanted: Any) -> Any:
    answer = await api.live.post("/v1/inboxes", wanted)
    assert answer.status == 201, answer
    return answer.json


async def test_a_new_inbox_says_what_it_may_send(api: Api) -> None:
    wanted = {
        "address": f"Ann@{OURS}",
        "name": "Ann Lee",
        "daily_cap": 30,
        "senders": [f"*@{OURS}"],
        "aliases": [f"lee@{OURS}"],
        "pool": "sales",
        "signed_replies": True,
    }
    inbox = await made(api, **wanted)
    assert inbox["address"] == f"ann@{OURS}"
    assert (inbox["daily_cap"], inbox["used_today"], inbox["left_today"]) == (30, 0, 30)
    assert inbox["resets_at"].endswith("Z")
    assert (inbox["senders"], inbox["aliases"]) == ([f"*@{OURS}"], [f"lee@{OURS}"])
    assert (inbox["pool"], inbox["status"], inbox["warmup"]) == ("sales", "active", None)
    assert (inbox["signed_replies"], inbox["domain_verified"]) == (True, True)
    assert "smtp_password" not in inbox
    for name in (inbox["id"], f"ann@{OURS}", f"ANN@{OURS.upper()}", f"ann%40{OURS}"):
        assert (await api.live.get(f"/v1/inboxes/{name}")).json == inbox


async def test_the_setting_for_reply_to_is_off_unless_asked_for(api: Api) -> None:
    inbox = await made(api, name="Ann")
    assert inbox["signed_replies"] is False
    changed = await api.live.patch(f"/v1/inboxes/{inbox['id']}", {"signed_replies": True})
    assert changed.json["signed_replies"] is True
    mailbox = await api.house.directory.mailbox(inbox["id"])
    assert mailbox is not None
    assert mailbox.signed_replies


@pytest.mark.parametrize(
    ("name", "local_part"),
    [
        ("Ann Lee", "ann-lee"),
        ("  Jörg & Söhne! ", "jorg-sohne"),
        ("", "inbox"),
        ("日本", "inbox"),
        ("x" * 200, "x" * 40),
        ("Abuse", "abuse-[a-z2-9]{6}"),
    ],
)
async def test_an_address_is_made_from_the_name(api: Api, name: str, local_part: str) -> None:
    inbox = await made(api, name=name)
    assert re.fullmatch(f"{local_part}@{re.escape(OURS)}", inbox["address"])


async def test_an_address_that_is_taken_gets_letters_of_chance(api: Api) -> None:
    first, second = await made(api, name="Ann"), await made(api, name="Ann")
    assert first["address"] == f"ann@{OURS}"
    assert re.fullmatch(rf"ann-[a-z2-9]{{6}}@{re.escape(OURS)}", second["address"])


async def test_the_address_is_made_on_the_domain_that_is_named_or_on_the_first_verified(api: Api) -> None:
    await api.live.post("/v1/domains", {"name": "a.example"})  # not verified, and before ours by name
    api.clock.advance(seconds=1)
    await api.domain("b.example")
    assert (await made(api, name="Ann"))["address"] == f"ann@{OURS}"
    assert (await made(api, name="Ann", domain="b.example"))["address"] == "ann@b.example"
    foreign = await api.live.post("/v1/inboxes", {"name": "Ann", "domain": THEIRS})
    assert (foreign.status, foreign.code) == (404, "not_found")


async def test_without_a_verified_domain_there_is_no_address_to_make(api: Api) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute("update domains set status = 'pending' where name = $1", read_name(OURS))

    await api.house.directory.change(work)
    refused = await api.live.post("/v1/inboxes", {"name": "Ann"})
    assert (refused.status, refused.code) == (403, "domain_not_verified")


async def test_a_password_is_told_once_and_opens_the_inbox(api: Api) -> None:
    wanted = {"address": f"ann@{OURS}", "smtp_password": True}
    first = await api.live.post("/v1/inboxes", wanted, idempotency_key="a")
    again = await api.live.post("/v1/inboxes", wanted, idempotency_key="a")
    password = first.json["smtp_password"]
    assert again.json == {name: value for name, value in first.json.items() if name != "smtp_password"}
    assert "smtp_password" not in (await api.live.get(f"/v1/inboxes/ann@{OURS}")).json
    directory = api.house.directory
    assert await directory.check_password(f"ann@{OURS}", password) is not None
    renewed = (await api.live.patch(f"/v1/inboxes/ann@{OURS}", {"smtp_password": True})).json
    assert await directory.check_password(f"ann@{OURS}", password) is None
    assert await directory.check_password(f"ann@{OURS}", renewed["smtp_password"]) is not None


async def test_a_warm_up_is_named_and_can_be_ended(api: Api) -> None:
    inbox = await made(api, name="Ann", warmup="gentle")
    assert (inbox["warmup"]["plan"], inbox["warmup"]["step"]) == ("gentle", 1)
    assert inbox["left_today"] == min(inbox["warmup"]["cap"], inbox["daily_cap"])
    refused = await api.live.post("/v1/inboxes", {"name": "Bob", "warmup": "no such plan"})
    assert (refused.status, refused.json["errors"][0]["path"]) == (422, "$.warmup")
    ended = await api.live.patch(f"/v1/inboxes/{inbox['id']}", {"warmup": None})
    assert (ended.json["warmup"], ended.json["left_today"]) == (None, inbox["daily_cap"])


async def test_what_is_not_named_stays_and_null_takes_away(api: Api) -> None:
    inbox = await made(api, name="Ann", daily_cap=5, pool="sales", aliases=[f"lee@{OURS}"])
    path = f"/v1/inboxes/{inbox['id']}"
    assert (await api.live.patch(path, {})).json == inbox
    paused = (await api.live.patch(path, {"status": "paused"})).json
    assert paused == {**inbox, "status": "paused"}
    changed = (await api.live.patch(path, {"daily_cap": None, "pool": None, "aliases": []})).json
    assert (changed["daily_cap"], changed["pool"], changed["aliases"]) == (75, None, [])


@pytest.mark.parametrize(
    "wanted",
    [
        {"address": "ann"},
        {"address": f"ann@{OURS}", "domain": OURS},
        {"daily_cap": -1},
        {"daily_cap": True},
        {"senders": ["*@*"]},
        {"aliases": ["x@nobody.example"]},
        {"name": "two\nlines"},
        {"status": "active"},
        {"unknown": 1},
    ],
)
async def test_what_cannot_be_meant_is_refused(api: Api, wanted: dict[str, Any]) -> None:
    refused = await api.live.post("/v1/inboxes", wanted)
    assert (refused.status, refused.code) == (422, "validation_error")


async def test_an_address_is_given_once(api: Api) -> None:
    taken = await api.live.post("/v1/inboxes", {"address": f"APP@{OURS}"})
    assert (taken.status, taken.code) == (409, "already_exists")
    elsewhere = await api.live.post("/v1/inboxes", {"address": f"ann@{THEIRS}"})
    assert (elsewhere.status, elsewhere.code) == (404, "not_found")


async def test_inboxes_are_listed_newest_first_in_pages(api: Api) -> None:
    for number in range(3):
        api.clock.advance(seconds=1)
        await made(api, address=f"user{number}@{OURS}")
    first = (await api.live.get("/v1/inboxes?limit=2")).json
    rest = (await api.live.get(f"/v1/inboxes?limit=2&cursor={first['next_cursor']}")).json
    addresses = [each["address"] for each in (*first["data"], *rest["data"])]
    assert addresses == [f"user2@{OURS}", f"user1@{OURS}", f"user0@{OURS}", f"app@{OURS}"]


async def test_an_inbox_goes_with_its_lists_and_keys(api: Api) -> None:
    inbox = await made(api, address=f"ann@{OURS}")
    mailbox = await api.house.directory.mailbox(inbox["id"])
    bound = await api.client(mailbox=mailbox)
    entry = {"entry": "far.example", "inbox": inbox["id"]}
    assert (await api.live.post("/v1/lists/send/block", entry)).status == 201
    assert (await api.live.delete(f"/v1/inboxes/ann@{OURS}")).status == 204
    assert (await api.live.get(f"/v1/inboxes/{inbox['id']}")).status == 404
    assert (await bound.get("/v1/inboxes")).status == 401
    assert (await api.live.get("/v1/lists/send/block")).json["data"] == []


async def test_nobody_sees_or_changes_the_inboxes_of_another_tenant(api: Api) -> None:
    for name in (api.foreign_inbox.id, f"app@{THEIRS}"):
        assert (await api.live.get(f"/v1/inboxes/{name}")).status == 404
        assert (await api.live.patch(f"/v1/inboxes/{name}", {"status": "paused"})).status == 404
        assert (await api.live.delete(f"/v1/inboxes/{name}")).status == 404
    assert [each["id"] for each in (await api.live.get("/v1/inboxes")).json["data"]] == [api.inbox.id]


async def test_a_key_of_one_inbox_sees_it_alone_and_widens_nothing(api: Api) -> None:
    other = await made(api, name="Ann")
    bound = await api.client(mailbox=api.inbox)
    assert [each["id"] for each in (await bound.get("/v1/inboxes")).json["data"]] == [api.inbox.id]
    assert (await bound.get(f"/v1/inboxes/{other['id']}")).status == 404
    for answer in (
        await bound.post("/v1/inboxes", {"name": "Bob"}),
        await bound.patch(f"/v1/inboxes/{api.inbox.id}", {"senders": [f"*@{OURS}"]}),
        await bound.delete(f"/v1/inboxes/{api.inbox.id}"),
    ):
        assert (answer.status, answer.code) == (403, "insufficient_scope")
