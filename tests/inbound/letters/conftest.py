"""Letters by hand, in a store with one tenant and two mailboxes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from inbound.composed import file_composed
from inbound.letters.letter import Letter, Match, People
from inbound.letters.texts import Text
from relay.address import parse_address
from relay.clock import to_us
from relay.ids import new_id
from relay.message.person import Person
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.database import Transaction
from relay.store.sqlite import SqliteDatabase
from tests.fakes.clock import FakeClock

MAILBOX = "inb_1"
TENANT = "ten_default"

File = Callable[..., Awaitable[Letter]]


def message(id_: str, clock: FakeClock, mailbox_id: str) -> Message:
    return Message(
        id=id_,
        tenant_id=TENANT,
        mailbox_id=mailbox_id,
        direction="in",
        source="smtp",
        reverse_path=parse_address("ann@far.example"),
        header_from="",
        subject="",
        message_id="",
        size=10,
        body_size=2,
        created_at=to_us(clock.now()),
    )


@pytest.fixture
def file(db: SqliteDatabase, clock: FakeClock) -> File:
    """File a letter: `await file(subject="…", text="…", thread=another letter, labels=…)`."""

    async def filed(
        text: str = "Hello.",
        *,
        answers: Letter | None = None,
        mailbox_id: str = MAILBOX,
        sender: str = "ann@far.example",
        visible_text: str | None = None,
        **said: Any,
    ) -> Letter:
        letter = Letter(
            number=0,
            message_id=new_id("msg", clock),
            tenant_id=TENANT,
            mailbox_id=mailbox_id,
            thread_id="",
            at=to_us(clock.now()),
            sender=sender,
            **{
                "kind": "new",
                "match": Match(),
                "direction": "in",
                "people": People(sender=(Person(sender, "Ann"),)),
                **said,
            },
        )
        words = Text(text=text, visible_text=text if visible_text is None else visible_text)

        async def work(tx: Transaction) -> Letter:
            await spool.insert(
                tx, message(letter.message_id, clock, mailbox_id), StoredContent(b"A: b\r\n", b"x", None)
            )
            return await file_composed(tx, clock, letter, words, answers)

        return await db.transact(work)

    return filed
