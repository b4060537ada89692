"""Guard rails: what an inbox, or a program with a key, may send only so; for agents above all."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.call import Call
from api.operations import Operation
from api.routes.keys import find_key
from api.shapes import Body, Shape
from api.tenant_wide import check_tenant_wide, check_unguarded
from relay.store.database import Transaction
from relay.tenants import api_keys, key_changes, mailbox_changes, mailboxes
from relay.tenants.api_keys import ApiKey
from relay.tenants.guards import MAX_A_DAY, MAX_ENTRIES, Approval, Attachments, Guards, Links, merged
from relay.tenants.mailbox_changes import MailboxChanges
from relay.tenants.mailboxes import Mailbox

Entry = Annotated[str, Meta(min_length=1, max_length=400)]
Entries = Annotated[tuple[Entry, ...], Meta(max_length=MAX_ENTRIES, description="addresses and domains")]
Domains = Annotated[tuple[Entry, ...], Meta(max_length=MAX_ENTRIES)]
Number = Annotated[int, Meta(ge=0, le=MAX_A_DAY)]
AddressText = Annotated[str, Meta(min_length=3, max_length=400)]


class PutGuards(Body, frozen=True):
    """All guards from now on; what is left out is not guarded."""

    allowed_recipients: Entries = ()
    only_who_wrote_first: bool = False
    new_recipients_per_day: Number | None = None
    links: Links = "any"
    link_domains: Domains = ()
    attachments: Attachments = "any"
    approval: Approval = "never"
    approver: AddressText | None = None


class PatchGuards(Body, frozen=True):
    """What is left out stays."""

    allowed_recipients: Entries | UnsetType = UNSET
    only_who_wrote_first: bool | UnsetType = UNSET
    new_recipients_per_day: Number | UnsetType | None = UNSET
    links: Links | UnsetType = UNSET
    link_domains: Domains | UnsetType = UNSET
    attachments: Attachments | UnsetType = UNSET
    approval: Approval | UnsetType = UNSET
    approver: AddressText | UnsetType | None = UNSET


class GuardsShape(Shape, frozen=True):
    """What guards an inbox or a key; at these defaults nothing does.

    Recipients are the allowed ones and, with `only_who_wrote_first`, those who
    did. A `known` link stood in the conversation, or leads to one of
    `link_domains`; a `forwarded` attachment came in the conversation.
    """

    allowed_recipients: tuple[str, ...]
    only_who_wrote_first: bool
    new_recipients_per_day: int | None
    links: Links
    link_domains: tuple[str, ...]
    attachments: Attachments
    approval: Approval
    approver: str | None


async def get_inbox_guards(call: Call) -> GuardsShape:
    return guards_shape((await call.mailbox(call.path["inbox"])).guards)


async def put_inbox_guards(call: Call, body: PutGuards) -> GuardsShape:
    """The guards as they hold now."""
    return await _guard_inbox(call, body)


async def patch_inbox_guards(call: Call, body: PatchGuards) -> GuardsShape:
    """The guards as they hold now."""
    return await _guard_inbox(call, body)


async def get_key_guards(call: Call) -> GuardsShape:
    return guards_shape((await find_key(call)).guards)


async def put_key_guards(call: Call, body: PutGuards) -> GuardsShape:
    """The guards as they hold now."""
    return await _guard_key(call, body)


async def patch_key_guards(call: Call, body: PatchGuards) -> GuardsShape:
    """The guards as they hold now."""
    return await _guard_key(call, body)


def guards_shape(guards: Guards | None) -> GuardsShape:
    return GuardsShape(**msgspec.structs.asdict(guards or Guards()))


async def _guard_inbox(call: Call, body: PutGuards | PatchGuards) -> GuardsShape:
    mailbox = await call.mailbox(call.path["inbox"])
    check_tenant_wide(call)
    check_unguarded(call)

    async def work(tx: Transaction) -> Mailbox:
        before = await mailboxes.get(tx, call.tenant_id, mailbox.id)
        changes = MailboxChanges(guards=_merged(before.guards, body))
        return await mailbox_changes.update(tx, call.house.clock, call.tenant_id, mailbox.id, changes)

    return guards_shape((await call.house.directory.change(work)).guards)


async def _guard_key(call: Call, body: PutGuards | PatchGuards) -> GuardsShape:
    key = await find_key(call)
    check_unguarded(call)

    async def work(tx: Transaction) -> ApiKey:
        before = await api_keys.get(tx, call.tenant_id, key.id)
        merged = _merged(before.guards, body)
        return await key_changes.set_guards(tx, call.house.clock, call.tenant_id, key.id, merged)

    return guards_shape((await call.house.db.transact(work)).guards)


def _merged(before: Guards | None, body: PutGuards | PatchGuards) -> Guards:
    """What is given, on top of what held before where that is to stay."""
    return merged(before if isinstance(body, PatchGuards) else None, body)


_EXAMPLE: dict[str, Any] = {
    "allowed_recipients": ["far.example"],
    "only_who_wrote_first": True,
    "new_recipients_per_day": 10,
    "links": "known",
    "link_domains": ["ours.example"],
    "attachments": "forwarded",
    "approval": "first_contact",
    "approver": "boss@ours.example",
}
_ABOUT = "They hold for SMTP as well as for the API. Guards are changed by keys without guards."
_ABOUT_KEY = "They hold for what is sent with this key, besides those of the inbox."
_INBOX, _KEY = "/v1/inboxes/{inbox}/guards", "/v1/keys/{key_id}/guards"

OPERATIONS = (
    Operation(
        "GET",
        _INBOX,
        "guards:read",
        "What guards an inbox",
        get_inbox_guards,
        answer=GuardsShape,
        answers=_EXAMPLE,
        errors=("not_found",),
    ),
    Operation(
        "PUT",
        _INBOX,
        "guards:write",
        "Guard an inbox so and not otherwise",
        put_inbox_guards,
        body=PutGuards,
        answer=GuardsShape,
        example=_EXAMPLE,
        answers=_EXAMPLE,
        errors=("not_found",),
        description=_ABOUT,
    ),
    Operation(
        "PATCH",
        _INBOX,
        "guards:write",
        "Change what guards an inbox",
        patch_inbox_guards,
        body=PatchGuards,
        answer=GuardsShape,
        example={"approval": "first_contact"},
        answers=_EXAMPLE,
        errors=("not_found",),
        description=_ABOUT,
    ),
    Operation(
        "GET",
        _KEY,
        "guards:read",
        "What guards a key",
        get_key_guards,
        answer=GuardsShape,
        answers=_EXAMPLE,
        errors=("not_found",),
    ),
    Operation(
        "PUT",
        _KEY,
        "guards:write",
        "Guard a key so and not otherwise",
        put_key_guards,
        body=PutGuards,
        answer=GuardsShape,
        example=_EXAMPLE,
        answers=_EXAMPLE,
        errors=("not_found",),
        description=_ABOUT_KEY,
    ),
    Operation(
        "PATCH",
        _KEY,
        "guards:write",
        "Change what guards a key",
        patch_key_guards,
        body=PatchGuards,
        answer=GuardsShape,
        example={"approval": "first_contact"},
        answers=_EXAMPLE,
        errors=("not_found",),
        description=_ABOUT_KEY,
    ),
)
