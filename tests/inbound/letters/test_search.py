"""The words of letters: what is found, what is not, and that what was put in can be taken out again."""

import pytest

from inbound.forgetting import LetterMemory
from inbound.letters import listing, records, search, texts
from inbound.letters.letter import People
from inbound.letters.listing import Wanted
from relay.errors import InvalidInput
from relay.message.person import Person
from relay.store.database import Database
from tests.inbound.letters.conftest import MAILBOX, TENANT, File

pytestmark = pytest.mark.both_engines

WORDS = {
    "an accent": ("Ein Käse aus Zürich", "kase"),
    "another alphabet": ("Счёт на оплату", "счёт"),
    "vowel signs": ("हिन्दी में पत्र", "हिन्दी"),
    "an accent apart": ("re\u0301sume\u0301 attached", "r\u00e9sum\u00e9"),
    "an underscore": ("the snake_case name", "snake_case"),
    "an address": ("write to bob@far.example now", "bob@far.example"),
    "numbers": ("Order 2026-0017 is late", "2026-0017"),
    "a begun word": ("tomorrow then", "tomo"),
    "what no word is made of": ("price: 5€ \U0001f602", "price: \U0001f602"),
}


async def found(db: Database, words: str, **narrow: str) -> list[str]:
    wanted = Wanted(tenant_id=TENANT, mailbox_id=MAILBOX, words=words)
    return [letter.message_id for letter in await listing.find(db, wanted)]


@pytest.mark.parametrize("name", WORDS)
async def test_what_was_written_is_found(db: Database, file: File, name: str) -> None:
    text, words = WORDS[name]
    letter = await file(text)
    await file("Something else.")
    assert await found(db, words) == [letter.message_id]
    assert await found(db, f'"{words}"' if name != "a begun word" else words) == [letter.message_id]


async def test_subject_people_and_text_are_found_and_ids_are_not(db: Database, file: File) -> None:
    letter = await file("umbrella", subject="weather report", sender="ann@far.example")
    for words in ("umbrella", "weather", "far.example", "ann umbrella weather"):
        assert await found(db, words) == [letter.message_id]
    for words in ("x", search.scope_word(MAILBOX), search.scope_word(TENANT), f"scope:{MAILBOX}"):
        assert await found(db, words) == []


async def test_what_nobody_would_have_seen_is_not_found(db: Database, file: File) -> None:
    letter = await file("plain secret", visible_text="plain")
    assert await found(db, "plain") == [letter.message_id]
    assert await found(db, "secret") == []


async def test_a_mailbox_finds_its_own(db: Database, file: File) -> None:
    await file("umbrella", mailbox_id="inb_2")
    letter = await file("umbrella")
    assert await found(db, "umbrella") == [letter.message_id]
    of_all = await listing.find(db, Wanted(tenant_id=TENANT, words="umbrella"))
    assert len(of_all) == 2
    assert await listing.find(db, Wanted(tenant_id="ten_2", words="umbrella")) == []


@pytest.mark.parametrize("text", ["", " ", '""', "*", '" "', "-", "\0", "\ud800", "a" * 501])
def test_a_search_needs_words_and_an_end(text: str) -> None:
    with pytest.raises(InvalidInput):
        search.query(text, MAILBOX)


@pytest.mark.parametrize(
    "tail", ["", '"', "*", ")", " AND", " NEAR(", "\\", "'", ";", " NOT", "\0", "\ud800", ":"]
)
async def test_nothing_typed_is_an_operator(db: Database, file: File, tail: str) -> None:
    await file("umbrella and near not")
    assert len(await found(db, f"umbrella{tail}")) == 1


HOSTILE = [
    "half\ud800 of\udc00 it",
    "nul\0byte",
    '"quoted" *stars* (and) NEAR',
    "\u202egnp",
    "x" * 300_000,
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_was_put_in_is_taken_out(db: Database, file: File, text: str) -> None:
    """The index knows no texts: other words taken out than were put in would spoil it."""
    people = People(sender=(Person("ann@far.example", text[:100]),))
    letter = await file(f"umbrella {text}", subject=text[:900], people=people)
    other = await file("umbrella")
    assert len(await found(db, "umbrella")) == 2
    await db.transact(lambda tx: LetterMemory().forget_text(tx, [letter.message_id]))
    assert await found(db, "umbrella") == [other.message_id]
    assert await texts.find(db, letter.message_id) is None
    known = await records.find(db, letter.message_id)
    assert known is not None
    # Once more is harmless, and the whole letter can go then.
    await db.transact(lambda tx: LetterMemory().forget_text(tx, [letter.message_id]))
    await db.transact(lambda tx: LetterMemory().forget(tx, [letter.message_id, other.message_id]))
    assert await found(db, "umbrella") == []
    anybody = search.query("umbrella", TENANT, engine=db.engine)
    for query in (anybody, search.query("umbrella", TENANT, column="subject", engine=db.engine)):
        condition = search.MATCHES[db.engine].replace("?", "$1")
        assert await db.fetch_all(f"select rowid from letter_search w where {condition}", query) == []  # noqa: S608
