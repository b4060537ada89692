"""Messages of an inbox: list and search, look at one, label it, let it in."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from api.call import Call
from api.mail import examples
from api.mail.finding import MessageFilter, letter_of, place_of, wanted_of
from api.mail.shapes import MessageShape
from api.mail.showing import show, show_many
from api.mail.wishes import Labels, labels_of, printable
from api.operations import Operation
from api.paging import make_cursor
from api.problems import invalid
from api.routes import waiting
from api.shapes import Body, Page
from inbound.letters import admission, changes, labels, listing, records
from inbound.letters.letter import Letter, Standing
from inbound.letters.listing import Wanted
from relay.store.database import Transaction

Word = Annotated[str, Meta(min_length=1, max_length=100)]


class ListMessages(MessageFilter, frozen=True):
    """Which messages of the inbox."""


class PatchMessage(Body, frozen=True):
    """What is left out stays. `intent` is what its author wants, in a word of yours; null forgets it.

    `standing` lets a message in that was put aside, or puts one aside. One
    that is let in joins its conversation and raises `message.received`.
    """

    labels: Labels | UnsetType = UNSET
    intent: Word | UnsetType | None = UNSET
    standing: Standing | UnsetType = UNSET


async def list_messages(call: Call, query: ListMessages) -> Page[MessageShape]:
    """Messages without their texts, newest first."""
    mailbox = await call.mailbox(call.path["inbox"])
    return await message_page(call, await wanted_of(call, query, mailbox), query.limit)


async def get_message(call: Call) -> MessageShape:
    return await show(call.house.db, await letter_of(call, await call.mailbox(call.path["inbox"])))


async def update_message(call: Call, body: PatchMessage) -> MessageShape:
    """The message as it is now."""
    mailbox = await call.mailbox(call.path["inbox"])
    wanted = None if body.labels is UNSET else labels_of(body.labels)
    if isinstance(body.intent, str):
        printable(body.intent, "$.intent")

    async def work(tx: Transaction) -> None:
        letter = await letter_of(call, mailbox, tx)
        if wanted is not None:
            letter = replace(letter, labels=await labels.replace(tx, letter, wanted))
        if body.intent is not UNSET:
            await records.set_intent(tx, letter.number, body.intent)
        if body.standing is not UNSET and body.standing != letter.standing:
            await _change_standing(tx, call, letter, body.standing)

    await call.house.db.transact(work)
    call.house.watch.nudge()
    return await get_message(call)


async def _change_standing(tx: Transaction, call: Call, letter: Letter, standing: Standing) -> None:
    if letter.direction == "out":
        raise invalid("$.standing", "only mail that came can be put aside or let in")
    if standing == "accepted":
        await admission.let_in(tx, call.house.clock, call.house.station.bounce_secret, letter)
    else:
        await changes.change_standing(tx, letter, standing)


async def message_page(call: Call, wanted: Wanted, limit: int) -> Page[MessageShape]:
    """A page of what was asked for with one more than `limit`."""
    found = await listing.find(call.house.db, wanted)
    shown = found[:limit]
    more = len(found) > limit
    return Page(
        data=await show_many(call.house.db, shown),
        has_more=more,
        next_cursor=make_cursor(place_of(shown[-1])) if more else None,
    )


_ERRORS = ("not_found",)
_PATCH: dict[str, Any] = {"labels": ["open", "billing"], "intent": "interested"}

OPERATIONS = (
    Operation(
        "GET",
        "/v1/inboxes/{inbox}/messages",
        "messages:read",
        "List or search messages",
        list_messages,
        query=ListMessages,
        answer=Page[MessageShape],
        answers=examples.paged(examples.LISTED),
        errors=_ERRORS,
    ),
    *waiting.OPERATIONS,
    Operation(
        "GET",
        "/v1/inboxes/{inbox}/messages/{message}",
        "messages:read",
        "One message",
        get_message,
        answer=MessageShape,
        answers=examples.WHOLE,
        errors=_ERRORS,
    ),
    Operation(
        "PATCH",
        "/v1/inboxes/{inbox}/messages/{message}",
        "messages:write",
        "Label a message, say what it is about, or let it in",
        update_message,
        body=PatchMessage,
        answer=MessageShape,
        example=_PATCH,
        answers=examples.WHOLE,
        errors=_ERRORS,
    ),
)
