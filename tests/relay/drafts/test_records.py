"""Drafts as they are kept: of one mailbox, without files in lists, taken once and as they were read."""

from dataclasses import replace

import pytest

from relay.drafts import records
from relay.drafts.records import DraftChanged, KeptDraft, NewDraft
from relay.errors import NotFound
from relay.store.sqlite import SqliteDatabase
from tests.fakes.clock import FakeClock

NEW = NewDraft("ten_default", "inb_1", '{"subject":"a"}', b"files", "reply", "msg_1")


async def added(db: SqliteDatabase, clock: FakeClock, new: NewDraft = NEW) -> KeptDraft:
    return await db.transact(lambda tx: records.add(tx, clock, new))


async def test_it_is_kept_as_it_was_given(db: SqliteDatabase, clock: FakeClock) -> None:
    draft = await added(db, clock)
    assert await records.get(db, "ten_default", "inb_1", draft.id) == draft
    assert (draft.content, draft.files, draft.kind, draft.parent_id) == (
        NEW.content,
        b"files",
        "reply",
        "msg_1",
    )


@pytest.mark.parametrize(("tenant", "mailbox"), [("ten_default", "inb_2"), ("ten_2", "inb_1")])
async def test_nobody_else_finds_it(db: SqliteDatabase, clock: FakeClock, tenant: str, mailbox: str) -> None:
    draft = await added(db, clock)
    with pytest.raises(NotFound):
        await records.get(db, tenant, mailbox, draft.id)
    assert await records.page(db, tenant, mailbox, 10, None) == []


async def test_lists_do_not_read_files(db: SqliteDatabase, clock: FakeClock) -> None:
    drafts: list[KeptDraft] = []
    for _ in range(3):
        clock.advance(seconds=1)
        drafts.insert(0, await added(db, clock))
    page = await records.page(db, "ten_default", "inb_1", 2, None)
    assert page == [replace(draft, files=None) for draft in drafts[:2]]
    assert await records.page(db, "ten_default", "inb_1", 2, page[-1].id) == [replace(drafts[2], files=None)]


async def test_it_is_rewritten(db: SqliteDatabase, clock: FakeClock) -> None:
    draft = await added(db, clock)
    clock.advance(minutes=1)
    after = await db.transact(lambda tx: records.rewrite(tx, clock, draft, "{}", None))
    assert await records.get(db, "ten_default", "inb_1", draft.id) == after
    assert (after.content, after.files, after.created_at) == ("{}", None, draft.created_at)
    assert after.updated_at == draft.updated_at + 60_000_000


async def test_it_is_taken_once(db: SqliteDatabase, clock: FakeClock) -> None:
    draft = await added(db, clock)
    await db.transact(lambda tx: records.take(tx, draft))
    for again in (records.take, records.remove):
        with pytest.raises(NotFound):
            await db.transact(lambda tx, again=again: again(tx, draft))  # type: ignore[misc]
    with pytest.raises(NotFound):
        await db.transact(lambda tx: records.rewrite(tx, clock, draft, "{}", None))


@pytest.mark.parametrize(
    ("content", "files"), [("{}", b"files"), (NEW.content, b"others"), (NEW.content, None)]
)
async def test_it_is_taken_only_as_it_was_read(
    db: SqliteDatabase, clock: FakeClock, content: str, files: bytes | None
) -> None:
    draft = await added(db, clock)
    await db.transact(lambda tx: records.rewrite(tx, clock, draft, content, files))
    with pytest.raises(DraftChanged):
        await db.transact(lambda tx: records.take(tx, draft))
    assert (await records.get(db, "ten_default", "inb_1", draft.id)).content == content
