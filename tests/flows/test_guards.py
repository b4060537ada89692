"""What an inbox is guarded against, whichever door its mail comes through."""

import asyncio
import base64
import smtplib
from typing import Any

import pytest

from relay.tenants import mailbox_changes
from relay.tenants.guards import Guards
from relay.tenants.mailbox_changes import MailboxChanges
from relay.tenants.tenants import DEFAULT_TENANT
from tests.api.client import Answer, Client
from tests.flows.house import FAR, OURS, House, letter
from tests.flows.letters import ANN, APP, received, written
from tests.flows.programs import program

pytestmark = pytest.mark.both_engines

BOB = f"bob@{FAR}"


async def guard(house: House, **guards: Any) -> None:
    changes = MailboxChanges(guards=Guards(**guards))
    await house.station.directory.change(
        lambda tx: mailbox_changes.update(tx, house.clock, DEFAULT_TENANT, APP, changes)
    )


async def send(client: Client, to: str | list[str] = BOB, **wish: Any) -> Answer:
    return await client.post(
        f"/v1/inboxes/{APP}/messages", {"to": to, "subject": "Hi", "text": "Hello.", **wish}
    )


async def refused(house: House, to: str = BOB, **wanted: Any) -> tuple[int, bytes]:
    """What SMTP says to such a message."""
    try:
        await house.submit(to=to, **wanted)
    except smtplib.SMTPRecipientsRefused as error:
        (told,) = error.recipients.values()
        return told
    except smtplib.SMTPDataError as error:
        text = error.smtp_error
        return error.smtp_code, text if isinstance(text, bytes) else text.encode()
    raise AssertionError("it was taken")


async def test_only_the_listed_are_written_to(house: House) -> None:
    await guard(house, allowed_recipients=("carol@else.example", FAR))
    client = await program(house)
    assert (await send(client, BOB)).status == 201
    assert (await send(client, "carol@else.example")).status == 201
    answer = await send(client, ["dave@else.example", BOB])
    assert (answer.status, answer.code) == (403, "recipient_not_allowed")
    assert "dave@else.example" in answer.json["detail"]
    code, text = await refused(house, "dave@else.example")
    assert (code, text[:5]) == (550, b"5.7.1")
    assert b"guards" in text


async def test_only_who_wrote_first_is_written_to(house: House) -> None:
    await guard(house, only_who_wrote_first=True)
    client = await program(house)
    assert (await send(client, ANN)).code == "recipient_not_allowed"
    asked = await received(house, written(subject="Hello"))
    assert (await send(client, ANN)).status == 201
    assert (
        await client.post(f"/v1/inboxes/{APP}/messages/{asked.message_id}/reply", {"text": "Yes."})
    ).status == 201
    assert (await refused(house, BOB))[0] == 550
    await house.submit(to=ANN)


async def test_an_answer_that_is_led_elsewhere_is_refused(house: House) -> None:
    await guard(house, only_who_wrote_first=True)
    client = await program(house)
    asked = await received(house, written(f"Reply-To: victim@{FAR}"))
    answered = await client.post(f"/v1/inboxes/{APP}/messages/{asked.message_id}/reply", {"text": "Yes."})
    assert answered.code == "recipient_not_allowed"


async def test_new_recipients_are_counted_by_the_day(house: House) -> None:
    await house.submit(to=ANN)  # before there were guards
    await guard(house, new_recipients_per_day=2)
    client = await program(house)
    assert (await send(client, [ANN, BOB])).status == 201
    assert (await send(client, [BOB, ANN])).status == 201
    await house.submit(to=f"carol@{FAR}")
    answer = await send(client, [BOB, f"dave@{FAR}"])
    assert (answer.status, answer.code) == (429, "new_recipients_reached")
    assert int(answer.fields["retry-after"]) == 15 * 3600
    code, text = await refused(house, f"dave@{FAR}")
    assert (code, text[:5]) == (451, b"4.7.1")
    assert (await send(client, [BOB, f"carol@{FAR}"])).status == 201
    house.clock.advance(hours=15)
    assert (await send(client, f"dave@{FAR}")).status == 201


async def test_new_recipients_are_counted_exactly_when_all_come_at_once(house: House) -> None:
    await guard(house, new_recipients_per_day=7)
    client = await program(house)

    async def by_smtp(number: int) -> bool:
        try:
            await house.submit(to=f"p{number % 15}@{FAR}")
        except smtplib.SMTPDataError as error:
            assert error.smtp_code == 451  # noqa: PT017
            return False
        return True

    async def by_api(number: int) -> bool:
        answer = await send(client, f"p{number % 15}@{FAR}")
        assert answer.status in (201, 429)
        return answer.status == 201

    doors = [by_smtp if number % 2 else by_api for number in range(30)]
    await asyncio.gather(*(door(number) for number, door in enumerate(doors)))
    found = await house.station.db.fetch_all("select address from acquaintances")
    assert len(found) == 7
    row = await house.station.db.fetch_one("select used from new_recipients")
    assert row is not None
    assert row["used"] == 7
    written_to = await house.station.db.fetch_all("select distinct address from recipients")
    assert {each["address"] for each in written_to} == {each["address"] for each in found}


async def test_a_link_that_was_not_in_the_conversation_is_refused(house: House) -> None:
    await guard(house, links="known", link_domains=("ours.test",))
    client = await program(house)
    asked = await received(house, written(body="Please look at https://Shop.example/order?id=7 today.\r\n"))
    target = f"/v1/inboxes/{APP}/messages/{asked.message_id}/reply"
    for text in ("I saw https://shop.example/order?id=7.", "See www.ours.test/help", "As you say."):
        assert (await client.post(target, {"text": text})).status == 201, text
    for text in ("Look: https://shop.example/order?id=8", "Go to evil.example.com/x", "www.evil.example"):
        answer = await client.post(target, {"text": text})
        assert (answer.status, answer.code) == (403, "link_not_allowed"), text
    html = '<p>Yes <a href="https://evil.example">https://ours.test</a></p>'
    assert (await client.post(target, {"text": "Yes.", "html": html})).code == "link_not_allowed"
    assert (await send(client, text="https://shop.example/order?id=7")).code == "link_not_allowed"
    assert (await send(client, text="https://docs.ours.test/x")).status == 201


async def test_a_link_over_smtp_is_found_however_it_is_encoded(house: House) -> None:
    await guard(house, links="known")
    html = base64.encodebytes(b'<a href="h&#116;tp://evil.example/">here</a>').replace(b"\n", b"\r\n")
    head = letter(APP, BOB).partition(b"\r\n\r\n")[0]
    fields = b"\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    code, text = await refused(house, message=head + fields + html)
    assert (code, text[:5]) == (550, b"5.7.1")
    assert b"evil.example" in text
    await house.submit(to=BOB)


FILE = {"filename": "plan.pdf", "content": base64.b64encode(b"%PDF plan").decode()}


async def test_attachments_may_be_forbidden(house: House) -> None:
    await guard(house, attachments="none")
    client = await program(house)
    answer = await send(client, attachments=[FILE])
    assert (answer.status, answer.code) == (403, "attachment_not_allowed")
    assert (await send(client)).status == 201


async def test_only_what_came_is_sent_on(house: House) -> None:
    await guard(house, attachments="forwarded")
    client = await program(house)
    fields = ("MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"')
    body = "--b\r\n\r\nSee the plan.\r\n--b\r\nContent-Type: application/pdf\r\n"
    body += 'Content-Disposition: attachment; filename="plan.pdf"\r\n\r\n%PDF plan\r\n--b--\r\n'
    asked = await received(house, written(*fields, body=body))
    path = f"/v1/inboxes/{APP}/messages/{asked.message_id}"
    assert (await client.post(f"{path}/forward", {"to": BOB, "text": "For you."})).status == 201
    assert (await client.post(f"{path}/reply", {"text": "Back.", "attachments": [FILE]})).status == 201
    other = {"filename": "plan.pdf", "content": base64.b64encode(b"%PDF evil").decode()}
    assert (await client.post(f"{path}/reply", {"text": "Back.", "attachments": [other]})).code == (
        "attachment_not_allowed"
    )
    assert (await send(client, attachments=[FILE])).code == "attachment_not_allowed"


async def test_mail_without_guards_costs_no_question_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relay.guards import acquaintances

    async def asked(*_: Any, **__: Any) -> Any:
        raise AssertionError("somebody asked")

    for name in ("known_among", "note", "confirm", "count_new", "look_through"):
        monkeypatch.setattr(acquaintances, name, asked)
    await house.submit(to=BOB)
    assert (await send(await program(house))).status == 201


async def test_guards_of_a_key_hold_for_what_is_sent_with_it(house: House) -> None:
    client = await program(house, guards=Guards(allowed_recipients=("carol@else.example",)))
    other = await program(house)
    assert (await send(client, BOB)).code == "recipient_not_allowed"
    assert (await send(client, "carol@else.example")).status == 201
    assert (await send(other, BOB)).status == 201
    await house.submit(to=BOB)


async def test_what_is_counted_is_explained(house: House) -> None:
    await guard(house, new_recipients_per_day=2)
    sent = await house.submit(to=BOB)
    (accepted,) = await sent.events("message.accepted")
    assert accepted.data["guards"] == [f"1 of 2 new recipients of app@{OURS} on 2026-03-02"]
