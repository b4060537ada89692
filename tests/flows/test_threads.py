"""A letter joins the conversation that it belongs to, whatever it claims, and no other."""

import base64

import pytest

from relay.lists import records as lists
from relay.store.database import Transaction
from relay.tenants import domain_changes, mailbox_changes, reply_address
from relay.tenants.mailbox_changes import NewMailbox
from relay.tenants.passwords import hash_made, make_password
from relay.tenants.tenants import DEFAULT_TENANT
from tests.flows.house import FAR, OURS, House
from tests.flows.letters import ANN, APP, letter_of, post, received, reply_to, written

LONG = f"the-whole-sales-department@{OURS}"


def asking(*fields: str, message_id: str, subject: str = "Invoice 7", sender: str = APP) -> bytes:
    """Mail of an application that names its own Message-ID."""
    head = [f"From: {sender}", f"To: {ANN}", f"Subject: {subject}", f"Message-ID: {message_id}", *fields]
    return ("\r\n".join(head) + "\r\n\r\nShall we say Tuesday?\r\n").encode()


@pytest.mark.parametrize("mailbox", [APP, LONG])
async def test_the_signed_address_proves_it_though_all_ids_are_rewritten(house: House, mailbox: str) -> None:
    if mailbox != APP:
        await house.mailbox(mailbox)
    sent = await house.submit(sender=mailbox)
    address = await reply_to(house, sent, mailbox)
    assert reply_address.is_without_mailbox(address) == (mailbox == LONG)

    fields = ("In-Reply-To: <rewritten@relay.example>", "References: <rewritten@relay.example>")
    answer = await received(house, written(*fields, subject="Else"), str(address))

    assert answer.mailbox_id == (await sent.stored()).mailbox_id
    assert answer.thread_id == (await letter_of(house, sent.id)).thread_id
    assert (answer.match.method, answer.match.evidence) == ("reply_address", str(address))


async def test_the_signed_address_of_another_mailbox_goes_to_that_mailbox(house: House) -> None:
    """Where a pool rotates, the address names one mailbox and another one sent the message."""
    await house.mailbox(f"bob@{OURS}")
    sent = await house.submit(sender=f"bob@{OURS}")
    answer = await received(house, written(), str(await reply_to(house, sent, APP)))
    assert answer.mailbox_id == (await sent.stored()).mailbox_id
    assert answer.match.method == "reply_address"


async def test_the_tag_of_a_forged_address_proves_nothing(house: House) -> None:
    sent = await house.submit()
    address = str(await reply_to(house, sent))
    last = address[address.index("@") - 1]
    forged = address.replace(f"{last}@", "a@" if last != "a" else "c@")
    found = await received(house, written(), forged)
    assert found.match.method == "new"
    assert found.kind == "new"


async def test_references_count_newest_first_and_only_with_the_same_subject(house: House) -> None:
    first = await house.submit(message=asking(message_id="<1@app.test>"))
    second = await house.submit(message=asking(message_id="<2@app.test>", subject="Order 8"))
    references = "References: <1@app.test> <2@app.test>"
    on_second = await received(house, written(references, subject="AW: Re: ORDER  8"))
    on_first = await received(house, written(references, subject="Fwd: Invoice 7"))
    neither = await received(house, written(references, subject="Lunch"))

    assert on_second.thread_id == (await letter_of(house, second.id)).thread_id
    assert (on_second.match.method, on_second.match.evidence) == ("references", "<2@app.test>")
    assert on_first.thread_id == (await letter_of(house, first.id)).thread_id
    assert neither.match.method == "new"


async def test_in_reply_to_counts_before_references_and_with_any_subject(house: House) -> None:
    first = await house.submit(message=asking(message_id="<1@app.test>"))
    await house.submit(message=asking(message_id="<2@app.test>"))
    found = await received(
        house, written("In-Reply-To: <1@app.test>", "References: <2@app.test>", subject="Lunch")
    )
    assert found.thread_id == (await letter_of(house, first.id)).thread_id
    assert found.match.method == "in_reply_to"


async def test_outlook_keeps_a_conversation_by_its_thread_index(house: House) -> None:
    root, later = bytes(range(22)), b"\1\2\3\4\5"
    first = await received(house, written(f"Thread-Index: {base64.b64encode(root).decode()}"))
    answer = await received(
        house, written(f"Thread-Index: {base64.b64encode(root + later).decode()}", subject="Else")
    )
    other = await received(house, written(f"Thread-Index: {base64.b64encode(bytes(27)).decode()}"))
    assert (answer.thread_id, answer.match.method) == (first.thread_id, "thread_index")
    assert other.thread_id != first.thread_id


async def test_an_answer_may_be_faster_than_its_question(house: House) -> None:
    answer = await received(house, written("In-Reply-To: <q@far.example>", "Message-ID: <a@far.example>"))
    question = await received(house, written("Message-ID: <q@far.example>", subject="Invoice 7"))
    assert (question.thread_id, question.match.method) == (answer.thread_id, "answered")
    assert question.kind == "new"


async def test_a_mailbox_sees_nothing_of_the_next_ones_conversations(house: House) -> None:
    await house.mailbox(f"bob@{OURS}")
    await house.submit(message=asking(message_id="<1@app.test>"))
    root = f"Thread-Index: {base64.b64encode(bytes(22)).decode()}"
    mine = await received(house, written("In-Reply-To: <1@app.test>", root, "Message-ID: <2@far.example>"))
    copied = ("In-Reply-To: <1@app.test>", "References: <1@app.test> <2@far.example>", root)
    theirs = await received(house, written(*copied), f"bob@{OURS}")
    assert mine.match.method == "in_reply_to"
    assert theirs.match.method == "new"
    assert theirs.thread_id != mine.thread_id


async def test_nor_does_another_tenant(house: House) -> None:
    await house.station.directory.change(lambda tx: _tenant_with_mailbox(tx, house))
    await house.submit(message=asking(message_id="<1@app.test>"))
    theirs = await received(
        house, written("In-Reply-To: <1@app.test>", "References: <1@app.test>"), "eve@theirs.test"
    )
    assert (theirs.tenant_id, theirs.match.method) == ("ten_theirs", "new")


async def _tenant_with_mailbox(tx: Transaction, house: House) -> None:
    await tx.execute("insert into tenants (id, name, created_at) values ('ten_theirs', 'theirs', 0)")
    domain = await domain_changes.add(tx, house.clock, "ten_theirs", "theirs.test")
    await domain_changes.assume_verified(tx, house.clock, domain, receives=True, bounces=False)
    new = NewMailbox(address="eve@theirs.test")
    await mailbox_changes.add(tx, house.clock, "ten_theirs", new, hash_made(make_password()))


async def test_circles_are_harmless(house: House) -> None:
    first = await received(house, written("Message-ID: <1@c>", "In-Reply-To: <2@c>", "References: <2@c>"))
    second = await received(house, written("Message-ID: <2@c>", "In-Reply-To: <1@c>", "References: <1@c>"))
    itself = await received(house, written("Message-ID: <3@c>", "In-Reply-To: <3@c>", "References: <3@c>"))
    assert second.thread_id == first.thread_id
    assert itself.match.method == "new"


async def test_circles_of_sent_mail_that_nobody_has_read_are_harmless_too(house: House) -> None:
    one = await house.submit(message=asking("In-Reply-To: <2@app.test>", message_id="<1@app.test>"))
    two = await house.submit(message=asking("In-Reply-To: <1@app.test>", message_id="<2@app.test>"))
    three = await house.submit(message=asking("In-Reply-To: <3@app.test>", message_id="<3@app.test>"))
    answer = await received(house, written("In-Reply-To: <1@app.test>"))
    assert {(await letter_of(house, sent.id)).thread_id for sent in (one, two)} == {answer.thread_id}
    assert (await letter_of(house, three.id)).match.method == "new"


async def test_thousands_of_references_are_read_like_others(house: House) -> None:
    await house.submit(message=asking(message_id="<1@app.test>"))
    many = "".join(f"\r\n <{number}@x>" for number in range(20_000))
    found = await received(house, written(f"References:{many}\r\n <1@app.test>"))
    assert (found.match.method, found.match.evidence) == ("references", "<1@app.test>")
    assert len(found.references) == 100


async def test_a_copied_message_id_takes_over_no_conversation(house: House) -> None:
    sent = await house.submit(message=asking(message_id="<1@app.test>"))
    stranger = await received(house, written("Message-ID: <1@app.test>", subject="Buy"))
    again = await received(house, written("Message-ID: <1@app.test>", subject="Buy"))
    answer = await received(house, written("In-Reply-To: <1@app.test>"))
    assert answer.thread_id == (await letter_of(house, sent.id)).thread_id
    assert len({answer.thread_id, stranger.thread_id, again.thread_id}) == 3


async def test_unread_sent_mail_is_read_before_its_answer_however_long_the_chain(house: House) -> None:
    sent = [await house.submit(message=asking(message_id="<0@app.test>"))]
    for number in range(1, 40):
        earlier = f"In-Reply-To: <{number - 1}@app.test>"
        sent.append(await house.submit(message=asking(earlier, message_id=f"<{number}@app.test>")))
    answered = await post(house, written("In-Reply-To: <39@app.test>"))
    assert await house.way_in.reader.step() == 1
    answer = await letter_of(house, answered)
    threads = {(await letter_of(house, each.id)).thread_id for each in sent}
    assert threads == {answer.thread_id}


async def test_mail_within_the_house_is_a_conversation_on_both_sides(house: House) -> None:
    bob = f"bob@{OURS}"
    await house.mailbox(bob)
    sent = await house.submit(to=bob, message=asking(message_id="<1@app.test>"))
    await house.run_until_idle()
    (arrived,) = await house.received_by(bob)
    answer = asking("In-Reply-To: <1@app.test>", message_id="<2@app.test>", sender=bob)
    answered = await house.submit(to=APP, sender=bob, message=answer)
    await house.run_until_idle()
    (returned,) = await house.received_by(APP)

    asked, answer_of_bob = await letter_of(house, sent.id), await letter_of(house, answered.id)
    theirs, ours = await letter_of(house, arrived.id), await letter_of(house, returned.id)
    assert asked.thread_id == ours.thread_id
    assert theirs.thread_id == answer_of_bob.thread_id
    assert asked.thread_id != theirs.thread_id
    assert ours.kind == "reply"
    (event,) = await sent.events("message.replied")
    assert event.data["reply"] == returned.id


async def test_who_goes_on_in_our_conversation_replies_and_who_writes_twice_does_not(house: House) -> None:
    await house.submit(message=asking(message_id="<1@app.test>"))
    answer = await received(house, written("In-Reply-To: <1@app.test>", "Message-ID: <2@far.example>"))
    more = await received(house, written("In-Reply-To: <2@far.example>"))
    assert [answer.kind, more.kind] == ["reply", "reply"]

    letter_ = await received(house, written("Message-ID: <3@far.example>", subject="Hello"))
    reminder = await received(house, written("In-Reply-To: <3@far.example>", subject="Hello"))
    assert reminder.thread_id == letter_.thread_id
    assert reminder.kind == "new"


async def test_what_is_put_aside_is_no_ones_question(house: House) -> None:
    await _block(house, f"ann@{FAR}")
    aside = await received(house, written("Message-ID: <1@far.example>"))
    assert aside.standing == "blocked"
    other = written("In-Reply-To: <1@far.example>").replace(b"ann@", b"bea@")
    found = await received(house, other, sender=f"bea@{FAR}")
    assert found.match.method == "new"


async def _block(house: House, entry: str) -> None:
    await house.station.db.transact(
        lambda tx: lists.add(
            tx, house.clock, tenant_id=DEFAULT_TENANT, direction="receive", type="block", entry=entry
        )
    )
