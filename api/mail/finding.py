"""From what a request names to what is there, never further than the caller may see."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from api.call import Call
from api.paging import Paged
from api.problems import invalid
from inbound.letters import records, search, threads
from inbound.letters.letter import Letter
from inbound.letters.listing import NEWEST, Wanted
from inbound.letters.threads import Thread
from relay.address import InvalidAddress, parse_address
from relay.clock import to_us
from relay.errors import InvalidInput, NotFound
from relay.store.database import Reader
from relay.tenants.mailboxes import Mailbox

Label = Annotated[str, Meta(min_length=1, max_length=100)]


class MessageFilter(Paged, frozen=True):
    """Which messages; what is left out does not narrow it.

    `q` are words, or "a phrase" in quotes; the last word may be begun. `to` is
    an address or a part of one, anywhere in the header.
    """

    q: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    direction: Literal["in", "out"] | None = None
    classification: Annotated[tuple[str, ...], Meta(max_length=20)] = ()
    automatic: bool | None = None
    standing: Literal["accepted", "blocked", "quarantined"] = "accepted"
    label: Label | None = None
    sender: Annotated[str, Meta(max_length=320, description="the author's address")] | None = None
    to: Annotated[str, Meta(min_length=1, max_length=320)] | None = None
    thread: Annotated[str, Meta(max_length=100)] | None = None
    since: datetime | None = None
    until: datetime | None = None


async def wanted_of(call: Call, query: MessageFilter, mailbox: Mailbox) -> Wanted:
    """What the query asks for, one more than a page of it; raises Problem (422)."""
    for words, path in ((query.q, "?q"), (query.to, "?to")):
        with named(path):
            search.query("any" if words is None else words, "")
    return Wanted(
        tenant_id=call.tenant_id,
        mailbox_id=mailbox.id,
        thread_id=await thread_id_of(call, query.thread),
        direction=query.direction,
        kinds=query.classification,
        automatic=query.automatic,
        standing=query.standing,
        label=query.label,
        sender=address_key(query.sender),
        recipient=query.to,
        words=query.q,
        since=instant(query.since, "?since"),
        until=instant(query.until, "?until"),
        before=number_of(query.before),
        limit=query.limit + 1,
    )


async def letter_of(call: Call, mailbox: Mailbox, reader: Reader | None = None) -> Letter:
    """The letter that the path names; raises NotFound."""
    message_id = call.path["message"]
    letter = await records.of_mailbox(reader or call.house.db, call.tenant_id, mailbox.id, message_id)
    if letter is None:
        raise NotFound(f"no message {message_id} in this inbox")
    return letter


async def thread_of(
    call: Call, thread_id: str, mailbox: Mailbox | None = None, reader: Reader | None = None
) -> Thread:
    """A thread that the caller may see; raises NotFound."""
    thread = await threads.find(reader or call.house.db, call.tenant_id, thread_id)
    if thread is None or (mailbox is not None and thread.mailbox_id != mailbox.id):
        raise NotFound(f"no thread {thread_id}")
    if mailbox is None and not await call.may_see(thread.mailbox_id, reader):
        raise NotFound(f"no thread {thread_id}")
    return thread


async def thread_named(call: Call) -> tuple[Mailbox, Thread]:
    """The inbox and the thread that the path names; raises NotFound."""
    mailbox = await call.mailbox(call.path["inbox"])
    return mailbox, await thread_of(call, call.path["thread"], mailbox)


async def thread_id_of(call: Call, named: str | None) -> str | None:
    """The id under which a thread's letters stand now, also for one that was merged into another."""
    thread = await threads.find(call.house.db, call.tenant_id, named) if named else None
    return thread.id if thread else named


def place_of(letter: Letter) -> str:
    """How a cursor names a letter."""
    return str(letter.number)


def number_of(place: str | None) -> int:
    """The number that a cursor names; raises Problem (422)."""
    if place is None:
        return NEWEST
    if not place.isascii() or not place.isdigit() or len(place) > 19:
        raise invalid("?cursor", "is not a next_cursor of ours")
    return min(int(place), NEWEST)


def place_of_thread(thread: Thread) -> str:
    """How a cursor names a thread."""
    return f"{thread.last_at}.{thread.id}"


def thread_place(place: str | None) -> tuple[int, str] | None:
    """What a cursor of threads names; raises Problem (422)."""
    if place is None:
        return None
    at, dot, thread_id = place.partition(".")
    if not dot or not at.isascii() or not at.isdigit() or len(at) > 18:
        raise invalid("?cursor", "is not a next_cursor of ours")
    return int(at), thread_id


def instant(given: datetime | None, path: str) -> int | None:
    """Microseconds; raises Problem (422) for a time without a zone."""
    if given is None:
        return None
    if given.tzinfo is None:
        raise invalid(path, "needs a time zone: add Z for UTC")
    return to_us(given)


def address_key(text: str | None, path: str = "?sender") -> str | None:
    """An address as letters know their author; raises Problem (422)."""
    if text is None:
        return None
    try:
        return parse_address(text).key
    except InvalidAddress as error:
        raise invalid(path, str(error)) from error


@contextmanager
def named(path: str) -> Iterator[None]:
    """What is found wrong inside is wrong with this part of the request: Problem (422)."""
    try:
        yield
    except InvalidInput as error:
        raise invalid(path, str(error)) from error
