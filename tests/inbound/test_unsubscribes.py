"""Unsubscribing by mail counts for who really wrote, and only for whom we had written to."""

import pytest

from inbound.reported import Recorded
from inbound.unsubscribes import record_unsubscribe
from relay.address import parse_address
from relay.queue.state import State
from relay.spool.records import Message
from tests.inbound.conftest import Outbox

ANN, BOB = "ann@far.example", "bob@far.example"


async def ask(outbox: Outbox, message: Message, author: str = ANN, *, authentic: bool = True) -> Recorded:
    address = parse_address(author)
    return await outbox.db.transact(
        lambda tx: record_unsubscribe(tx, outbox.clock, message, address, authentic=authentic)
    )


async def test_who_answers_that_he_wants_no_more_gets_no_more(outbox: Outbox) -> None:
    message = await outbox.put({ANN: State.DELIVERED, BOB: State.DELIVERED})
    assert await ask(outbox, message, "Ann@far.example") == Recorded(recorded=(ANN,), suppressed=(ANN,))

    (event,) = await outbox.events("message.unsubscribed")
    assert event.data == {"recipient": ANN, "source": "mail", "stream": None}
    found = await outbox.suppression(ANN)
    assert found is not None
    assert (found.reason.value, found.source_message_id) == ("unsubscribe", message.id)
    assert await outbox.suppression(BOB) is None


async def test_twice_is_once(outbox: Outbox) -> None:
    message = await outbox.put({ANN: State.DELIVERED})
    await ask(outbox, message)
    assert await ask(outbox, message) == Recorded()
    assert len(await outbox.events("message.unsubscribed")) == 1


async def test_nobody_unsubscribes_another_by_writing_his_name(outbox: Outbox) -> None:
    message = await outbox.put({ANN: State.DELIVERED})
    assert await ask(outbox, message, authentic=False) == Recorded()
    assert await outbox.suppression(ANN) is None
    assert await outbox.events("message.unsubscribed") == []


async def test_who_had_no_mail_of_ours_changes_nothing(outbox: Outbox) -> None:
    message = await outbox.put({ANN: State.DELIVERED})
    assert await ask(outbox, message, "eve@other.example") == Recorded(unmatched=("eve@other.example",))
    assert await outbox.suppression("eve@other.example") is None


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
async def test_mail_that_has_not_gone_out_was_not_answered(outbox: Outbox, state: State) -> None:
    message = await outbox.put({ANN: state})
    await ask(outbox, message)
    assert await outbox.suppression(ANN) is None
