"""Tenants by the API: a root key makes them and acts in them; nobody else sees more than their own."""

from typing import Any

import pytest

from relay.tenants.tenants import DEFAULT_TENANT
from tests.api.client import Client
from tests.api.conftest import Api

pytestmark = pytest.mark.both_engines

LETTER = {"from": "app@acme.test", "to": "ann@far.example", "subject": "Hello", "text": "Hi"}


@pytest.fixture
async def root(api: Api) -> Client:
    return await api.client(name="root", is_root=True)


async def acme(api: Api, root: Client, **more: Any) -> tuple[str, Client]:
    """A tenant with a domain, an inbox and a key, which its root made over HTTP."""
    made = await root.post("/v1/tenants", {"name": "Acme", **more})
    assert made.status == 201, made
    tenant: str = made.json["id"]
    await api.domain("acme.test", tenant)
    there = Client(root.app, root.key, fields={"x-tenant": tenant})
    assert (await there.post("/v1/inboxes", {"address": "app@acme.test"})).status == 201
    key = await there.post("/v1/keys", {"name": "Acme's"})
    assert key.status == 201
    return tenant, Client(root.app, key.json["key"])


async def test_a_root_key_makes_a_tenant_and_its_first_key(api: Api, root: Client) -> None:
    tenant, theirs = await acme(api, root, monthly_quota=50)
    account = (await theirs.get("/v1/account")).json
    assert account["tenant"]["id"] == tenant
    assert account["tenant"]["monthly_quota"] == 50
    assert account["key"]["is_root"] is False
    inboxes = (await theirs.get("/v1/inboxes")).json["data"]
    assert [inbox["address"] for inbox in inboxes] == ["app@acme.test"]
    assert (await theirs.get(f"/v1/inboxes/{api.inbox.id}")).status == 404
    assert (await api.live.get("/v1/inboxes/app@acme.test")).status == 404


async def test_what_a_root_key_makes_without_naming_a_tenant_is_its_own(api: Api, root: Client) -> None:
    key = (await root.post("/v1/keys", {"name": "mine"})).json
    assert key["is_root"] is False
    assert (await Client(root.app, key["key"]).get("/v1/account")).json["tenant"]["id"] == DEFAULT_TENANT


async def test_a_tenant_sets_its_own_footer_and_nothing_else(api: Api, root: Client) -> None:
    tenant, theirs = await acme(api, root)
    path, settings = f"/v1/tenants/{tenant}", {"footer_text": "Acme", "postal_address": "1 High St"}
    changed = await theirs.patch(path, {"settings": settings})
    assert (changed.status, changed.json["settings"]) == (200, {"footer_html": "", **settings})
    assert (await theirs.get("/v1/audit?action=tenant.updated")).json["data"][0]["after"] == {
        "settings": settings
    }
    for more in ({"name": "x"}, {"paused": False}, {"monthly_quota": 5}):
        refused = await theirs.patch(path, {"settings": {}, **more})
        assert (refused.status, refused.code) == (403, "insufficient_scope")
    assert (await api.live.patch(path, {"settings": {}})).code == "not_found"
    bound = await api.client(tenant, mailboxes=[await api.mailbox("one@acme.test", tenant)])
    assert (await bound.patch(path, {"settings": {}})).code == "insufficient_scope"
    assert (await theirs.get(path)).json["settings"] == changed.json["settings"]


async def test_only_a_root_key_acts_elsewhere_or_makes_tenants(api: Api, root: Client) -> None:
    tenant, theirs = await acme(api, root)
    for client, named in [(api.live, tenant), (theirs, DEFAULT_TENANT), (root, "ten_none")]:
        refused = await client.get("/v1/inboxes", x_tenant=named)
        assert (refused.status, refused.code) == (403, "insufficient_scope")
    assert (await theirs.get("/v1/inboxes", x_tenant=tenant)).status == 200
    assert (await api.live.post("/v1/tenants", {"name": "x"})).code == "insufficient_scope"
    assert (await theirs.patch(f"/v1/tenants/{tenant}", {"monthly_quota": None})).code == "insufficient_scope"
    assert (await theirs.post(f"/v1/tenants/{tenant}/suspend")).code == "insufficient_scope"
    assert (await theirs.get(f"/v1/tenants/{DEFAULT_TENANT}")).code == "not_found"
    assert (await theirs.get(f"/v1/tenants/{DEFAULT_TENANT}/usage")).code == "not_found"


async def test_everybody_sees_their_own_tenant_and_root_sees_all(api: Api, root: Client) -> None:
    tenant, theirs = await acme(api, root)
    assert [each["id"] for each in (await theirs.get("/v1/tenants")).json["data"]] == [tenant]
    seen = [each["id"] for each in (await root.get("/v1/tenants")).json["data"]]
    assert {tenant, DEFAULT_TENANT} <= set(seen)
    assert seen == sorted(seen, reverse=True)


async def test_who_is_paused_sends_nothing_and_reads_on(api: Api, root: Client) -> None:
    tenant, theirs = await acme(api, root)
    assert (await root.patch(f"/v1/tenants/{tenant}", {"paused": True})).json["status"] == "paused"
    refused = await theirs.post("/v1/emails", LETTER)
    assert (refused.status, refused.code) == (403, "tenant_paused")
    assert (await theirs.get("/v1/emails")).json["data"] == []
    await root.patch(f"/v1/tenants/{tenant}", {"paused": False})
    assert (await theirs.post("/v1/emails", LETTER)).status == 201


async def test_who_is_suspended_is_shut_out_until_resumed(api: Api, root: Client) -> None:
    tenant, theirs = await acme(api, root)
    assert (await root.post(f"/v1/tenants/{tenant}/suspend")).json["status"] == "suspended"
    refused = await theirs.get("/v1/account")
    assert (refused.status, refused.code) == (403, "tenant_suspended")
    # The root key sees to it, and cannot send for it either.
    there = Client(root.app, root.key, fields={"x-tenant": tenant})
    assert (await there.get("/v1/inboxes")).status == 200
    assert (await there.post("/v1/emails", LETTER)).code == "tenant_suspended"
    # Pausing or not does not open it again.
    assert (await root.patch(f"/v1/tenants/{tenant}", {"paused": False})).json["status"] == "suspended"
    await root.post(f"/v1/tenants/{tenant}/resume")
    assert (await theirs.post("/v1/emails", LETTER)).status == 201


async def test_usage_tells_today_and_the_month_by_door(api: Api, root: Client) -> None:
    tenant, theirs = await acme(api, root, monthly_quota=50)
    await theirs.post("/v1/emails", {**LETTER, "to": ["ann@far.example", "bob@far.example"]})
    api.clock.advance(days=1)
    await theirs.post("/v1/emails", {**LETTER, "text": "again"})
    used = (await theirs.get("/v1/account/usage")).json
    assert used == (await root.get(f"/v1/tenants/{tenant}/usage")).json
    assert used["today"] == {
        "messages": 1,
        "recipients": 1,
        "reserved": 1,
        "by_door": {"api": {"messages": 1, "recipients": 1}},
    }
    assert used["this_month"]["recipients"] == used["this_month"]["reserved"] == 3
    assert used["quota"] == {"limit": 50, "used": 3, "left": 47, "resets_at": "2026-04-01T00:00:00Z"}
    others = (await api.live.get("/v1/account/usage")).json
    assert others["this_month"]["messages"] == 0
    assert others["quota"] is None


async def test_a_quota_answers_with_its_own_rate_headers(api: Api, root: Client) -> None:
    _, theirs = await acme(api, root, monthly_quota=1)
    first = await theirs.post("/v1/emails", LETTER)
    assert first.status == 201
    assert first.fields["ratelimit-limit"] == "100000"
    refused = await theirs.post("/v1/emails", {**LETTER, "text": "again"})
    assert (refused.status, refused.code) == (429, "quota_exceeded")
    assert "2026-04-01T00:00:00Z" in refused.json["detail"]
    assert refused.fields["ratelimit-limit"] == "1"
    assert refused.fields["ratelimit-remaining"] == "0"
    assert refused.fields["ratelimit-reset"] == refused.fields["retry-after"]
    assert int(refused.fields["retry-after"]) > 28 * 86400
    assert len((await theirs.get("/v1/emails")).json["data"]) == 1


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"name": ""}, "$.name"),
        ({"name": "a\nb"}, "$.name"),
        ({"monthly_quota": -1}, "$.monthly_quota"),
        ({"monthly_quota": "many"}, "$.monthly_quota"),
        ({"settings": {"footer": "x"}}, "$.settings.footer"),
        ({"settings": {"footer_text": "a\x1bb"}}, "$.settings.footer_text"),
        ({"settings": {"postal_address": "x" * 1_001}}, "$.settings.postal_address"),
        ({"paused": 1}, "$.paused"),
    ],
    ids=str,
)
async def test_what_cannot_be_is_named(api: Api, root: Client, wrong: dict[str, Any], path: str) -> None:
    refused = await root.patch(f"/v1/tenants/{DEFAULT_TENANT}", wrong)
    assert (refused.status, refused.code) == (422, "validation_error")
    assert refused.json["errors"][0]["path"] == path
