"""Webhooks: where events are posted to, of which kinds, signed with what."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from msgspec import UNSET

from api.call import Call
from api.operations import Operation
from api.paging import Paged, page
from api.problems import invalid
from api.routes.webhook_shapes import (
    FRESH_EXAMPLE,
    WEBHOOK_EXAMPLE,
    ChangedWebhook,
    NewWebhook,
    Rotation,
    WebhookShape,
    fresh_shape,
    kept_shape,
    webhook_shape,
)
from api.shapes import Page
from relay.errors import InvalidInput, NotFound
from relay.store.database import Transaction
from relay.tenants.mailboxes import Mailbox
from relay.webhooks import checks, endpoint_changes, endpoints
from relay.webhooks.deliveries import Wishes
from relay.webhooks.endpoint_changes import Changes, FreshEndpoint, NewEndpoint
from relay.webhooks.endpoints import Endpoint


async def create_webhook(call: Call, body: NewWebhook) -> WebhookShape:
    """The new webhook, with its secret this once; a replay leaves it out."""
    webhooks = call.house.config.webhooks
    _check(call, body)
    wishes = Wishes(**_wishes_of(body))
    _check_wishes(wishes)
    mailbox = await _inbox(call, body)
    wanted = NewEndpoint(
        body.url,
        body.events,
        body.label,
        mailbox.id if mailbox else None,
        is_test=call.caller.mode == "test",
        wishes=wishes,
        domains=body.domains,
        tags=body.tags,
    )

    async def work(tx: Transaction) -> FreshEndpoint:
        return await endpoint_changes.create(
            tx,
            call.house.clock,
            call.tenant_id,
            wanted,
            at_most=webhooks.endpoints_per_tenant,
            allow_private_networks=webhooks.allow_private_networks,
        )

    return await call.once.run(work, fresh_shape, kept=kept_shape)


async def list_webhooks(call: Call, query: Paged) -> Page[WebhookShape]:
    """Every webhook that this key may see."""
    rows = await endpoints.list_of_tenant(
        call.house.db,
        call.tenant_id,
        limit=query.limit + 1,
        before_id=query.before,
        mailbox_ids=await call.reached(),
        is_test=True if call.caller.mode == "test" else None,
    )
    return page(rows, query.limit, webhook_shape, lambda endpoint: endpoint.id)


async def get_webhook(call: Call) -> WebhookShape:
    return webhook_shape(await find_webhook(call))


async def change_webhook(call: Call, body: ChangedWebhook) -> WebhookShape:
    """The webhook as it is now."""
    endpoint = await find_webhook(call)
    _check(call, body)
    wishes = _wishes_of(body)
    # Of the fields that stand the names are known here; their values were checked then.
    known = Wishes(
        endpoint.signature_style,
        endpoint.signature_header,
        endpoint.gzip,
        dict.fromkeys(endpoint.header_names, "-"),
    )
    _check_wishes(replace(known, **wishes))
    changes = Changes(
        url=body.url or None,
        events=body.events or None,
        label=None if body.label is UNSET else body.label,
        status=body.status or None,
        domains=None if body.domains is UNSET else body.domains,
        tags=None if body.tags is UNSET else body.tags,
        wishes=wishes,
    )

    async def work(tx: Transaction) -> Endpoint:
        return await endpoint_changes.change(
            tx,
            call.house.clock,
            call.tenant_id,
            endpoint.id,
            changes,
            allow_private_networks=call.house.config.webhooks.allow_private_networks,
        )

    return webhook_shape(await call.house.db.transact(work))


async def delete_webhook(call: Call) -> None:
    """Nothing is posted there any more."""
    endpoint = await find_webhook(call)
    clock = call.house.clock
    await call.house.db.transact(lambda tx: endpoint_changes.remove(tx, clock, call.tenant_id, endpoint.id))


async def rotate_webhook(call: Call, body: Rotation) -> WebhookShape:
    """The webhook with its new secret, this once."""
    endpoint = await find_webhook(call)
    overlap = timedelta(seconds=body.overlap_seconds)

    async def work(tx: Transaction) -> FreshEndpoint:
        return await endpoint_changes.rotate(tx, call.house.clock, call.tenant_id, endpoint.id, overlap)

    return await call.once.run(work, fresh_shape, kept=kept_shape)


async def find_webhook(call: Call) -> Endpoint:
    """A webhook that the caller may see; raises NotFound."""
    endpoint = await endpoints.get(call.house.db, call.tenant_id, call.path["webhook_id"])
    unseen = call.caller.mode == "test" and not endpoint.is_test
    if unseen or not await call.may_see(endpoint.mailbox_id):
        raise NotFound(f"no webhook {endpoint.id}")
    return endpoint


async def _inbox(call: Call, body: NewWebhook) -> Mailbox | None:
    """Whose events are posted; a key that is bound to several inboxes says which one it means."""
    inbox = body.inbox or call.caller.only_inbox
    if inbox is None and call.caller.reach is not None:
        raise invalid("$.inbox", "is missing: this key is for some inboxes alone")
    return await call.mailbox(inbox) if inbox else None


def _check(call: Call, body: NewWebhook | ChangedWebhook) -> None:
    """Raise Problem (422) that names the field which cannot be."""
    private = call.house.config.webhooks.allow_private_networks
    if body.url:
        url = body.url
        _named("$.url", lambda: checks.check_url(url, allow_private_networks=private))
    if body.label:
        label = body.label
        _named("$.label", lambda: checks.check_label(label))
    if body.events:
        events = body.events
        _named("$.events", lambda: checks.read_kinds(events))
    if body.domains:
        domains = body.domains
        _named("$.domains", lambda: checks.read_domains(domains))
    if body.tags:
        tags = body.tags
        _named("$.tags", lambda: checks.read_tags(tags))


def _wishes_of(body: NewWebhook | ChangedWebhook) -> dict[str, Any]:
    """What is said of how posts are to be, by the names that `Wishes` has."""
    names = ("signature_style", "signature_header", "gzip", "headers")
    return {name: value for name in names if (value := getattr(body, name)) is not UNSET}


def _check_wishes(wishes: Wishes) -> None:
    """Raise Problem (422) that names the field which cannot be."""
    bare = replace(wishes, headers={})
    _named("$.signature_header", lambda: checks.check_wishes(bare))
    _named("$.headers", lambda: checks.check_wishes(wishes))


def _named(path: str, check: Callable[[], object]) -> None:
    try:
        check()
    except InvalidInput as error:
        raise invalid(path, str(error)) from error


_ONE = "/v1/webhooks/{webhook_id}"

OPERATIONS = (
    Operation(
        "POST",
        "/v1/webhooks",
        "webhooks:write",
        "Add a webhook",
        create_webhook,
        body=NewWebhook,
        answer=WebhookShape,
        status=201,
        example={"url": "https://app.example/hooks/mail", "events": ["message.received"], "label": "CRM"},
        answers=FRESH_EXAMPLE,
        errors=("not_found", "quota_exceeded"),
        description=(
            "Gets the events from now on. Posts are signed as Standard Webhooks says, under webhook-* and"
            " svix-* header fields, and in another style besides if you ask for one; `secret` is told this"
            " once. At least once: remember the ids. What befell one message is posted in its order."
        ),
    ),
    Operation(
        "GET",
        "/v1/webhooks",
        "webhooks:read",
        "List the webhooks",
        list_webhooks,
        query=Paged,
        answer=Page[WebhookShape],
        answers={"data": [WEBHOOK_EXAMPLE], "has_more": False, "next_cursor": None},
    ),
    Operation(
        "GET",
        _ONE,
        "webhooks:read",
        "One webhook",
        get_webhook,
        answer=WebhookShape,
        answers=WEBHOOK_EXAMPLE,
        errors=("not_found",),
    ),
    Operation(
        "PATCH",
        _ONE,
        "webhooks:write",
        "Change, pause or resume a webhook",
        change_webhook,
        body=ChangedWebhook,
        answer=WebhookShape,
        example={"status": "active", "label": "CRM (new)"},
        answers=WEBHOOK_EXAMPLE,
        errors=("not_found",),
    ),
    Operation(
        "DELETE",
        _ONE,
        "webhooks:write",
        "Remove a webhook",
        delete_webhook,
        status=204,
        errors=("not_found",),
    ),
    Operation(
        "POST",
        f"{_ONE}/rotate",
        "webhooks:write",
        "Replace the secret",
        rotate_webhook,
        body=Rotation,
        answer=WebhookShape,
        example={"overlap_seconds": 3600},
        answers={**FRESH_EXAMPLE, "previous_secret_until": "2026-03-02T10:00:00Z"},
        errors=("not_found",),
    ),
)
