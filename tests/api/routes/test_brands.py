"""Brands: what an email leaves open is as its brand has it."""

from typing import Any

import pytest

from tests.api.conftest import Api

pytestmark = pytest.mark.both_engines

BRAND = {
    "name": "shop",
    "sender_name": "The Shop",
    "sender_address": "app@ours.test",
    "footer_text": "The Shop",
    "postal_address": "1\u00a0Main Street",
}
LETTER = {"brand": "shop", "to": "ann@far.example", "subject": "Hello", "text": "Hi"}


async def test_a_brand_is_made_found_changed_and_removed(api: Api) -> None:
    made = (await api.live.post("/v1/brands", BRAND)).json
    for name in (made["id"], "shop"):
        assert (await api.live.get(f"/v1/brands/{name}")).json == made
    changed = (await api.live.patch("/v1/brands/shop", {"sender_name": "Shop", "pool": "news"})).json
    assert changed == {**made, "sender_name": "Shop", "pool": "news"}
    assert (await api.live.get("/v1/brands")).json["data"] == [changed]
    assert (await api.live.delete(f"/v1/brands/{made['id']}")).status == 204
    assert (await api.live.get("/v1/brands/shop")).code == "not_found"


async def test_a_tracking_host_is_one_that_a_domain_of_the_tenant_has(api: Api) -> None:
    tracked = {"name": "shop", "tracking_host": "Links.OURS.test"}
    assert (await api.live.post("/v1/brands", tracked)).status == 422
    await api.live.patch("/v1/domains/ours.test", {"tracking_host": "links.ours.test"})
    # Its owner vouches for the domain's DNS.
    made = (await api.live.post("/v1/brands", tracked)).json
    assert (made["tracking_host"], made["tracking_verified"]) == ("links.ours.test", True)
    refused = await api.foreign.post("/v1/brands", tracked)
    assert refused.json["errors"][0]["path"] == "$.tracking_host"

    # A brand outlives its domain's host, and can be changed meanwhile.
    await api.live.patch("/v1/domains/ours.test", {"tracking_host": None})
    left = (await api.live.patch("/v1/brands/shop", {"sender_name": "Shop"})).json
    assert (left["tracking_host"], left["tracking_verified"]) == ("links.ours.test", False)
    assert (await api.live.patch("/v1/brands/shop", {"tracking_host": "new.ours.test"})).status == 422


async def test_an_email_takes_from_its_brand_what_it_leaves_open(api: Api) -> None:
    brand = (await api.live.post("/v1/brands", BRAND)).json["id"]
    sent = (await api.live.post("/v1/emails", LETTER)).json
    assert sent["from"] == {"address": "app@ours.test", "name": "The Shop"}
    (accepted, *_) = (await api.live.get(f"/v1/emails/{sent['id']}")).json["events"]
    assert accepted["data"]["brand_id"] == brand
    own = (await api.live.post("/v1/emails", {**LETTER, "from": "Ann <app@ours.test>"})).json
    assert own["from"] == {"address": "app@ours.test", "name": "Ann"}
    by_inbox = (await api.live.post("/v1/emails", {**LETTER, "inbox_id": api.inbox.id})).json
    assert by_inbox["from"] == {"address": "app@ours.test", "name": "The Shop"}


async def test_a_brands_pool_sends_where_no_sender_is_named(api: Api) -> None:
    await api.mailbox("news@ours.test", pool="news")
    await api.live.post("/v1/brands", {"name": "letters", "pool": "news"})
    sent = (await api.live.post("/v1/emails", {**LETTER, "brand": "letters"})).json
    assert sent["from"]["address"] == "news@ours.test"


async def test_brands_are_the_tenants_own(api: Api) -> None:
    made = (await api.live.post("/v1/brands", BRAND)).json
    assert (await api.foreign.get(f"/v1/brands/{made['id']}")).code == "not_found"
    assert (await api.foreign.post("/v1/brands", {"name": "shop"})).status == 201
    refused = await api.foreign.post("/v1/emails", {**LETTER, "brand": made["id"]})
    assert refused.json["errors"][0]["path"] == "$.brand"
    bound = await api.client(mailbox=api.inbox)
    assert (await bound.post("/v1/brands", {"name": "x"})).code == "insufficient_scope"


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"name": "a\r\nBcc: x"}, "$.name"),
        ({"sender_name": "a\nb"}, "$.sender_name"),
        ({"sender_address": "nobody"}, "$.sender_address"),
        ({"sender_address": "app@theirs.test"}, "$.sender_address"),
        ({"tracking_host": "links.theirs.test"}, "$.tracking_host"),
        ({"tracking_host": "links.ours.test"}, "$.tracking_host"),
        ({"tracking_host": "no host"}, "$.tracking_host"),
        ({"footer_html": "x" * 10_001}, "$.footer_html"),
        ({"postal_address": "a\x1bb"}, "$.postal_address"),
        ({"colour": "red"}, "$.colour"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_no_brand_can_have_is_named(api: Api, wrong: dict[str, Any], path: str) -> None:
    refused = await api.live.post("/v1/brands", {**BRAND, **wrong})
    assert (refused.status, refused.code) == (422, "validation_error")
    assert refused.json["errors"][0]["path"] == path


async def test_two_brands_have_two_names(api: Api) -> None:
    for name in ("shop", "news"):
        assert (await api.live.post("/v1/brands", {"name": name})).status == 201
    assert (await api.live.post("/v1/brands", {"name": "shop"})).code == "already_exists"
    assert (await api.live.patch("/v1/brands/news", {"name": "shop"})).code == "already_exists"
