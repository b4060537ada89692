"""Reply, reply-all and forward: in their conversation, to the right people, whatever the parent is like."""

import base64
from typing import Any

import pytest

from inbound.reading.parse import parse
from inbound.reading.parsed import Parsed
from tests.api.conftest import OURS
from tests.api.mail.desk import FAR, Desk, mail, problem


async def read(desk: Desk, sent: Any) -> Parsed:
    header, _, body = (await desk.raw(sent["id"])).partition(b"\r\n\r\n")
    return parse(header + b"\r\n", body)


def addresses(people: Any) -> list[str]:
    return [person["address"] for person in people]


ASKED = mail(
    "Message-ID: <b2@far.example>",
    "In-Reply-To: <a1@far.example>",
    "References: <a0@far.example> <a1@far.example>",
    f"Cc: Carol <carol@{FAR}>, app+x@{OURS}, ann@{FAR}",
    subject="AW: Re: Invoice",
    body="Shall we say Tuesday?\r\n",
)


async def test_an_answer_names_its_question(desk: Desk) -> None:
    asked = await desk.arrives(ASKED)
    sent = await desk.post(f"/messages/{asked.message_id}/reply", {"text": "Yes."})
    assert sent["in_reply_to"] == "<b2@far.example>"
    assert sent["references"] == ["<a0@far.example>", "<a1@far.example>", "<b2@far.example>"]
    assert sent["subject"] == "Re: Invoice"
    assert addresses(sent["to"]) == [f"ann@{FAR}"]
    assert sent["cc"] == []
    assert (sent["thread_id"], sent["match"]) == (
        asked.thread_id,
        {"method": "given", "evidence": asked.message_id},
    )
    parsed = await read(desk, sent)
    assert parsed.in_reply_to == ("<b2@far.example>",)
    assert list(parsed.references) == sent["references"]
    assert [person.address for person in parsed.reply_to] == [desk.reply_address_of(sent["id"])]


async def test_an_answer_to_all_leaves_ourselves_out(desk: Desk) -> None:
    asked = await desk.arrives(ASKED)
    sent = await desk.post(f"/messages/{asked.message_id}/reply-all", {"text": "Yes."})
    assert addresses(sent["to"]) == [f"ann@{FAR}"]
    assert addresses(sent["cc"]) == [f"carol@{FAR}"]


async def test_an_alias_is_ourselves_too(desk: Desk) -> None:
    mailbox = await desk.api.mailbox(f"team@{OURS}", aliases=(f"hello@{OURS}",))
    asked = await desk.arrives(mail(f"Cc: hello+x@{OURS}, TEAM@{OURS}, carol@{FAR}"), mailbox=mailbox)
    target = f"/v1/inboxes/{mailbox.id}/messages/{asked.message_id}/reply-all"
    sent = (await desk.api.live.post(target, {"text": "Yes."})).json
    assert addresses(sent["cc"]) == [f"app@{OURS}", f"carol@{FAR}"]


async def test_an_address_that_we_signed_for_ourselves_is_not_answered(desk: Desk) -> None:
    sent = await desk.send()
    own = desk.reply_address_of(sent["id"])
    asked = await desk.arrives(mail(f"Cc: {own}, carol@{FAR}", f"Reply-To: {own}"))
    answered = await desk.post(f"/messages/{asked.message_id}/reply-all", {"text": "Yes."})
    assert own not in {each["address"] for each in answered["recipients"]}


async def test_reply_to_is_honoured(desk: Desk) -> None:
    asked = await desk.arrives(mail(f"Reply-To: Desk <desk@{FAR}>, two@{FAR}"))
    sent = await desk.post(f"/messages/{asked.message_id}/reply", {"text": "Yes."})
    assert sent["to"] == [{"address": f"desk@{FAR}", "name": "Desk"}, {"address": f"two@{FAR}", "name": ""}]


async def test_an_answer_to_our_own_message_goes_to_its_recipients(desk: Desk) -> None:
    first = await desk.send(to=[f"ann@{FAR}", f"bob@{FAR}"], cc=f"carol@{FAR}")
    sent = await desk.post(f"/messages/{first['id']}/reply", {"text": "And?"})
    assert (addresses(sent["to"]), sent["cc"]) == ([f"ann@{FAR}", f"bob@{FAR}"], [])
    everyone = await desk.post(f"/messages/{first['id']}/reply-all", {"text": "And?"})
    assert addresses(everyone["cc"]) == [f"carol@{FAR}"]
    assert sent["thread_id"] == everyone["thread_id"] == first["thread_id"]
    assert sent["references"] == [first["message_id"]]


async def test_named_recipients_come_instead(desk: Desk) -> None:
    asked = await desk.arrives(ASKED)
    wish = {"to": f"eve@{FAR}", "cc": [], "bcc": f"dan@{FAR}"}
    sent = await desk.post(f"/messages/{asked.message_id}/reply-all", wish)
    assert [each["address"] for each in sent["recipients"]] == [f"eve@{FAR}", f"dan@{FAR}"]


async def test_reply_to_given_is_the_one(desk: Desk) -> None:
    asked = await desk.arrives(ASKED)
    sent = await desk.post(f"/messages/{asked.message_id}/reply", {"reply_to": f"me@{FAR}"})
    assert [person.address for person in (await read(desk, sent)).reply_to] == [f"me@{FAR}"]


@pytest.mark.parametrize("quote", [False, True])
async def test_the_question_is_quoted_if_wished(desk: Desk, *, quote: bool) -> None:
    asked = await desk.arrives(ASKED)
    wish = {"text": "Yes.", "html": "<p>Yes.</p>", "quote": quote}
    sent = await desk.post(f"/messages/{asked.message_id}/reply", wish)
    assert sent["text"].startswith("Yes.")
    assert ("> Shall we say Tuesday?" in sent["text"]) is quote
    assert ("<blockquote" in sent["html"]) is quote
    assert (sent["extracted_text"], sent["extracted_html"]) == ("Yes.", "<p>Yes.</p>")
    assert sent["preview"] == "Yes."


async def test_html_alone_stays_alone_with_its_quote(desk: Desk) -> None:
    asked = await desk.arrives(ASKED)
    wish = {"html": "<p>Yes.</p>", "quote": True}
    sent = await desk.post(f"/messages/{asked.message_id}/reply", wish)
    assert b"text/plain" not in await desk.raw(sent["id"])
    assert "Shall we say" in sent["html"]
    assert sent["extracted_text"].strip() == "Yes."
    assert sent["text"].startswith("Yes.")


async def test_text_alone_quotes_html_as_text(desk: Desk) -> None:
    asked = await desk.arrives(
        mail("Content-Type: text/html", body="<p>Shall we say <b>Tuesday</b>?</p>\r\n")
    )
    sent = await desk.post(f"/messages/{asked.message_id}/reply", {"text": "Yes.", "quote": True})
    assert sent["html"] is None
    assert "> Shall we say Tuesday?" in sent["text"]


ATTACHED = mail(
    "Message-ID: <c1@far.example>",
    'Content-Type: multipart/mixed; boundary="b"',
    subject="Map",
    body="--b\r\nContent-Type: text/html\r\n\r\n<p>The <i>map</i>.</p>\r\n"
    "--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=map.pdf\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(bytes(range(256))).decode() + "\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nHi\r\n--b--\r\n",
)


async def test_a_forward_has_it_all(desk: Desk) -> None:
    came = await desk.arrives(ATTACHED)
    extra = {"filename": "note.txt", "content": base64.b64encode(b"note").decode()}
    wish = {"to": f"carol@{FAR}", "text": "See below.", "attachments": [extra]}
    sent = await desk.post(f"/messages/{came.message_id}/forward", wish)
    assert sent["subject"] == "Fwd: Map"
    assert (sent["in_reply_to"], sent["references"]) == (None, ["<c1@far.example>"])
    assert sent["thread_id"] == came.thread_id
    assert sent["text"].startswith(
        "See below.\n\n---------- Forwarded message ---------\nFrom: Ann <ann@far.example>"
    )
    assert "<i>map</i>" in sent["html"]
    assert sent["extracted_text"] == "See below."
    names = {each["filename"]: each for each in sent["attachments"]}
    assert set(names) >= {"note.txt", "map.pdf"}
    target = f"{desk.path}/messages/{sent['id']}/attachments/{names['map.pdf']['id']}"
    assert (await desk.api.live.get(target)).body == bytes(range(256))
    assert "message/rfc822" in {each["content_type"] for each in sent["attachments"]}
    assert b"Subject: inner" in await desk.raw(sent["id"])


async def test_a_forward_without_files(desk: Desk) -> None:
    came = await desk.arrives(ATTACHED)
    wish = {"to": f"carol@{FAR}", "include_attachments": False}
    assert (await desk.post(f"/messages/{came.message_id}/forward", wish))["attachments"] == []


async def test_a_forward_needs_somebody(desk: Desk) -> None:
    came = await desk.arrives(ATTACHED)
    answer = await desk.api.live.post(f"{desk.path}/messages/{came.message_id}/forward", {"to": []})
    assert problem(answer) == (422, "validation_error", "$.to")


async def test_hundreds_of_files_are_not_sent_on(desk: Desk) -> None:
    part = "--b\r\nContent-Disposition: attachment; filename=x\r\n\r\nx\r\n"
    came = await desk.arrives(
        mail("Content-Type: multipart/mixed; boundary=b", body=part * 101 + "--b--\r\n")
    )
    target = f"{desk.path}/messages/{came.message_id}/forward"
    answer = await desk.api.live.post(target, {"to": f"carol@{FAR}"})
    assert problem(answer) == (422, "validation_error", "$.include_attachments")
    without = await desk.api.live.post(target, {"to": f"carol@{FAR}", "include_attachments": False})
    assert without.status == 201


async def test_outlook_finds_the_conversation_by_its_mark(desk: Desk) -> None:
    root = base64.b64encode(b"\x01" + bytes(range(21))).decode()
    asked = await desk.arrives(mail(f"Thread-Index: {root}", "Message-ID: <o1@far.example>"))
    sent = await desk.post(f"/messages/{asked.message_id}/reply", {"text": "Yes."})
    mark = base64.b64decode((await read(desk, sent)).first("thread-index"))
    assert mark[:22] == b"\x01" + bytes(range(21))
    assert len(mark) == 27
    # Outlook lets go of the references and keeps the mark.
    later = base64.b64encode(mark + b"12345").decode()
    again = await desk.arrives(mail(f"Thread-Index: {later}", subject="Other", sender=f"ann@{FAR}"))
    assert (again.thread_id, again.match.method) == (asked.thread_id, "thread_index")


async def test_our_first_message_begins_a_mark_of_its_own(desk: Desk) -> None:
    marks = [(await read(desk, await desk.send())).first("thread-index") for _ in range(2)]
    first, second = [base64.b64decode(mark) for mark in marks]
    assert first[0] == second[0] == 1
    assert first[:22] != second[:22]


HOSTILE = {
    "an id that cannot be named": mail("Message-ID: <ä@far.example>", "References: <ü@x> <ok@far.example>"),
    "a very long id": mail(f"Message-ID: <{'x' * 900}@far.example>"),
    "names with line ends": mail(sender="=?utf-8?q?A=0D=0ABcc:_eve=40far.example?= <ann@far.example>"),
    "names nobody can see": mail(sender="=?utf-8?b?4oCo4oCuwoU=?= <ann@far.example>"),
    "a subject with controls": mail(subject="=?utf-8?q?a=1B[31m=C2=9B=E2=80=A8b=00?="),
    "a huge subject": mail(subject="x" * 5000),
    "an endless name": mail(sender=f'"{"n" * 5000}" <ann@far.example>'),
    "a long chain": mail("References: " + " ".join(f"<{number}@x.example>" for number in range(3000))),
    "crowds": mail("Cc: " + ", ".join(f"p{number}@far.example" for number in range(30))),
    "odd files": mail(
        "Content-Type: multipart/mixed; boundary=b",
        body="--b\r\nContent-Type: image/png\r\nContent-ID: <a b\xe4>\r\n"
        "Content-Disposition: inline; filename*=utf-8''"
        + "%E6%96%87" * 190
        + ".png\r\n\r\nx\r\n--b\r\nContent-Type: a/b/c; x\r\nContent-ID: <"
        + "i" * 400
        + ">\r\n\r\nx\r\n--b\r\nContent-Type: multipart/mixed; boundary=\r\n\r\nx\r\n--b--\r\n",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_every_letter_can_be_answered_and_sent_on(desk: Desk, name: str) -> None:
    came = await desk.arrives(HOSTILE[name])
    path = f"/messages/{came.message_id}"
    for wish in ({"text": "Yes.", "quote": True}, {"html": "<p>Yes.</p>", "quote": True}):
        await desk.post(f"{path}/reply", wish)
        await desk.post(f"{path}/reply-all", wish)
    sent = await desk.post(f"{path}/forward", {"to": f"carol@{FAR}"})
    assert len(sent["attachments"]) == len(came.attachments)
    parsed = await read(desk, sent)
    assert [person.address for person in parsed.to] == [f"carol@{FAR}"]
    assert not parsed.first("bcc")


async def test_a_letter_without_an_author_can_be_answered_to_somebody(desk: Desk) -> None:
    came = await desk.arrives(b"Subject: who\r\n\r\nHi\r\n")
    refused = await desk.api.live.post(f"{desk.path}/messages/{came.message_id}/reply", {"text": "Yes."})
    assert problem(refused) == (422, "validation_error", "$.to")
    await desk.post(f"/messages/{came.message_id}/reply", {"to": f"ann@{FAR}", "quote": True})


async def test_what_is_not_there_cannot_be_answered(desk: Desk) -> None:
    other = await desk.api.mailbox(f"other@{OURS}")
    elsewhere = await desk.arrives(ASKED, mailbox=other)
    for verb in ("reply", "reply-all", "forward"):
        target = f"{desk.path}/messages/{elsewhere.message_id}/{verb}"
        assert (await desk.api.live.post(target, {"to": f"ann@{FAR}"})).code == "not_found"
