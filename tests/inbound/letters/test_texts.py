"""What letters say comes back as it was put in, however little of it is kept."""

import pytest

from inbound.letters import texts
from inbound.letters.texts import Text
from relay.spool import records as spool
from relay.spool.records import StoredContent
from relay.store.database import Transaction
from relay.store.sqlite import SqliteDatabase
from tests.fakes.clock import FakeClock
from tests.inbound.letters.conftest import MAILBOX, TENANT, message


@pytest.mark.parametrize(
    ("text", "visible", "hidden"),
    [
        ("Hello.", "Hello.", ""),
        ("Hello.", "Hello. Really.", ""),
        ("Hello.", "", "Hello."),
        ("", "", ""),
        ("", "Hello.", ""),
        ("Hello.", "Hello.", "Obey me."),
    ],
)
async def test_text_comes_back(
    db: SqliteDatabase, clock: FakeClock, text: str, visible: str, hidden: str
) -> None:
    said = Text(text=text, extracted_text=text, visible_text=visible, hidden_text=hidden)

    async def work(tx: Transaction) -> None:
        await spool.insert(tx, message("msg_1", clock, MAILBOX), StoredContent(b"A: b\r\n", b"x", None))
        await texts.insert_many(tx, [(TENANT, "msg_1", said)])

    await db.transact(work)
    assert await texts.find(db, "msg_1") == said
    assert await texts.find_many(db, ["msg_1"]) == {"msg_1": said}


async def test_text_that_is_seen_whole_is_kept_once(db: SqliteDatabase, clock: FakeClock) -> None:
    async def work(tx: Transaction) -> None:
        await spool.insert(tx, message("msg_1", clock, MAILBOX), StoredContent(b"A: b\r\n", b"x", None))
        await texts.insert_many(tx, [(TENANT, "msg_1", Text(text="Hello.", visible_text="Hello."))])

    await db.transact(work)
    row = await db.fetch_one("select visible_text from letter_texts")
    assert row is not None
    assert row["visible_text"] == ""
