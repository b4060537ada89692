"""Conversations: of one inbox or of all, with their messages; answer, merge, split, label."""

from collections.abc import Sequence

from api.call import Call
from api.mail import examples
from api.mail.answering import answer
from api.mail.finding import Label, place_of_thread, thread_named, thread_of, thread_place
from api.mail.sending import HELD, send
from api.mail.shapes import MessageShape, ThreadShape
from api.mail.showing import show_thread, thread_shape
from api.mail.wishes import Labels, NewReply, labels_of
from api.operations import Operation
from api.paging import Paged, page
from api.routes import thread_changes
from api.routes.sending import REPLY_ERRORS
from api.shapes import Body, Page
from inbound.letters import records, threads
from inbound.letters.letter import Letter
from relay.errors import NotFound


class ListThreads(Paged, frozen=True):
    """Which threads; what is left out does not narrow it."""

    label: Label | None = None


class PatchThread(Body, frozen=True):
    """The labels of the whole conversation from now on."""

    labels: Labels


class ReplyInThread(NewReply, kw_only=True, frozen=True):
    """An answer to the newest message that came; `everyone` as in reply-all."""

    everyone: bool = False


async def list_threads(call: Call, query: ListThreads) -> Page[ThreadShape]:
    """The inbox's conversations, the one with the newest message first."""
    mailbox = await call.mailbox(call.path["inbox"])
    return await _page(call, query, mailbox.id)


async def list_all_threads(call: Call, query: ListThreads) -> Page[ThreadShape]:
    """The conversations of all inboxes that the key may see."""
    return await _page(call, query, call.caller.only_inbox, await call.reached())


async def get_thread(call: Call) -> ThreadShape:
    """The conversation with its messages, oldest first."""
    _, thread = await thread_named(call)
    return await show_thread(call.house.db, thread)


async def get_any_thread(call: Call) -> ThreadShape:
    """The same, wherever it is."""
    return await show_thread(call.house.db, await thread_of(call, call.path["thread"]))


async def update_thread(call: Call, body: PatchThread) -> ThreadShape:
    """The conversation as it is now, without its messages."""
    _, thread = await thread_named(call)
    wanted = labels_of(body.labels)
    await call.house.db.transact(lambda tx: threads.set_labels(tx, thread.id, wanted))
    return thread_shape(await thread_of(call, thread.id))


async def reply_in_thread(call: Call, body: ReplyInThread) -> MessageShape:
    """The answer, in this conversation."""
    mailbox, thread = await thread_named(call)
    newest = _to_be_answered(await records.of_thread(call.house.db, thread.id))
    return await send(call, await answer(call, mailbox, newest, body, everyone=body.everyone))


def _to_be_answered(letters: Sequence[Letter]) -> Letter:
    """The newest that a person wrote to us, else the newest of all."""
    for letter in reversed(letters):
        if letter.direction == "in" and not letter.automatic:
            return letter
    if not letters:
        raise NotFound("this thread has no message to answer")
    return letters[-1]


async def _page(
    call: Call, query: ListThreads, mailbox_id: str | None, mailbox_ids: tuple[str, ...] | None = None
) -> Page[ThreadShape]:
    wanted = threads.Page(
        call.tenant_id,
        mailbox_id=mailbox_id,
        mailbox_ids=mailbox_ids,
        label=query.label,
        limit=query.limit + 1,
        before=thread_place(query.before),
    )
    found = await threads.page(call.house.db, wanted)
    return page(found, query.limit, thread_shape, place_of_thread)


_PATH = "/v1/inboxes/{inbox}/threads"
_PAGE = examples.paged(examples.LISTED_THREAD)

OPERATIONS = (
    Operation(
        "GET",
        _PATH,
        "threads:read",
        "List an inbox's threads",
        list_threads,
        query=ListThreads,
        answer=Page[ThreadShape],
        answers=_PAGE,
        errors=("not_found",),
    ),
    Operation(
        "GET",
        "/v1/threads",
        "threads:read",
        "List the threads of all inboxes",
        list_all_threads,
        query=ListThreads,
        answer=Page[ThreadShape],
        answers=_PAGE,
    ),
    Operation(
        "GET",
        _PATH + "/{thread}",
        "threads:read",
        "One thread with its messages",
        get_thread,
        answer=ThreadShape,
        answers=examples.WHOLE_THREAD,
        errors=("not_found",),
        description="Messages are oldest first; of a very long thread the newest thousand.",
    ),
    Operation(
        "GET",
        "/v1/threads/{thread}",
        "threads:read",
        "One thread, whichever inbox it is in",
        get_any_thread,
        answer=ThreadShape,
        answers=examples.WHOLE_THREAD,
        errors=("not_found",),
    ),
    Operation(
        "PATCH",
        _PATH + "/{thread}",
        "threads:write",
        "Label a thread",
        update_thread,
        body=PatchThread,
        answer=ThreadShape,
        example={"labels": ["open"]},
        answers=examples.LISTED_THREAD,
        errors=("not_found",),
    ),
    Operation(
        "POST",
        _PATH + "/{thread}/reply",
        "messages:send",
        "Answer in a thread",
        reply_in_thread,
        body=ReplyInThread,
        answer=MessageShape,
        status=201,
        also=(HELD,),
        example={"text": "Then Tuesday it is."},
        answers=examples.SENT,
        errors=REPLY_ERRORS,
    ),
    *thread_changes.OPERATIONS,
)
