"""Wait for the next message: an answer as soon as it is there, without asking again and again."""

import asyncio
from dataclasses import replace
from typing import Annotated

from msgspec import Meta

from api.call import Call
from api.mail import examples
from api.mail.finding import address_key, thread_id_of
from api.mail.shapes import MessageShape
from api.mail.showing import show
from api.operations import Operation
from api.problems import invalid
from api.shapes import Query, Shape
from inbound.letters import listing, records
from inbound.letters.letter import Letter
from inbound.letters.listing import Wanted
from relay.events import log
from relay.store.database import Reader
from relay.tenants.mailboxes import Mailbox

LONGEST_WAIT = 60
AT_ONCE = 100  # letters that are looked at together


class WaitForMessage(Query, frozen=True):
    """Which message is waited for: the first that comes after `after`, or from now on."""

    timeout: Annotated[int, Meta(ge=0, le=LONGEST_WAIT, description="seconds")] = LONGEST_WAIT
    after: Annotated[str, Meta(max_length=100, description="only what came behind this message")] | None = (
        None
    )
    sender: Annotated[str, Meta(max_length=320, description="the author's address")] | None = None
    subject: Annotated[str, Meta(max_length=500, description="a part of the subject, in any case")] | None = (
        None
    )
    thread: Annotated[str, Meta(max_length=100)] | None = None


class Waited(Shape, kw_only=True, frozen=True):
    """`message` is null when none came in time."""

    message: MessageShape | None


async def wait_for_message(call: Call, query: WaitForMessage) -> Waited:
    """The first message that fits, as soon as it is there."""
    mailbox = await call.mailbox(call.path["inbox"])
    wanted = Wanted(
        tenant_id=call.tenant_id,
        mailbox_id=mailbox.id,
        direction="in",
        thread_id=await thread_id_of(call, query.thread),
        sender=address_key(query.sender),
        after=await _begin(call, mailbox, query.after),
        oldest_first=True,
        limit=AT_ONCE,
    )
    lines, key_id = call.house.lines, call.caller.key.id
    lines.check(key_id)
    with lines.taken(key_id):
        return Waited(message=await _first(call, wanted, query))


async def _first(call: Call, wanted: Wanted, query: WaitForMessage) -> MessageShape | None:
    """It, or None when it did not come in time."""
    house, loop = call.house, asyncio.get_running_loop()
    until = loop.time() + query.timeout
    seq = await log.last_seq(house.db)
    while True:
        letter, wanted = await _look(house.db, wanted, query.subject)
        if letter is not None:
            return await show(house.db, letter)
        left = until - loop.time()
        if left <= 0 or house.watch.is_closed or not await call.is_still_allowed():
            return None
        seq = max(seq, await house.watch.wait_beyond(seq, left))


async def _begin(call: Call, mailbox: Mailbox, after: str | None) -> int:
    """The number of the message that is named, else of the newest there is; raises Problem (422)."""
    db = call.house.db
    if after is None:
        newest = Wanted(tenant_id=call.tenant_id, mailbox_id=mailbox.id, standing=None, limit=1)
        return next((letter.number for letter in await listing.find(db, newest)), 0)
    known = await records.of_mailbox(db, call.tenant_id, mailbox.id, after)
    if known is None:
        raise invalid("?after", "names no message of this inbox")
    return known.number


async def _look(reader: Reader, wanted: Wanted, subject: str | None) -> tuple[Letter | None, Wanted]:
    """The first letter that fits, and what is still wanted behind those that did not."""
    while True:
        found = await listing.find(reader, wanted)
        for letter in found:
            wanted = replace(wanted, after=letter.number)
            if subject is None or subject.casefold() in letter.subject.casefold():
                return letter, wanted
        if len(found) < wanted.limit:
            return None, wanted


OPERATIONS = (
    Operation(
        "GET",
        "/v1/inboxes/{inbox}/messages/wait",
        "messages:read",
        "Wait for the next message",
        wait_for_message,
        query=WaitForMessage,
        answer=Waited,
        answers={"message": examples.WHOLE},
        errors=("not_found",),
        description="Answers as soon as a message comes, and with null after `timeout` seconds.",
    ),
)
