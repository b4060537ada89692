"""Whatever an operator or a key can change is in the audit log: every operation of both doors is done here.

An operation that is neither done nor excused fails the test: a new one says which it is.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from api.app import OPERATIONS
from relay.control.context import Context
from relay.control.registry import find, operations
from relay.events import audit
from relay.events.audit import Asked, Entry
from relay.events.kinds import BY_NAME
from relay.sandbox.samples import sample
from tests.api.client import Client
from tests.api.conftest import Api

ADDRESS: Final = "new@ours.test"
INBOX: Final = "/v1/inboxes/app@ours.test"
MAIL: Final = {"from": "app@ours.test", "to": "ann@far.example", "text": "y"}
IMPORTED: Final = b"imported@far.example\n"

# Done in this order: where, with what, and the entry that it leaves. `{id}` is what was made last.
OVER_HTTP: tuple[tuple[str, str, Any, str], ...] = (
    ("POST /v1/domains", "/v1/domains", {"name": "new.test"}, "domain.created"),
    ("PATCH /v1/domains/{domain}", "/v1/domains/{id}", {"track_opens": True}, "domain.updated"),
    ("POST /v1/domains/{domain}/rotate", "/v1/domains/{id}/rotate", {}, "domain.rotated"),
    ("DELETE /v1/domains/{domain}", "/v1/domains/{id}", None, "domain.removed"),
    ("POST /v1/inboxes", "/v1/inboxes", {"address": ADDRESS}, "mailbox.created"),
    ("PATCH /v1/inboxes/{inbox}", f"/v1/inboxes/{ADDRESS}", {"name": "x"}, "mailbox.updated"),
    ("PUT /v1/inboxes/{inbox}/warmup", f"{INBOX}/warmup", {"plan": "gentle"}, "mailbox.updated"),
    ("PATCH /v1/inboxes/{inbox}/warmup", f"{INBOX}/warmup", {"day": 2}, "mailbox.updated"),
    ("POST /v1/inboxes/{inbox}/warmup/pause", f"{INBOX}/warmup/pause", {}, "mailbox.updated"),
    ("POST /v1/inboxes/{inbox}/warmup/resume", f"{INBOX}/warmup/resume", {}, "mailbox.updated"),
    ("DELETE /v1/inboxes/{inbox}/warmup", f"{INBOX}/warmup", None, "mailbox.updated"),
    ("PUT /v1/inboxes/{inbox}/guards", f"{INBOX}/guards", {"approval": "never"}, "mailbox.updated"),
    ("PATCH /v1/inboxes/{inbox}/guards", f"{INBOX}/guards", {"approval": "always"}, "mailbox.updated"),
    (
        "POST /v1/approvals/{approval}/approve",
        "/v1/approvals/{approval}/approve",
        {},
        "approval.decided",
    ),
    ("POST /v1/approvals/{approval}/reject", "/v1/approvals/{approval}/reject", {}, "approval.decided"),
    ("DELETE /v1/inboxes/{inbox}", f"/v1/inboxes/{ADDRESS}", None, "mailbox.removed"),
    ("POST /v1/lists/{direction}/{type}", "/v1/lists/send/block", {"entry": "b.example"}, "list.created"),
    (
        "DELETE /v1/lists/{direction}/{type}",
        "/v1/lists/send/block?entry=b.example",
        None,
        "list.removed",
    ),
    ("POST /v1/suppressions", "/v1/suppressions", {"address": "x@far.example"}, "suppression.created"),
    ("DELETE /v1/suppressions/{suppression}", "/v1/suppressions/{id}", None, "suppression.removed"),
    ("POST /v1/suppressions/import", "/v1/suppressions/import", IMPORTED, "suppression.imported"),
    ("POST /v1/templates", "/v1/templates", {"name": "x", "text": "y"}, "template.created"),
    ("PATCH /v1/templates/{template}", "/v1/templates/{id}", {"subject": "z"}, "template.updated"),
    ("POST /v1/templates/{template}/publish", "/v1/templates/{id}/publish", {}, "template.published"),
    (
        "POST /v1/templates/{template}/versions/{version}/restore",
        "/v1/templates/x/versions/1/restore",
        {},
        "template.updated",
    ),
    ("DELETE /v1/templates/{template}", "/v1/templates/x", None, "template.removed"),
    ("POST /v1/keys", "/v1/keys", {"name": "x"}, "key.created"),
    ("PATCH /v1/keys/{key_id}", "/v1/keys/{id}", {"name": "y"}, "key.updated"),
    ("PUT /v1/keys/{key_id}/guards", "/v1/keys/{id}/guards", {"approval": "never"}, "key.updated"),
    ("PATCH /v1/keys/{key_id}/guards", "/v1/keys/{id}/guards", {"approval": "always"}, "key.updated"),
    ("DELETE /v1/keys/{key_id}", "/v1/keys/{id}", None, "key.revoked"),
    ("POST /v1/brands", "/v1/brands", {"name": "x"}, "brand.created"),
    ("PATCH /v1/brands/{brand}", "/v1/brands/{id}", {"name": "y"}, "brand.updated"),
    ("DELETE /v1/brands/{brand}", "/v1/brands/{id}", None, "brand.removed"),
    ("POST /v1/tenants", "/v1/tenants", {"name": "x"}, "tenant.created"),
    ("PATCH /v1/tenants/{tenant}", "/v1/tenants/{id}", {"name": "y"}, "tenant.updated"),
    ("POST /v1/tenants/{tenant}/suspend", "/v1/tenants/{id}/suspend", {}, "tenant.updated"),
    ("POST /v1/tenants/{tenant}/resume", "/v1/tenants/{id}/resume", {}, "tenant.updated"),
    ("POST /v1/webhooks", "/v1/webhooks", {"url": "https://hooks.example/x"}, "webhook.created"),
    ("PATCH /v1/webhooks/{webhook_id}", "/v1/webhooks/{id}", {"label": "y"}, "webhook.updated"),
    ("POST /v1/webhooks/{webhook_id}/rotate", "/v1/webhooks/{id}/rotate", {}, "webhook.rotated"),
    ("DELETE /v1/webhooks/{webhook_id}", "/v1/webhooks/{id}", None, "webhook.removed"),
)
SENDING: Final = "mail is sent, or its sender changes its mind; the message's own events tell"
LETTERS: Final = "who uses an inbox puts its letters and drafts in order; nothing is set"
TRIALS: Final = "of test keys: what is tried and caught reaches nobody"
ASKING: Final = "only asks, or makes something for the asker to look at"
HTTP_EXCUSED: Mapping[str, str] = {
    "POST /v1/emails": SENDING,
    "POST /v1/emails/batch": SENDING,
    "PATCH /v1/emails/{email}": SENDING,
    "DELETE /v1/emails/{email}": SENDING,
    "POST /v1/inboxes/{inbox}/messages": SENDING,
    "POST /v1/inboxes/{inbox}/messages/{message}/reply": SENDING,
    "POST /v1/inboxes/{inbox}/messages/{message}/reply-all": SENDING,
    "POST /v1/inboxes/{inbox}/messages/{message}/forward": SENDING,
    "POST /v1/inboxes/{inbox}/threads/{thread}/reply": SENDING,
    "POST /v1/inboxes/{inbox}/drafts/{draft}/send": SENDING,
    "PATCH /v1/inboxes/{inbox}/messages/{message}": LETTERS,
    "PATCH /v1/inboxes/{inbox}/threads/{thread}": LETTERS,
    "POST /v1/inboxes/{inbox}/threads/{thread}/merge": LETTERS,
    "POST /v1/inboxes/{inbox}/threads/{thread}/split": LETTERS,
    "POST /v1/inboxes/{inbox}/drafts": LETTERS,
    "PATCH /v1/inboxes/{inbox}/drafts/{draft}": LETTERS,
    "DELETE /v1/inboxes/{inbox}/drafts/{draft}": LETTERS,
    "PATCH /v1/replies/{message}": LETTERS,
    "POST /v1/templates/{template}/preview": ASKING,
    "POST /v1/suppressions/check": ASKING,
    "POST /v1/webhooks/{webhook_id}/test": "posts once, and sets nothing; the attempt is kept",
    "POST /v1/webhooks/{webhook_id}/replay": "posts events again, and sets nothing; the attempts are kept",
    "POST /v1/domains/{domain}/verify": "asks the DNS; domain.verified tells where that changes a standing",
    "POST /t/u/{token}": "a recipient leaves; message.unsubscribed tells, and nobody of the house acts",
    "POST /v1/test/events": TRIALS,
    "DELETE /v1/test/emails": TRIALS,
    "DELETE /v1/test/emails/{caught}": TRIALS,
}

BY_COMMAND: tuple[tuple[str, Mapping[str, Any], str], ...] = (
    ("domain.add", {"name": "new.test"}, "domain.created"),
    ("domain.catch_all", {"name": "new.test", "mailbox": "app@ours.test"}, "domain.updated"),
    ("domain.tracking", {"name": "new.test", "opens": True}, "domain.updated"),
    ("domain.rotate", {"name": "new.test"}, "domain.rotated"),
    ("domain.remove", {"name": "new.test"}, "domain.removed"),
    ("mailbox.add", {"address": ADDRESS}, "mailbox.created"),
    ("mailbox.set", {"mailbox": ADDRESS, "name": "x"}, "mailbox.updated"),
    ("mailbox.remove", {"mailbox": ADDRESS}, "mailbox.removed"),
    ("key.create", {"name": "x"}, "key.created"),
    ("key.update", {"id": "{id}", "name": "y"}, "key.updated"),
    ("key.revoke", {"id": "{id}"}, "key.revoked"),
    ("tenant.add", {"name": "x"}, "tenant.created"),
    ("tenant.set", {"id": "{id}", "name": "y"}, "tenant.updated"),
    ("tenant.suspend", {"id": "{id}"}, "tenant.updated"),
    ("tenant.resume", {"id": "{id}"}, "tenant.updated"),
    ("suppression.add", {"address": "x@far.example"}, "suppression.created"),
    ("suppression.remove", {"address": "x@far.example"}, "suppression.removed"),
    ("suppression.import", {"text": IMPORTED.decode()}, "suppression.imported"),
    ("approval.approve", {"id": "{approval}"}, "approval.decided"),
    ("approval.reject", {"id": "{approval}"}, "approval.decided"),
    ("queue.hold", {"destination": "far.example"}, "queue.held"),
    ("queue.release", {"destination": "far.example"}, "queue.released"),
    ("queue.retry", {"destination": "far.example"}, "queue.retried"),
    ("queue.cancel", {"destination": "far.example"}, "queue.canceled"),
)
LOOKS: Final = "only looks"
COMMANDS_EXCUSED: Mapping[str, str] = {
    **dict.fromkeys(("domain.list", "domain.show", "mailbox.list", "mailbox.show", "key.list"), LOOKS),
    **dict.fromkeys(("queue.list", "queue.show", "message.explain", "event.last", "event.tail"), LOOKS),
    **dict.fromkeys(("stats", "suppression.list", "store.verify", "cluster.status", "figures"), LOOKS),
    **dict.fromkeys(("approval.list", "approval.show", "tenant.list", "tenant.show", "audit.list"), LOOKS),
    "doctor.examine": LOOKS,
    "message.send": SENDING,
    "domain.verify": "asks the DNS; domain.verified tells where that changes a standing",
    "store.backup": "writes a copy beside the store, and changes nothing in it",
    "figures.count_anew": "counts once more what the log holds; no figure is anybody's to set",
    # Nodes are PostgreSQL's: tests/nodes/test_cluster.py.
    "cluster.drain": "node.drained, tried there",
    "cluster.resume": "node.resumed, tried there",
}


async def test_every_request_that_changes_something_leaves_its_entry(api: Api) -> None:
    root = await api.key(name="root", is_root=True)
    client, last = Client(api.live.app, root.secret), ""
    for operation, path, sent, action in OVER_HTTP:
        method = operation.partition(" ")[0]
        target = path.format(id=last, approval=await _held(api) if "{approval}" in path else "")
        kind = {"body": sent, "content_type": "text/csv"} if isinstance(sent, bytes) else {"document": sent}
        answer = await client.request(method, target, **kind)
        assert answer.status < 300, (operation, answer)
        entry = await _newest(api, root.key.id)
        assert (entry.action, entry.actor.request_id) == (action, answer.fields["x-request-id"]), operation
        # The same is said of such an event when a test key raises it.
        assert entry.data.keys() == sample(BY_NAME[action], api.clock, "").keys(), operation
        last = answer.json["id"] if answer.status == 201 else last
    changing = {f"{each.method} {each.path}" for each in OPERATIONS if each.method != "GET"}
    assert {operation for operation, *_ in OVER_HTTP} | set(HTTP_EXCUSED) == changing


async def test_every_command_that_changes_something_leaves_its_entry(api: Api) -> None:
    last = ""
    for name, given, action in BY_COMMAND:
        operation = find(name)
        assert operation.run is not None
        approval = await _held(api) if "{approval}" in given.values() else ""
        told = {key: _filled(value, id=last, approval=approval) for key, value in given.items()}
        if name == "queue.hold":
            await api.live.patch(f"{INBOX}/guards", {"approval": "never"})
            await api.live.post("/v1/emails", MAIL)
        answer = await operation.run(Context(api.house.station), operation.read(told))
        assert (await _newest(api, name)).action == action, name
        last = msgspec.to_builtins(answer).get("id", last)
    done = {name for name, *_ in BY_COMMAND}
    assert done | set(COMMANDS_EXCUSED) == set(operations())
    assert done & set(COMMANDS_EXCUSED) == set()


def _filled(value: Any, **places: str) -> Any:
    return value.format(**places) if isinstance(value, str) else value


async def _newest(api: Api, actor: str) -> Entry:
    """What this actor did last; what comes next is later."""
    entry, *_ = await audit.page(api.house.db, Asked(actor_id=actor), 1)
    api.clock.advance(seconds=1)
    return entry


async def _held(api: Api) -> str:
    """The approval that one more email waits for."""
    await api.live.patch(f"{INBOX}/guards", {"approval": "always"})
    assert (await api.live.post("/v1/emails", MAIL)).status == 202
    newest: str = (await api.live.get("/v1/approvals?limit=1")).json["data"][0]["id"]
    return newest
