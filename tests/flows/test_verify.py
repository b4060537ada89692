"""verify finds each letter that disagrees with its message, its thread, its labels or its words."""

import sqlite3
from contextlib import closing

import pytest

from inbound.letters import labels
from relay.control.checks import check_store
from relay.control.context import Context
from tests.flows.house import House
from tests.flows.letters import letter_of, received, written

PLANTED = {
    "delete from letters where direction = 'in'": "has no letter and does not wait to be read",
    "insert into arrivals (message_id, tenant_id, mailbox_id, recipient, unfinished)"
    " select message_id, tenant_id, mailbox_id, 'app@ours.test', 0 from letters where direction = 'in'": (
        "has a letter, but waits to be read"
    ),
    "delete from letter_texts": "has a letter without its text",
    "update letters set mailbox_id = 'x'": "has a letter in a thread of another mailbox",
    "update threads set merged_into = 'thr_x'": "has a letter in a thread that was merged into another",
    "update threads set messages = 7": "counts 7 letters, but has 2",
    "update letters set standing = 'blocked' where direction = 'in'": "counts 2 letters, but has 1",
    'update letters set labels = \'["urgent", "late"]\'': "is not found under a label that it has",
    "update letter_labels set label = 'late'": "is found under a label that it does not have",
    "update letters set number = number + 1 where labels = '[]'": "has a letter that no search finds",
    "update letter_texts set tenant_id = 'ten_x'": "another has its letter_texts",
    "update contents set body = cast('J' || substr(body, 2) as blob)": "is not the one that was accepted",
    "delete from letter_search_docsize": "has a letter that no search finds",
    "insert into letter_search (rowid, body) values (1, 'ghost')": "a search finds letter 1, which is not",
}


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("damage", "told"), PLANTED.items(), ids=range(len(PLANTED)))
async def test_damage_is_found(house: House, damage: str, told: str) -> None:
    sent = await house.submit()
    asked = (await sent.stored()).message_id
    await received(house, written(f"In-Reply-To: {asked}", "Message-ID: <b1@far.example>"))
    question = await letter_of(house, sent.id)
    await house.station.db.transact(lambda tx: labels.replace(tx, question, ["urgent"]))
    assert await problems(house) == ""

    assert house.station.config.store_file is not None
    # To us the engine would refuse some of them.
    with closing(sqlite3.connect(house.station.config.store_file)) as other:
        other.executescript(damage)

    assert told in await problems(house)


@pytest.mark.sqlite_only
async def test_a_file_that_cannot_be_read_is_named_and_the_rest_left(house: House) -> None:
    await house.submit()
    store = house.station.config.store_file
    assert store is not None
    await house.station.db.transact(lambda tx: tx.execute("insert into cursors (name, seq) values ('x', 0)"))
    with closing(sqlite3.connect(store)) as other:
        other.execute("pragma wal_checkpoint(truncate)")
    with store.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (store.stat().st_size - 4096))

    assert "malformed" in await problems(house)


async def problems(house: House) -> str:
    return "\n".join((await check_store(Context(house.station))).problems)
