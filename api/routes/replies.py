"""What people answered, over all inboxes: to be polled, without automatic mail unless it is asked for."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from api.call import Call
from api.mail import examples
from api.mail.finding import Label, instant, number_of, place_of
from api.mail.shapes import MessageShape
from api.mail.showing import show, show_whole
from api.mail.wishes import printable
from api.operations import Operation
from api.paging import Paged, make_cursor
from api.problems import invalid
from api.shapes import Body, Page
from inbound.classify import Kind
from inbound.letters import listing, records
from inbound.letters.letter import Letter
from inbound.letters.listing import Wanted
from relay.errors import NotFound
from relay.store.database import Reader, Transaction

Classification = Literal["reply", "new", "bounce", "complaint", "auto_reply", "list", "unsubscribe"]
Word = Annotated[str, Meta(min_length=1, max_length=100)]


class ListReplies(Paged, frozen=True):
    """Which; by default answers that people wrote.

    `since` is a time, or the id of the last reply that was seen; with it the
    oldest come first, so that polling with the last id misses none.
    """

    since: Annotated[str, Meta(max_length=100)] | None = None
    classification: Annotated[tuple[Classification, ...], Meta(max_length=10)] = ()
    include_automatic: bool = False
    intent: Word | None = None
    inbox: Annotated[str, Meta(max_length=400, description="id or address")] | None = None
    label: Label | None = None


class PatchReply(Body, frozen=True):
    """What a person or program knows better; what is left out stays.

    A reply or new mail counts as written by a person from then on, the others as automatic.
    """

    classification: Classification | UnsetType = UNSET
    intent: Word | UnsetType | None = UNSET


async def list_replies(call: Call, query: ListReplies) -> Page[MessageShape]:
    """The replies with their texts; fewer than `limit` where the texts are long, and more to come."""
    mailbox = await call.mailbox(query.inbox) if query.inbox else None
    wanted = Wanted(
        tenant_id=call.tenant_id,
        mailbox_id=mailbox.id if mailbox else call.caller.only_inbox,
        mailbox_ids=None if mailbox or call.caller.only_inbox else await call.reached(),
        direction="in",
        kinds=query.classification or (Kind.REPLY.value,),
        automatic=None if query.include_automatic or query.classification else False,
        intent=query.intent,
        label=query.label,
        limit=query.limit + 1,
    )
    found = await listing.find(call.house.db, await _placed(call, query, wanted))
    shown = await show_whole(call.house.db, found[: query.limit])
    more = len(found) > len(shown)
    return Page(
        data=shown,
        has_more=more,
        next_cursor=make_cursor(place_of(found[len(shown) - 1])) if more else None,
    )


async def get_reply(call: Call) -> MessageShape:
    return await show(call.house.db, await _found(call))


async def update_reply(call: Call, body: PatchReply) -> MessageShape:
    """The reply as it is now."""
    if isinstance(body.intent, str):
        printable(body.intent, "$.intent")

    async def work(tx: Transaction) -> None:
        letter = await _found(call, tx)
        if body.classification is not UNSET:
            automatic = body.classification not in (Kind.REPLY, Kind.NEW)
            await records.set_kind(tx, letter.number, body.classification, automatic=automatic)
        if body.intent is not UNSET:
            await records.set_intent(tx, letter.number, body.intent)

    await call.house.db.transact(work)
    return await show(call.house.db, await _found(call))


async def _found(call: Call, reader: Reader | None = None) -> Letter:
    letter = await _visible(call, call.path["message"], reader)
    if letter is None or letter.direction != "in":
        raise NotFound(f"no reply {call.path['message']}")
    return letter


async def _visible(call: Call, message_id: str, reader: Reader | None = None) -> Letter | None:
    """A letter, if the key may see it."""
    letter = await records.find(reader or call.house.db, message_id)
    if letter is None or letter.tenant_id != call.tenant_id:
        return None
    return letter if await call.may_see(letter.mailbox_id, reader) else None


async def _placed(call: Call, query: ListReplies, wanted: Wanted) -> Wanted:
    """Where the page begins: newest first, or on from what was seen."""
    if query.since is None:
        return replace(wanted, before=number_of(query.before))
    wanted = replace(wanted, oldest_first=True)
    if query.before is not None:
        return replace(wanted, after=number_of(query.before))
    if query.since.startswith("msg_"):
        known = await _visible(call, query.since)
        if known is None:
            raise invalid("?since", "names no message that is here")
        return replace(wanted, after=known.number)
    try:
        at = datetime.fromisoformat(query.since)
    except ValueError as error:
        raise invalid("?since", "is neither a time such as 2026-03-02T09:00:00Z nor an id") from error
    return replace(wanted, since=instant(at, "?since"))


OPERATIONS = (
    Operation(
        "GET",
        "/v1/replies",
        "messages:read",
        "Poll what people answered",
        list_replies,
        query=ListReplies,
        answer=Page[MessageShape],
        answers=examples.paged(examples.WHOLE),
        errors=("not_found",),
        description="Out-of-office notes, lists and bounces are left out unless they are asked for.",
    ),
    Operation(
        "GET",
        "/v1/replies/{message}",
        "messages:read",
        "One reply",
        get_reply,
        answer=MessageShape,
        answers=examples.WHOLE,
        errors=("not_found",),
    ),
    Operation(
        "PATCH",
        "/v1/replies/{message}",
        "messages:write",
        "Say what a reply is, or what its author wants",
        update_reply,
        body=PatchReply,
        answer=MessageShape,
        example={"intent": "interested"},
        answers=examples.WHOLE,
        errors=("not_found",),
    ),
)
