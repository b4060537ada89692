"""Drafts: write, change and send. A draft is what a send would be given, and goes when it is sent."""

from dataclasses import dataclass

from msgspec import structs
from msgspec.structs import replace

from api.call import Call
from api.mail import examples
from api.mail.answering import answer, forward
from api.mail.composing import check
from api.mail.draft_shapes import (
    EXAMPLE,
    Content,
    CreateDraft,
    DraftShape,
    PatchDraft,
    draft_shape,
    pack,
    patched,
    unpack,
)
from api.mail.outgoing import Outgoing, new_message
from api.mail.parts import attachments_of
from api.mail.sending import HELD, Extra, send
from api.mail.shapes import MessageShape
from api.mail.wishes import NewForward, NewMessage, NewReply
from api.operations import Operation
from api.paging import Paged, page
from api.problems import invalid
from api.routes.sending import REPLY_ERRORS
from api.shapes import Page
from inbound.letters import records
from inbound.letters.letter import Letter
from relay.drafts import records as drafts
from relay.drafts.records import DraftChanged, KeptDraft, Kind, NewDraft
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.tenants.mailboxes import Mailbox


@dataclass(slots=True)
class _Gone(Extra):
    """The draft goes in the transaction that takes its message."""

    draft: KeptDraft

    async def do(self, tx: Transaction, message: Message) -> None:
        await drafts.take(tx, self.draft)


async def create_draft(call: Call, body: CreateDraft) -> DraftShape:
    """The new draft."""
    mailbox = await call.mailbox(call.path["inbox"])
    kind, parent = await _kind_of(call, mailbox, body)
    content = Content(**{name: getattr(body, name) for name in Content.__struct_fields__})
    _check(call, mailbox, content)
    new = NewDraft(call.tenant_id, mailbox.id, *pack(content), kind, parent)
    return await call.once.run(lambda tx: drafts.add(tx, call.house.clock, new), draft_shape)


async def list_drafts(call: Call, query: Paged) -> Page[DraftShape]:
    """The inbox's drafts, newest first."""
    mailbox = await call.mailbox(call.path["inbox"])
    rows = await drafts.page(call.house.db, call.tenant_id, mailbox.id, query.limit + 1, query.before)
    return page(rows, query.limit, draft_shape, lambda draft: draft.id)


async def get_draft(call: Call) -> DraftShape:
    return draft_shape((await _named(call))[1])


async def update_draft(call: Call, body: PatchDraft) -> DraftShape:
    """The draft as it is now."""
    mailbox, _ = await _named(call)

    async def work(tx: Transaction) -> KeptDraft:
        draft = await drafts.get(tx, call.tenant_id, mailbox.id, call.path["draft"])
        content = patched(unpack(draft), body)
        _check(call, mailbox, content)
        return await drafts.rewrite(tx, call.house.clock, draft, *pack(content))

    return draft_shape(await call.house.db.transact(work))


async def delete_draft(call: Call) -> None:
    """It is gone."""
    _, draft = await _named(call)
    await call.house.db.transact(lambda tx: drafts.remove(tx, draft))


async def send_draft(call: Call) -> MessageShape:
    """The message that the draft has become; the draft is gone."""
    while True:
        mailbox, draft = await _named(call)
        try:
            return await send(call, await _outgoing(call, mailbox, draft), _Gone(draft))
        except DraftChanged:
            continue  # what goes out is what the draft says at the end


async def _outgoing(call: Call, mailbox: Mailbox, draft: KeptDraft) -> Outgoing:
    said = structs.asdict(unpack(draft))
    quote, subject, forced = said.pop("quote"), said.pop("subject"), said.pop("allow_automatic")
    if draft.kind in ("new", "forward"):
        said.update(to=said["to"] or [], cc=said["cc"] or [])
    if draft.kind == "new":
        return new_message(call, mailbox, NewMessage(subject=subject, **said))
    letter = await _parent(call, mailbox, draft.parent_id or "", "$.parent_id")
    if draft.kind == "forward":
        outgoing = await forward(call, mailbox, letter, NewForward(**said))
        files = await attachments_of(call.house, letter)
        outgoing = replace(outgoing, attachments=(*outgoing.attachments, *files))
    else:
        wish = NewReply(quote=quote, allow_automatic=forced, **said)
        outgoing = await answer(call, mailbox, letter, wish, everyone=draft.kind == "reply_all")
    return replace(outgoing, subject=subject) if subject else outgoing


async def _kind_of(call: Call, mailbox: Mailbox, body: CreateDraft) -> tuple[Kind, str | None]:
    """What kind of draft it is, and of which message; raises Problem (422)."""
    if body.in_reply_to is not None and body.forward_of is not None:
        raise invalid("$.forward_of", "a draft is an answer or a forward, not both")
    if body.in_reply_to is not None:
        await _parent(call, mailbox, body.in_reply_to, "$.in_reply_to")
        return ("reply_all" if body.reply_all else "reply"), body.in_reply_to
    if body.reply_all:
        raise invalid("$.reply_all", "needs in_reply_to: the message that is answered")
    if body.forward_of is not None:
        await _parent(call, mailbox, body.forward_of, "$.forward_of")
        return "forward", body.forward_of
    return "new", None


async def _parent(call: Call, mailbox: Mailbox, message_id: str, path: str) -> Letter:
    letter = await records.of_mailbox(call.house.db, call.tenant_id, mailbox.id, message_id)
    if letter is None:
        raise invalid(path, f"no message {message_id} in this inbox; it may have been forgotten")
    return letter


async def _named(call: Call) -> tuple[Mailbox, KeptDraft]:
    mailbox = await call.mailbox(call.path["inbox"])
    return mailbox, await drafts.get(call.house.db, call.tenant_id, mailbox.id, call.path["draft"])


def _check(call: Call, mailbox: Mailbox, content: Content) -> None:
    """Raise Problem (422) for what no message could say; nobody need be named yet."""
    said = structs.asdict(content)
    said.update(to=said["to"] or [], cc=said["cc"] or [])
    del said["quote"], said["allow_automatic"]
    check(new_message(call, mailbox, NewMessage(**said)))


_PATH = "/v1/inboxes/{inbox}/drafts"

OPERATIONS = (
    Operation(
        "POST",
        _PATH,
        "drafts:write",
        "Begin a draft",
        create_draft,
        body=CreateDraft,
        answer=DraftShape,
        status=201,
        example={"in_reply_to": examples.MESSAGE, "text": "Then Tuesday it is.", "quote": True},
        answers=EXAMPLE,
        errors=("not_found", "idempotency_mismatch"),
        description="`send_at` is when the message goes out once the draft is sent.",
    ),
    Operation(
        "GET",
        _PATH,
        "drafts:read",
        "List drafts",
        list_drafts,
        query=Paged,
        answer=Page[DraftShape],
        answers=examples.paged(EXAMPLE),
        errors=("not_found",),
    ),
    Operation(
        "GET",
        _PATH + "/{draft}",
        "drafts:read",
        "One draft",
        get_draft,
        answer=DraftShape,
        answers=EXAMPLE,
        errors=("not_found",),
    ),
    Operation(
        "PATCH",
        _PATH + "/{draft}",
        "drafts:write",
        "Change a draft",
        update_draft,
        body=PatchDraft,
        answer=DraftShape,
        example={"text": "Then Wednesday it is.", "send_at": None},
        answers=EXAMPLE,
        errors=("not_found",),
    ),
    Operation(
        "DELETE",
        _PATH + "/{draft}",
        "drafts:write",
        "Remove a draft",
        delete_draft,
        status=204,
        errors=("not_found",),
    ),
    Operation(
        "POST",
        _PATH + "/{draft}/send",
        "messages:send",
        "Send a draft",
        send_draft,
        answer=MessageShape,
        status=201,
        also=(HELD,),
        answers=examples.SENT,
        errors=REPLY_ERRORS,
    ),
)
