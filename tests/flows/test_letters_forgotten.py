"""What letters say is kept as long as the settings say, and goes without leaving anything behind."""

import pytest

from inbound.letters import changes, records, search, texts, threads
from inbound.letters.letter import Letter
from relay.store.database import Transaction
from relay.tenants.tenants import DEFAULT_TENANT
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House, letter
from tests.flows.letters import APP, letter_of, received, text_of, written

pytestmark = pytest.mark.both_engines

EVERYWHERE = ("letters", "letter_texts", "letter_labels", "threads", "arrivals", "messages", "contents")


async def found_by(house: House, word: str) -> list[int]:
    """The letters in which a word is found."""
    engine = house.station.db.engine
    rows = await house.station.db.fetch_all(
        f"select rowid from letter_search w where {search.MATCHES[engine].replace('?', '$1')}",  # noqa: S608
        search.query(word, DEFAULT_TENANT, engine=engine),
    )
    return [row["rowid"] for row in rows]


async def asked(house: House, words: str) -> Letter:
    sent = await house.submit(message=letter(APP, f"ann@{FAR}", body=f"{words}\r\n"))
    await house.run_until_idle()
    return await letter_of(house, sent.id)


async def pass_time(house: House, days: int) -> None:
    house.clock.advance(days=days)
    await house.run_until_idle()
    await house.way_out.sweeper.purge()


@pytest.fixture
async def forgetful(make_house: MakeHouse) -> House:
    return await make_house(
        {"retention.raw_inbound": "2d", "retention.content": "4d", "retention.events": "8d"}
    )


async def test_the_raw_form_goes_first_and_what_it_said_stays(forgetful: House) -> None:
    question = await asked(forgetful, "quince")
    answer = await received(forgetful, written(f"In-Reply-To: {question.header_id}", body="apricot\r\n"))
    await pass_time(forgetful, 3)
    (message,) = await forgetful.received_by(APP)
    loaded = await forgetful.station.db.fetch_one(
        "select body from contents where message_id = $1", message.id
    )
    assert loaded is not None
    assert loaded["body"] is None
    assert (await text_of(forgetful, answer)).text.strip() == "apricot"
    assert await found_by(forgetful, "apricot") == [answer.number]


async def test_what_we_sent_is_forgotten_word_by_word_and_its_place_stays(forgetful: House) -> None:
    question = await asked(forgetful, "quince")
    answer = await received(forgetful, written(f"In-Reply-To: {question.header_id}", body="apricot\r\n"))
    await pass_time(forgetful, 5)
    assert await texts.find(forgetful.station.db, question.message_id) is None
    assert await found_by(forgetful, "quince") == []
    assert await found_by(forgetful, "apricot") == [answer.number]
    in_thread = await records.of_thread(forgetful.station.db, question.thread_id)
    assert [each.number for each in in_thread] == [question.number, answer.number]


async def test_an_answer_to_what_is_forgotten_still_finds_its_thread(forgetful: House) -> None:
    question = await asked(forgetful, "quince")
    await pass_time(forgetful, 5)
    answer = await received(forgetful, written(f"In-Reply-To: {question.header_id}"))
    assert answer.thread_id == question.thread_id


async def test_in_the_end_nothing_is_left(forgetful: House) -> None:
    question = await asked(forgetful, "quince")
    answer = await received(forgetful, written(f"In-Reply-To: {question.header_id}", body="apricot\r\n"))
    other = await received(forgetful, written(subject="Else", body="medlar\r\n"))
    await forgetful.station.db.transact(lambda tx: _merge(tx, answer, other))
    assert await forgetful.count("letter_search") == 3
    await pass_time(forgetful, 9)
    assert {table: await forgetful.count(table) for table in EVERYWHERE} == dict.fromkeys(EVERYWHERE, 0)
    for word in ("quince", "apricot", "medlar", "Invoice"):
        assert await found_by(forgetful, word) == []
    assert await forgetful.count("letter_search") == 0


async def _merge(tx: Transaction, one: Letter, other: Letter) -> None:
    thread = await threads.find(tx, DEFAULT_TENANT, other.thread_id)
    into = await threads.find(tx, DEFAULT_TENANT, one.thread_id)
    assert thread is not None
    assert into is not None
    await changes.merge(tx, thread, into)


async def test_what_is_young_keeps_its_thread_when_the_old_goes(forgetful: House) -> None:
    question = await asked(forgetful, "quince")
    await pass_time(forgetful, 7)
    answer = await received(forgetful, written(f"In-Reply-To: {question.header_id}"))
    await pass_time(forgetful, 2)
    assert await records.find(forgetful.station.db, question.message_id) is None
    thread = await threads.find(forgetful.station.db, DEFAULT_TENANT, answer.thread_id)
    assert thread is not None
    assert (thread.messages, thread.started_at) == (1, answer.at)


async def test_nothing_refers_to_what_is_gone(forgetful: House) -> None:
    await asked(forgetful, "quince")
    await received(forgetful, written(body="apricot\r\n"), f"app+tag@{OURS}")
    await pass_time(forgetful, 5)
    await received(forgetful, written(body="medlar\r\n"))
    await pass_time(forgetful, 5)
    assert await forgetful.count("letters") == 1
    assert await forgetful.station.db.integrity() == []
