"""Keys that are bound to inboxes or to domains: what they reach at every door, and what they do not."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from relay.tenants import domain_changes
from relay.tenants.domains import Domain
from relay.tenants.mailboxes import Mailbox
from tests.api.client import Client
from tests.api.conftest import Api

pytestmark = pytest.mark.both_engines

LETTER = {"to": "ann@far.example", "subject": "Hello", "text": "Hi"}
Bind = Callable[..., Awaitable[Client]]


@pytest.fixture
async def boxes(api: Api) -> dict[str, Mailbox]:
    """Inboxes at two domains: app and two more at ours.test, one at second.test."""
    await api.domain("second.test")
    addresses = ("news@ours.test", "shop@ours.test", "app@second.test")
    made = {address: await api.mailbox(address, senders=["*@ours.test"]) for address in addresses}
    return {"app@ours.test": api.inbox, **made}


async def domain_of(api: Api, name: str = "second.test") -> Domain:
    found = await api.house.directory.domain(name)
    assert found is not None
    return found


async def addresses(client: Client) -> set[str]:
    return {inbox["address"] for inbox in (await client.get("/v1/inboxes")).json["data"]}


async def test_a_key_of_two_inboxes_reaches_these(api: Api, boxes: dict[str, Mailbox]) -> None:
    mine = [boxes["news@ours.test"], boxes["shop@ours.test"]]
    client = await api.client(mailboxes=mine)
    assert await addresses(client) == {"news@ours.test", "shop@ours.test"}
    sent = {}
    for sender in boxes:
        sent[sender] = (await api.live.post("/v1/emails", {**LETTER, "from": sender})).json["id"]
    listed = {email["id"] for email in (await client.get("/v1/emails")).json["data"]}
    assert listed == {sent["news@ours.test"], sent["shop@ours.test"]}
    threads = (await client.get("/v1/threads")).json["data"]
    assert {thread["inbox_id"] for thread in threads} == {mailbox.id for mailbox in mine}
    events = (await client.get("/v1/events?kind=message.accepted")).json["data"]
    assert {event["message_id"] for event in events} == listed
    for sender, status in [("news@ours.test", 200), ("app@ours.test", 404), ("app@second.test", 404)]:
        assert (await client.get(f"/v1/emails/{sent[sender]}")).status == status
        assert (await client.get(f"/v1/inboxes/{sender}")).status == status


async def test_a_key_of_a_domain_reaches_inboxes_that_are_made_later(
    api: Api, boxes: dict[str, Mailbox]
) -> None:
    client = await api.client(domains=[await domain_of(api)])
    assert await addresses(client) == {"app@second.test"}
    await api.mailbox("later@second.test")
    assert await addresses(client) == {"app@second.test", "later@second.test"}
    assert (await client.post("/v1/emails", {**LETTER, "from": "later@second.test"})).status == 201
    assert len((await client.get("/v1/emails")).json["data"]) == 1
    assert [each["name"] for each in (await client.get("/v1/domains")).json["data"]] == ["second.test"]
    assert (await client.get("/v1/domains/ours.test")).code == "not_found"


async def test_a_key_of_a_domain_writes_from_no_other(api: Api, boxes: dict[str, Mailbox]) -> None:
    """The inbox itself may: its sender patterns say so."""
    letter = {**LETTER, "inbox_id": boxes["app@second.test"].id, "from": "any@ours.test"}
    assert (await api.live.post("/v1/emails", letter)).status == 201
    by_domain = await api.client(domains=[await domain_of(api)])
    inbox = "/v1/inboxes/app@second.test/messages"
    for answer in (
        await by_domain.post("/v1/emails", letter),
        await by_domain.post(inbox, {**LETTER, "from": "any@ours.test"}),
        await by_domain.post("/v1/emails", {**LETTER, "from": "app@ours.test"}),
    ):
        assert (answer.status, answer.code) == (403, "sender_not_allowed")
    by_inbox = await api.client(mailboxes=[boxes["app@second.test"]])
    assert (await by_inbox.post("/v1/emails", {**letter, "subject": "Again"})).status == 201


async def test_a_domains_key_sees_the_threads_of_its_inboxes(api: Api, boxes: dict[str, Mailbox]) -> None:
    client = await api.client(domains=[await domain_of(api)])
    for inbox, status in [("app@second.test", 200), ("app@ours.test", 404)]:
        sent = await api.live.post(f"/v1/inboxes/{inbox}/messages", LETTER)
        thread = sent.json["thread_id"]
        assert (await client.get(f"/v1/threads/{thread}")).status == status


async def test_who_has_several_inboxes_says_which(api: Api, boxes: dict[str, Mailbox]) -> None:
    client = await api.client(mailboxes=[boxes["news@ours.test"], boxes["shop@ours.test"]])
    assert (await client.post("/v1/emails", LETTER)).json["errors"][0]["path"] == "$.from"
    hook = {"url": "https://hooks.example/x"}
    assert (await client.post("/v1/webhooks", hook)).json["errors"][0]["path"] == "$.inbox"
    made = await client.post("/v1/webhooks", {**hook, "inbox": "news@ours.test"})
    assert made.status == 201
    await api.live.post("/v1/webhooks", hook)
    assert [each["id"] for each in (await client.get("/v1/webhooks")).json["data"]] == [made.json["id"]]


WHOLE: list[tuple[str, str, Any]] = [
    ("POST", "/v1/inboxes", {"address": "new@second.test"}),
    ("POST", "/v1/domains", {"name": "new.test"}),
    ("POST", "/v1/brands", {"name": "x"}),
    ("POST", "/v1/suppressions", {"address": "x@far.example"}),
    ("POST", "/v1/emails", {**LETTER, "pool": "news"}),
    ("GET", "/v1/account/usage", None),
    ("GET", "/v1/audit", None),
]


@pytest.mark.parametrize(("method", "path", "document"), WHOLE, ids=lambda value: str(value)[:30])
async def test_what_is_the_whole_tenants_is_refused(
    api: Api, boxes: dict[str, Mailbox], method: str, path: str, document: Any
) -> None:
    client = await api.client(domains=[await domain_of(api)])
    refused = await client.request(method, path, document)
    assert (refused.status, refused.code) in [(403, "insufficient_scope"), (422, "validation_error")]
    if "pool" not in (document or {}):
        assert refused.status == 403


async def test_a_bound_key_makes_keys_within_its_own_reach(api: Api, boxes: dict[str, Mailbox]) -> None:
    maker = await api.client(mailboxes=[boxes["news@ours.test"]], domains=[await domain_of(api)])
    same = (await maker.post("/v1/keys", {"name": "same"})).json
    assert (same["inboxes"], same["domains"]) == ([boxes["news@ours.test"].id], ["second.test"])
    plain = await api.mailbox("plain@second.test")
    narrow = {"name": "narrow", "inboxes": ["plain@second.test"]}
    assert (await maker.post("/v1/keys", narrow)).json["inbox_id"] == plain.id
    # That one may write from ours.test too, which its domain's key may not.
    assert (await maker.post("/v1/keys", {"name": "x", "inboxes": ["app@second.test"]})).status == 403
    assert (await maker.post("/v1/keys", {"name": "x", "inboxes": ["shop@ours.test"]})).status == 404
    assert (await maker.post("/v1/keys", {"name": "x", "domains": ["ours.test"]})).status == 403
    wide = (await api.live.post("/v1/keys", {"name": "wide"})).json
    seen = {key["name"] for key in (await maker.get("/v1/keys")).json["data"]}
    assert seen == {"made", "same", "narrow"}
    assert (await maker.get(f"/v1/keys/{wide['id']}")).code == "not_found"


async def test_no_key_becomes_wider_by_a_loss(api: Api, boxes: dict[str, Mailbox]) -> None:
    two = await api.client(mailboxes=[boxes["news@ours.test"], boxes["shop@ours.test"]])
    mixed = await api.client(mailboxes=[boxes["news@ours.test"]], domains=[await domain_of(api)])
    by_domain = await api.client(domains=[await domain_of(api)])
    for address in ("news@ours.test", "app@second.test"):
        assert (await api.live.delete(f"/v1/inboxes/{address}")).status == 204
    assert await addresses(two) == {"shop@ours.test"}
    assert await addresses(mixed) == await addresses(by_domain) == set()
    second = await domain_of(api)
    await api.house.directory.change(lambda tx: domain_changes.remove(tx, api.clock, second))
    for client in (mixed, by_domain):
        assert (await client.get("/v1/account")).status == 401
    assert (await api.live.delete("/v1/inboxes/shop@ours.test")).status == 204
    assert (await two.get("/v1/account")).status == 401


async def test_a_batch_is_seen_by_keys_of_its_own_binding(api: Api, boxes: dict[str, Mailbox]) -> None:
    mine = [boxes["news@ours.test"], boxes["shop@ours.test"]]
    client, alike = await api.client(mailboxes=mine), await api.client(mailboxes=mine)
    other = await api.client(mailboxes=[boxes["app@ours.test"]])
    made = await client.post("/v1/emails/batch", {"emails": [{**LETTER, "from": "news@ours.test"}]})
    assert made.status == 201
    path = f"/v1/batches/{made.json['id']}"
    for asking, status in [(client, 200), (alike, 200), (api.live, 200), (other, 404)]:
        assert (await asking.get(path)).status == status


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"domains": ["no domain"]}, "$.domains[0]"),
        ({"burst": 0}, "$.burst"),
        ({"requests_per_minute": 10_000_000}, "$.requests_per_minute"),
        ({"inboxes": [7]}, "$.inboxes[0]"),
        ({"is_root": True}, "$.is_root"),
    ],
    ids=str,
)
async def test_what_no_key_can_be_is_named(api: Api, wrong: dict[str, Any], path: str) -> None:
    refused = await api.live.post("/v1/keys", {"name": "x", **wrong})
    assert (refused.status, refused.code) == (422, "validation_error")
    assert refused.json["errors"][0]["path"] == path


async def test_a_key_makes_none_that_may_ask_more_often(api: Api) -> None:
    maker = await api.client(requests_per_minute=100, burst=10)
    for more in ({"requests_per_minute": 101}, {"burst": 11}):
        assert (await maker.post("/v1/keys", {"name": "x", **more})).code == "insufficient_scope"
    made = (await maker.post("/v1/keys", {"name": "x", "burst": 5})).json
    assert (made["requests_per_minute"], made["burst"]) == (100, 5)
