"""Who is blocked writes to nobody here: his mail is kept aside, and programs are not woken by it."""

import pytest

from inbound.letters import admission, changes, records, threads
from inbound.letters.letter import Letter
from relay.events import log
from relay.lists import records as lists
from relay.lists.records import ListType
from relay.queue.state import State
from relay.tenants.tenants import DEFAULT_TENANT
from tests.flows.house import FAR, OURS, House
from tests.flows.letters import ANN, APP, letter_of, received, reply_to, written
from tests.flows.test_reports import ME, US, delivered, failure


async def listed(house: House, type_: ListType, entry: str, mailbox_id: str | None = None) -> None:
    await house.station.lists.change(
        lambda tx: lists.add(
            tx,
            house.clock,
            tenant_id=DEFAULT_TENANT,
            direction="receive",
            type=type_,
            entry=entry,
            mailbox_id=mailbox_id,
        )
    )


async def kinds_of(house: House, letter: Letter) -> list[str]:
    return [event.kind for event in await log.of_message(house.station.db, letter.message_id)]


@pytest.mark.parametrize("entry", [ANN, ANN.upper(), FAR, "example"])
async def test_a_blocked_author_is_kept_aside(house: House, entry: str) -> None:
    await listed(house, "block", entry)
    found = await received(house, written())
    assert (found.standing, found.labels) == ("blocked", ("blocked",))
    assert await kinds_of(house, found) == ["message.blocked"]
    assert await records.of_thread(house.station.db, found.thread_id) == []


async def test_a_blocked_reverse_path_is_enough(house: House) -> None:
    await listed(house, "block", "bulk.example")
    found = await received(house, written(), sender="list-1@bulk.example")
    assert found.standing == "blocked"


async def test_where_some_are_allowed_nobody_else_is(house: House) -> None:
    await listed(house, "allow", f"bea@{FAR}")
    assert (await received(house, written())).standing == "blocked"
    from_bea = written().replace(ANN.encode(), f"bea@{FAR}".encode())
    assert (await received(house, from_bea, sender="list@elsewhere.example")).standing == "accepted"


async def test_a_second_author_cannot_be_hidden_behind_an_allowed_one(house: House) -> None:
    await listed(house, "allow", f"bea@{FAR}")
    both = written().replace(f"Ann <{ANN}>".encode(), f"bea@{FAR}, {ANN}".encode())
    assert (await received(house, both)).standing == "blocked"


async def test_a_list_may_be_one_mailboxs_own(house: House) -> None:
    mailbox = await house.mailbox(f"bob@{OURS}")
    await listed(house, "block", FAR, mailbox.id)
    assert (await received(house, written())).standing == "accepted"
    assert (await received(house, written(), f"bob@{OURS}")).standing == "blocked"


async def test_what_is_kept_aside_joins_nothing_until_it_is_let_in(house: House) -> None:
    sent = await house.submit()
    await listed(house, "block", ANN)
    aside = await received(house, written(), str(await reply_to(house, sent)))
    question = await letter_of(house, sent.id)
    assert aside.thread_id != question.thread_id
    assert await sent.events("message.replied") == []

    await house.station.db.transact(lambda tx: changes.change_standing(tx, aside, "accepted"))
    (only,) = await records.of_thread(house.station.db, aside.thread_id)
    thread = await threads.find(house.station.db, DEFAULT_TENANT, aside.thread_id)
    assert thread is not None
    assert (only.message_id, only.labels, thread.messages) == (aside.message_id, (), 1)


async def test_reports_on_our_own_mail_come_in_whatever_is_blocked(house: House) -> None:
    await house.domain(US, bounces=True)
    await house.mailbox(ME)
    sent, path = await delivered(house)
    await listed(house, "block", FAR)
    await listed(house, "allow", "nobody.example")
    found = await received(house, failure(), path, sender="")
    assert found.standing == "accepted"
    assert await sent.state() is State.BOUNCED


async def test_the_bounce_address_is_no_way_around_the_lists(house: House) -> None:
    await house.domain(US, bounces=True)
    await house.mailbox(ME)
    sent, path = await delivered(house)
    await listed(house, "block", ANN)
    for content in (written("Precedence: bulk"), written("Auto-Submitted: auto-replied"), written()):
        aside = await received(house, content, path)
        assert aside.standing == "blocked"

    await house.station.db.transact(
        lambda tx: admission.let_in(tx, house.clock, house.station.bounce_secret, aside)
    )
    question = await letter_of(house, sent.id)
    assert (await letter_of(house, aside.message_id)).thread_id == question.thread_id


async def test_the_roles_are_reached_by_whom_no_list_keeps_out(house: House) -> None:
    for role in ("postmaster", f"abuse@{OURS}"):
        found = await received(house, written(), role)
        assert (found.standing, found.kind) == ("accepted", "new")
    assert len(await house.received_by(APP)) == 2
