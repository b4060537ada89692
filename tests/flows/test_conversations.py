"""Replies find their thread, whatever the far side does to the header, and say how."""

from tests.flows.house import FAR, OURS, House, letter
from tests.flows.letters import letter_of, received, reply_to, text_of, written


async def test_a_reply_joins_the_thread_of_what_it_answers(house: House) -> None:
    sent = await house.submit()
    asked = (await sent.stored()).message_id
    reply = await received(house, written(f"In-Reply-To: {asked}", "Message-ID: <b1@far.example>"))
    question = await letter_of(house, sent.id)
    assert reply.thread_id == question.thread_id
    assert (reply.match.method, reply.match.evidence) == ("in_reply_to", asked)
    assert (reply.kind, reply.automatic) == ("reply", False)
    assert [event.data["reply"] for event in await sent.events("message.replied")] == [reply.message_id]


async def test_the_new_text_stands_apart_from_the_quote(house: House) -> None:
    sent = await house.submit(message=letter(f"app@{OURS}", f"ann@{FAR}", body="Shall we say Tuesday?\r\n"))
    asked = (await sent.stored()).message_id
    body = "Tuesday suits us.\r\n\r\nOn Mon, 2 Mar 2026, App wrote:\r\n> Shall we say Tuesday?\r\n"
    reply = await received(house, written(f"In-Reply-To: {asked}", body=body))
    text = await text_of(house, reply)
    assert text.extracted_text.strip() == "Tuesday suits us."
    assert "Shall we say" in text.text


async def test_a_signed_reply_address_is_enough(house: House) -> None:
    sent = await house.submit()
    fields = written("Message-ID: <b2@far.example>", subject="Something else")
    reply = await received(house, fields, str(await reply_to(house, sent)))
    assert reply.thread_id == (await letter_of(house, sent.id)).thread_id
    assert reply.match.method == "reply_address"


async def test_hostile_mail_is_a_letter_with_a_flag(house: House) -> None:
    for head in (b'From: "\r\n', b"From: a@[\r\n", b"Message-ID: <\r\n", b"To: " + b"(" * 500 + b"\r\n"):
        found = await received(house, head + b"\r\nhello\r\n")
        assert found.direction == "in"
