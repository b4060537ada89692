"""Threads as their letters come, go, move and are put aside: the counts are right."""

from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from msgspec.structs import replace

from inbound.forgetting import LetterMemory
from inbound.letters import admission, changes, labels, listing, records, threads
from inbound.letters.letter import Match
from inbound.letters.listing import Wanted
from inbound.letters.threads import Thread
from relay.clock import to_us
from relay.errors import InvalidInput
from relay.events import log
from relay.store.database import Reader, Transaction
from relay.store.sqlite import SqliteDatabase
from tests.fakes.clock import FakeClock
from tests.inbound.letters.conftest import MAILBOX, TENANT, File

SECRET = b"s" * 32
Get = Callable[..., Awaitable[Thread]]


@pytest.fixture
def get(db: SqliteDatabase) -> Get:
    async def got(thread_id: str, reader: Reader | None = None) -> Thread:
        thread = await threads.find(reader or db, TENANT, thread_id)
        assert thread is not None
        return thread

    return got


async def test_a_thread_grows_with_its_letters(file: File, get: Get, clock: FakeClock) -> None:
    first = await file()
    clock.advance(minutes=1)
    second = await file(answers=first)
    thread = await get(first.thread_id)
    assert second.thread_id == first.thread_id
    assert (thread.messages, thread.last_at - thread.started_at) == (2, 60_000_000)
    assert second.number > first.number


async def test_an_answer_in_another_mailbox_begins_its_own(file: File) -> None:
    first = await file()
    assert (await file(answers=first, mailbox_id="inb_2")).thread_id != first.thread_id


async def test_what_is_forgotten_leaves_its_thread(db: SqliteDatabase, file: File, get: Get) -> None:
    first = await file()
    second = await file(answers=first, labels=("open",))
    await db.transact(lambda tx: LetterMemory().forget(tx, [second.message_id]))
    assert (await get(first.thread_id)).messages == 1
    assert await listing.find(db, Wanted(tenant_id=TENANT, mailbox_id=MAILBOX, label="open")) == []
    await db.transact(lambda tx: LetterMemory().forget(tx, [first.message_id]))
    assert await threads.find(db, TENANT, first.thread_id) is None


async def test_merging_and_splitting_keep_the_counts(
    db: SqliteDatabase, file: File, get: Get, clock: FakeClock
) -> None:
    one, two = await file(), await file()
    other = await file(answers=two)

    async def merge(tx: Transaction) -> None:
        await changes.merge(tx, await get(two.thread_id, tx), await get(one.thread_id, tx))

    await db.transact(merge)
    assert (await get(two.thread_id)).id == one.thread_id
    assert (await get(one.thread_id)).messages == 3

    async def split(tx: Transaction) -> Thread:
        letters = [
            letter for letter in await records.of_thread(tx, one.thread_id) if letter.number == other.number
        ]
        return await changes.split(tx, clock, await get(one.thread_id, tx), letters)

    apart = await db.transact(split)
    assert (await get(apart.id)).messages == 1
    assert (await get(one.thread_id)).messages == 2


async def test_threads_of_two_mailboxes_stay_two(db: SqliteDatabase, file: File, get: Get) -> None:
    one, two = await get((await file()).thread_id), await get((await file(mailbox_id="inb_2")).thread_id)
    with pytest.raises(InvalidInput):
        await db.transact(lambda tx: changes.merge(tx, one, two))
    with pytest.raises(InvalidInput):
        await db.transact(lambda tx: changes.merge(tx, one, one))


async def test_a_chain_of_merged_threads_leads_to_its_end(db: SqliteDatabase, file: File, get: Get) -> None:
    ids = [(await file()).thread_id for _ in range(30)]
    for before, after in pairwise(ids):

        async def work(tx: Transaction, before: str = before, after: str = after) -> None:
            await changes.merge(tx, await get(before, tx), await get(after, tx))

        await db.transact(work)
    assert {(await get(each)).id for each in ids} == {ids[-1]}
    assert (await get(ids[0])).messages == 30


async def test_a_letter_that_is_let_in_stays_where_a_person_put_it(
    db: SqliteDatabase, file: File, get: Get, clock: FakeClock
) -> None:
    """It was parted from its conversation by hand; being let in again does not undo that."""
    parent = await file(header_id="<a@b.example>")
    split = await file(match=Match("split", parent.thread_id), standing="quarantined")
    inside = await db.transact(lambda tx: admission.let_in(tx, clock, SECRET, split))
    assert inside.thread_id == split.thread_id
    assert (await get(split.thread_id)).messages == 1


async def test_a_letter_among_others_stays_with_them(
    db: SqliteDatabase, file: File, get: Get, clock: FakeClock
) -> None:
    parent = await file(header_id="<a@b.example>")
    friend = await file()
    aside = await file(
        match=Match("in_reply_to", "<a@b.example>"), standing="quarantined", answers=friend, direction="in"
    )
    assert (await get(friend.thread_id)).messages == 1
    inside = await db.transact(lambda tx: admission.let_in(tx, clock, SECRET, aside))
    assert inside.thread_id == friend.thread_id != parent.thread_id
    assert (await get(friend.thread_id)).messages == 2


async def test_a_letter_that_names_itself_is_let_in_alone(
    db: SqliteDatabase, file: File, clock: FakeClock
) -> None:
    odd = await file(
        header_id="<a@b.example>",
        match=Match("in_reply_to", "<a@b.example>"),
        standing="blocked",
        labels=("blocked",),
    )
    await db.transact(lambda tx: admission.let_in(tx, clock, SECRET, odd))
    inside = await records.find(db, odd.message_id)
    assert inside is not None
    assert inside == replace(odd, standing="accepted", labels=())
    (event,) = await log.of_message(db, odd.message_id)
    assert (event.kind, event.data["thread_id"]) == ("message.received", odd.thread_id)


async def test_fifty_labels_leave_room_for_the_one_that_says_why(db: SqliteDatabase, file: File) -> None:
    letter = await file(labels=tuple(map(str, range(50))))
    await db.transact(lambda tx: changes.change_standing(tx, letter, "quarantined"))
    after = await records.find(db, letter.message_id)
    assert after is not None
    assert after.labels[-1] == "quarantined"
    assert len(after.labels) == labels.MAX_LABELS


async def test_labels_are_found_in_every_inbox_together(
    db: SqliteDatabase, file: File, clock: FakeClock
) -> None:
    wanted: list[str] = []
    for mailbox_id in (MAILBOX, "inb_2"):
        clock.advance(seconds=1)
        wanted.insert(0, (await file(labels=("open",), mailbox_id=mailbox_id)).message_id)
        await file(labels=("closed",), mailbox_id=mailbox_id)
    found = await listing.find(db, Wanted(tenant_id=TENANT, label="open"))
    assert [letter.message_id for letter in found] == wanted
    since = Wanted(tenant_id=TENANT, label="open", since=to_us(clock.now()))
    assert [letter.message_id for letter in await listing.find(db, since)] == wanted[:1]
