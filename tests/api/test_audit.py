"""The audit log: each administrative change once, with who made it, in the change's own transaction."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from relay.address import parse_address
from relay.clock import to_us
from relay.control.context import Context
from relay.control.registry import find
from relay.errors import InvalidInput
from relay.events import audit
from relay.events.audit import ADMINISTRATIVE
from relay.suppressions import records as suppressions
from relay.suppressions.reasons import SuppressionReason
from relay.tenants.tenants import DEFAULT_TENANT
from tests.api.client import Client
from tests.api.conftest import Api

pytestmark = pytest.mark.both_engines

Change = Callable[[Client], Awaitable[Any]]

INBOX = "/v1/inboxes/app@ours.test"
CHANGES: dict[str, list[Change]] = {
    "domain.created": [lambda api: api.post("/v1/domains", {"name": "new.test"})],
    "domain.updated": [lambda api: api.patch("/v1/domains/ours.test", {"catch_all": "app@ours.test"})],
    "domain.rotated": [
        lambda api: api.post("/v1/domains", {"name": "new.test"}),
        lambda api: api.post("/v1/domains/new.test/rotate", {}),
    ],
    "domain.removed": [
        lambda api: api.post("/v1/domains", {"name": "new.test"}),
        lambda api: api.delete("/v1/domains/new.test"),
    ],
    "mailbox.created": [lambda api: api.post("/v1/inboxes", {"address": "new@ours.test"})],
    "mailbox.updated": [lambda api: api.patch(INBOX, {"daily_cap": 7})],
    "mailbox.removed": [lambda api: api.delete(INBOX)],
    "key.created": [lambda api: api.post("/v1/keys", {"name": "x"})],
    "key.updated": [
        lambda api: _made(api, "/v1/keys", {"name": "x"}, "PATCH", {"approval": "always"}, "/guards")
    ],
    "key.revoked": [lambda api: _made(api, "/v1/keys", {"name": "x"}, "DELETE")],
    "webhook.created": [lambda api: api.post("/v1/webhooks", {"url": "https://hooks.example/x"})],
    "webhook.updated": [
        lambda api: _made(api, "/v1/webhooks", {"url": "https://hooks.example/x"}, "PATCH", {"label": "y"})
    ],
    "webhook.rotated": [
        lambda api: _made(api, "/v1/webhooks", {"url": "https://hooks.example/x"}, "POST", {}, "/rotate")
    ],
    "webhook.removed": [lambda api: _made(api, "/v1/webhooks", {"url": "https://hooks.example/x"}, "DELETE")],
    "suppression.created": [lambda api: api.post("/v1/suppressions", {"address": "x@far.example"})],
    "suppression.removed": [
        lambda api: _made(api, "/v1/suppressions", {"address": "x@far.example"}, "DELETE")
    ],
    "suppression.imported": [
        lambda api: api.request(
            "POST", "/v1/suppressions/import", body=b"x@far.example\n", content_type="text/csv"
        )
    ],
    "list.created": [lambda api: api.post("/v1/lists/send/block", {"entry": "far.example"})],
    "list.removed": [
        lambda api: api.post("/v1/lists/send/block", {"entry": "far.example"}),
        lambda api: api.delete("/v1/lists/send/block?entry=far.example"),
    ],
    "template.created": [lambda api: api.post("/v1/templates", {"name": "x"})],
    "template.updated": [lambda api: _made(api, "/v1/templates", {"name": "x"}, "PATCH", {"subject": "y"})],
    "template.published": [
        lambda api: api.post("/v1/templates", {"name": "x", "text": "y", "publish": True}),
    ],
    "template.removed": [lambda api: _made(api, "/v1/templates", {"name": "x"}, "DELETE")],
    "approval.decided": [
        lambda api: api.patch(f"{INBOX}/guards", {"approval": "always"}),
        lambda api: api.post("/v1/emails", {"from": "app@ours.test", "to": "ann@far.example", "text": "y"}),
        lambda api: _rejected(api),
    ],
    "brand.created": [lambda api: api.post("/v1/brands", {"name": "x"})],
    "brand.updated": [lambda api: _made(api, "/v1/brands", {"name": "x"}, "PATCH", {"name": "y"})],
    "brand.removed": [lambda api: _made(api, "/v1/brands", {"name": "x"}, "DELETE")],
    "tenant.created": [lambda api: api.post("/v1/tenants", {"name": "x"})],
    "tenant.updated": [lambda api: api.patch("/v1/tenants/ten_default", {"monthly_quota": 5})],
}
# What the house does by itself, or an operation that takes a DNS.
BY_ITSELF = {"mailbox.paused", "domain.verified", "domain.unverified", "webhook.paused", "webhook.disabled"}


async def _made(api: Client, path: str, document: Any, method: str, body: Any = None, then: str = "") -> Any:
    made = await api.post(path, document)
    assert made.status == 201, made
    return await api.request(method, f"{path}/{made.json['id']}{then}", body)


async def _rejected(api: Client) -> Any:
    (approval,) = (await api.get("/v1/approvals")).json["data"]
    return await api.post(f"/v1/approvals/{approval['id']}/reject")


def test_each_kind_of_change_is_tried_here() -> None:
    known = {kind.value for kind in ADMINISTRATIVE}
    assert known == set(CHANGES) | BY_ITSELF


@pytest.mark.parametrize("action", CHANGES)
async def test_a_change_is_written_down_with_the_key_that_made_it(api: Api, action: str) -> None:
    root = await api.key(name="root", is_root=True)
    client = Client(api.live.app, root.secret)
    for change in CHANGES[action]:
        answer = await change(client)
        assert answer.status < 300, answer
    asked = f"/v1/audit?action={action}&actor={root.key.id}"
    where = {"x-tenant": answer.json["id"]} if action == "tenant.created" else {}
    (entry,) = (await Client(client.app, client.key, fields=where).get(asked)).json["data"]
    assert entry["action"] == action
    assert entry["actor"] == {
        "kind": "key",
        "id": root.key.id,
        "request_id": answer.fields["x-request-id"],
    }
    # A list of addresses has no name.
    assert entry["target"] or action == "suppression.imported"


async def test_before_and_after_hold_what_differs(api: Api) -> None:
    await api.live.patch(INBOX, {"daily_cap": 200, "name": "App"})
    (entry,) = (await api.live.get("/v1/audit?action=mailbox.updated")).json["data"]
    assert entry["before"] == {"daily_cap": None, "name": ""}
    assert entry["after"] == {"daily_cap": 200, "name": "App"}
    assert entry["target"] == "app@ours.test"


async def test_a_templates_words_are_not_in_it_but_that_they_differ_is(api: Api) -> None:
    made = (await api.live.post("/v1/templates", {"name": "x", "text": "quince", "publish": True})).json
    await api.live.patch(f"/v1/templates/{made['id']}", {"text": "medlar", "description": "fruit"})
    (entry,) = (await api.live.get("/v1/audit?action=template.updated")).json["data"]
    assert set(entry["after"]) == {"draft", "description"}
    assert entry["before"]["draft"] != entry["after"]["draft"]
    (entry,) = (await api.live.get("/v1/audit?action=template.published")).json["data"]
    assert (entry["before"], entry["after"]) == ({"published": None}, {"published": 1})
    log = (await api.live.get("/v1/audit")).body
    assert not {word for word in (b"quince", b"medlar") if word in log}


async def test_what_a_domain_tracks_is_told_before_and_after(api: Api) -> None:
    await api.live.patch("/v1/domains/ours.test", {"track_opens": True})
    (entry,) = (await api.live.get("/v1/audit?action=domain.updated")).json["data"]
    assert (entry["before"], entry["after"]) == ({"track_opens": False}, {"track_opens": True})


async def test_no_secret_is_among_it(api: Api) -> None:
    key = (await api.live.post("/v1/keys", {"name": "x"})).json["key"]
    url = "https://hooks.example/token-5a0c"
    hook = (await api.live.post("/v1/webhooks", {"url": url})).json
    secret = (await api.live.post(f"/v1/webhooks/{hook['id']}/rotate", {})).json["secret"]
    password = (await api.live.patch(INBOX, {"smtp_password": True})).json["smtp_password"]
    log = (await api.live.get("/v1/audit?limit=200")).body.decode()
    for each in (key, hook["secret"], secret, password, "token-5a0c"):
        assert each not in log


async def test_an_operator_is_known_by_the_command(api: Api) -> None:
    operation = find("mailbox.set")
    assert operation.run is not None
    wanted = operation.read({"mailbox": "app@ours.test", "daily_cap": 3})
    await operation.run(Context(api.house.station), wanted)
    (entry,) = (await api.live.get("/v1/audit?actor=operator")).json["data"]
    assert entry["actor"] == {"kind": "operator", "id": "mailbox.set", "request_id": None}
    listing = find("audit.list")
    assert listing.run is not None
    (told, *_) = await listing.run(Context(api.house.station), listing.read({"actor": "operator"}))
    assert told["id"] == entry["id"]
    with pytest.raises(InvalidInput):
        await listing.run(Context(api.house.station), listing.read({"since": "yesterday"}))


async def test_what_is_not_done_is_not_written(api: Api) -> None:
    before = (await api.live.get("/v1/audit")).json["data"]
    assert (await api.live.post("/v1/inboxes", {"address": "app@ours.test"})).status == 409
    assert (await api.live.patch(INBOX, {"aliases": ["x@unknown.test"]})).status == 422
    assert (await api.live.get("/v1/audit")).json["data"] == before


async def test_the_log_is_the_tenants_own_and_for_unbound_keys(api: Api) -> None:
    await api.live.post("/v1/keys", {"name": "quince"})
    assert b"quince" not in (await api.foreign.get("/v1/audit")).body
    bound = await api.client(mailbox=api.inbox)
    assert (await bound.get("/v1/audit")).code == "insufficient_scope"
    narrow = await api.client(scopes=["keys:*"])
    assert (await narrow.get("/v1/audit")).code == "insufficient_scope"


async def test_pages_go_on_where_they_ended(api: Api) -> None:
    for number in range(5):
        api.clock.advance(seconds=1)
        await api.live.post("/v1/keys", {"name": f"key {number}"})
    first = (await api.live.get("/v1/audit?action=key&limit=3")).json
    then = (await api.live.get(f"/v1/audit?action=key&limit=3&cursor={first['next_cursor']}")).json
    names = [entry["data"]["name"] for entry in first["data"] + then["data"]]
    assert names[:5] == [f"key {number}" for number in (4, 3, 2, 1, 0)]


async def test_what_mail_suppresses_is_no_change_of_anybodys(api: Api) -> None:
    address = parse_address("gone@far.example")
    await api.house.db.transact(
        lambda tx: suppressions.add(
            tx, api.clock, tenant_id=DEFAULT_TENANT, address=address, reason=SuppressionReason.BOUNCE
        )
    )
    assert (await api.live.get("/v1/audit?action=suppression")).json["data"] == []


async def test_entries_go_with_the_events(api: Api) -> None:
    await api.live.post("/v1/keys", {"name": "x"})
    now = to_us(api.clock.now())
    assert await api.house.db.transact(lambda tx: audit.purge(tx, now)) == 0
    assert await api.house.db.transact(lambda tx: audit.purge(tx, now + 1, limit=2)) == 2
