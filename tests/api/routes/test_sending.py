"""POST messages: what is taken, how it stands then, and what is refused by which name."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from inbound.reading.parse import parse
from inbound.reading.parsed import Parsed
from relay.store.database import Transaction
from relay.tenants import domain_changes
from relay.tenants.tenants import DEFAULT_TENANT
from tests.api.conftest import OURS, MakeApi
from tests.api.mail.desk import FAR, Desk, problem, sit_down

CONTRACT = {
    *("id", "inbox_id", "thread_id", "direction", "message_id", "in_reply_to", "references", "from", "to"),
    *("cc", "bcc", "reply_to", "subject", "text", "html", "extracted_text", "attachments", "labels", "tags"),
    *("metadata", "size", "status", "recipients", "authentication", "created_at"),
}
RECIPIENT = {"address", "status", "reason", "mx", "reply", "attempts", "next_attempt_at"}


async def read(desk: Desk, sent: Any) -> Parsed:
    """The composed message as a receiver reads it."""
    header, _, body = (await desk.raw(sent["id"])).partition(b"\r\n\r\n")
    return parse(header + b"\r\n", body)


async def test_a_message_has_every_name_of_the_contract(desk: Desk) -> None:
    sent = await desk.send()
    assert set(sent) >= CONTRACT
    assert set(sent["recipients"][0]) == RECIPIENT
    assert (sent["direction"], sent["status"], sent["inbox_id"]) == ("out", "queued", desk.api.inbox.id)
    assert sent["id"].startswith("msg_")
    assert sent["thread_id"].startswith("thr_")
    received = await desk.arrives(b"From: ann@far.example\r\n\r\nHi\r\n")
    came = await desk.get(f"/messages/{received.message_id}")
    assert set(came) >= CONTRACT
    assert (came["direction"], came["status"]) == ("in", "received")


async def test_what_is_answered_is_what_is_there(desk: Desk) -> None:
    sent = await desk.send(
        html="<p>Pay</p>", labels=["a"], tags=["t"], metadata={"k": "v"}, cc="bob@far.example"
    )
    assert await desk.get(f"/messages/{sent['id']}") == sent
    (listed,) = (await desk.get("/messages"))["data"]
    texts = {"text", "html", "extracted_text", "extracted_html", "visible_text", "hidden_text", "signature"}
    assert listed == {name: value for name, value in sent.items() if name not in texts}
    assert (sent["labels"], sent["tags"], sent["metadata"]) == (["a"], ["t"], {"k": "v"})


@pytest.mark.parametrize(
    "to",
    [
        f"ann@{FAR}",
        f"Ann <ann@{FAR}>",
        {"address": f"ann@{FAR}", "name": "Ann"},
        [f"ann@{FAR}"],
        [{"address": f"ann@{FAR}"}, f"Ann <ann@{FAR}>"],
    ],
)
async def test_recipients_in_every_spelling(desk: Desk, to: Any) -> None:
    sent = await desk.send(to=to, cc=f"Bob <bob@{FAR}>", bcc=[f"eve@{FAR}"])
    assert [each["address"] for each in sent["recipients"]] == [f"ann@{FAR}", f"bob@{FAR}", f"eve@{FAR}"]
    assert sent["bcc"] == [{"address": f"eve@{FAR}", "name": ""}]
    parsed = await read(desk, sent)
    assert {person.address for person in (*parsed.to, *parsed.cc)} == {f"ann@{FAR}", f"bob@{FAR}"}
    assert b"eve@" not in await desk.raw(sent["id"])


async def test_texts_and_files_arrive(desk: Desk) -> None:
    octets = bytes(range(256)) * 40
    files = [{"filename": "möbel.bin", "content": base64.b64encode(octets).decode()}]
    sent = await desk.send(text="Grüße\nzwei", html="<p>Grüße</p>", attachments=files, headers={"X-Job": "7"})
    parsed = await read(desk, sent)
    assert parsed.text.split() == ["Grüße", "zwei"]
    assert (parsed.html or "").strip() == "<p>Grüße</p>"
    assert parsed.first("x-job") == "7"
    (attachment,) = sent["attachments"]
    target = f"{desk.path}/messages/{sent['id']}/attachments/{attachment['id']}"
    assert (await desk.api.live.get(target)).body == octets


async def test_html_alone_is_shown_and_found_by_its_words(desk: Desk) -> None:
    sent = await desk.send(text=..., html="<style>x{}</style><p>Umbrella&nbsp;stand</p>")
    assert sent["text"].split() == ["Umbrella", "stand"]
    assert "Umbrella" in sent["preview"]
    assert [each["id"] for each in (await desk.get("/messages?q=umbrella"))["data"]] == [sent["id"]]
    assert b"text/plain" not in await desk.raw(sent["id"])


async def test_an_empty_message_is_one(desk: Desk) -> None:
    sent = await desk.send(text=..., subject=...)
    assert (sent["text"], sent["html"], sent["subject"], sent["preview"]) == ("", None, "", "")


async def test_the_reply_address_is_signed_unless_one_is_given(desk: Desk) -> None:
    sent = await desk.send()
    parsed = await read(desk, sent)
    assert [person.address for person in parsed.reply_to] == [desk.reply_address_of(sent["id"])]
    given = await desk.send(reply_to=f"Desk <desk@{FAR}>")
    assert [str(person) for person in (await read(desk, given)).reply_to] == [f"Desk <desk@{FAR}>"]


async def test_a_later_message_waits_and_reserves_on_its_day(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 1})
    sent = await desk.send(send_at="2026-03-04T09:00:00+01:00")
    assert (sent["status"], sent["send_at"]) == ("scheduled", "2026-03-04T08:00:00Z")
    assert sent["recipients"][0]["next_attempt_at"] == "2026-03-04T08:00:00Z"
    assert await desk.used() == 0
    assert (await desk.try_to_send(send_at="2026-03-04T10:00:00Z")).code == "mailbox_cap_reached"
    assert (await desk.send())["status"] == "queued"


async def test_a_time_that_has_passed_is_now(desk: Desk) -> None:
    assert (await desk.send(send_at="2026-03-01T00:00:00Z"))["status"] == "queued"


async def test_a_full_day_is_429_until_the_next(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 2})
    await desk.send(cc=f"bob@{FAR}")
    answer = await desk.try_to_send()
    assert (answer.status, answer.code) == (429, "mailbox_cap_reached")
    assert answer.fields["retry-after"] == str(15 * 3600)
    assert await desk.count("letters") == await desk.count("messages") == 1
    desk.api.clock.advance(hours=15)
    await desk.send()


async def test_another_mailbox_of_the_pool_sends_and_hears_the_answer(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 1, "policy.on_cap": "rotate"})
    other = await desk.api.mailbox(f"other@{OURS}", pool="team", senders=(f"*@{OURS}",))
    question = await desk.send()
    assert (await desk.try_to_send()).code == "mailbox_cap_reached"
    reply = {"pool": "team", "text": "And?"}
    sent = await desk.post(f"/messages/{question['id']}/reply", reply)
    assert (sent["inbox_id"], sent["match"]["method"]) == (other.id, "new")
    assert sent["thread_id"] != question["thread_id"]
    there = await desk.api.live.get(f"/v1/inboxes/{other.id}/messages/{sent['id']}")
    assert there.json == sent
    answer = await desk.arrives(b"From: ann@far.example\r\n\r\nYes\r\n", to=desk.reply_address_of(sent["id"]))
    assert (answer.mailbox_id, answer.thread_id) == (other.id, sent["thread_id"])
    assert (await desk.try_to_send(pool="team")).code == "no_mailbox_available"
    bound = await desk.api.client(mailbox=desk.api.inbox)
    spends = {"to": f"ann@{FAR}", "text": "hi", "pool": "team"}
    refused = await bound.post(f"/v1/inboxes/{desk.api.inbox.id}/messages", spends)
    assert (refused.status, refused.code) == (403, "insufficient_scope")


async def test_from_is_an_own_address_and_no_other(desk: Desk) -> None:
    await desk.api.mailbox(f"boss@{OURS}")
    team = await desk.api.mailbox(f"team@{OURS}", senders=(f"*@{OURS}",))
    target = f"/v1/inboxes/{team.id}/messages"
    wish = {"to": f"ann@{FAR}", "from": f"The Boss <boss@{OURS}>"}
    allowed = await desk.api.live.post(target, wish)
    assert allowed.json["from"] == {"address": f"boss@{OURS}", "name": "The Boss"}
    for address in (f"boss@{OURS}", f"app@{FAR}"):
        refused = await desk.try_to_send(from_=address)
        assert (refused.status, refused.code) == (403, "sender_not_allowed")
    tagged = await desk.send(from_=f"app+sales@{OURS}")
    assert tagged["from"]["address"] == f"app+sales@{OURS}"


async def test_an_unverified_domain_is_403(desk: Desk) -> None:
    async def work(tx: Transaction) -> None:
        await domain_changes.add(tx, desk.api.clock, DEFAULT_TENANT, "new.test")

    await desk.api.house.directory.change(work)
    mailbox = await desk.api.mailbox("app@new.test")
    refused = await desk.api.live.post(f"/v1/inboxes/{mailbox.id}/messages", {"to": f"ann@{FAR}"})
    assert (refused.status, refused.code) == (403, "domain_not_verified")


async def test_a_suppressed_recipient_ends_so(desk: Desk) -> None:
    await desk.api.live.post("/v1/suppressions", {"address": f"ann@{FAR}"})
    alone = await desk.try_to_send()
    assert (alone.status, alone.code) == (422, "all_suppressed")
    assert alone.json["errors"] == [{"path": "$.to", "message": f"ann@{FAR} is suppressed: manual"}]
    assert await desk.count("messages") == 0
    both = await desk.send(to=[f"ann@{FAR}", f"bob@{FAR}"])
    assert [each["status"] for each in both["recipients"]] == ["suppressed", "queued"]
    assert both["status"] == "queued"
    assert await desk.used() == 1


async def test_too_much_is_413(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"limits.message_size": "64KiB"})
    content = base64.b64encode(b"x" * 60_000).decode()
    answer = await desk.try_to_send(attachments=[{"filename": "a", "content": content}])
    assert (answer.status, answer.code) == (413, "payload_too_large")
    assert await desk.count("messages") == 0
    assert list(desk.api.house.station.shelf.incoming.iterdir()) == []


async def test_too_many_recipients_are_refused(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"limits.recipients_per_message": 3})
    many = [f"p{number}@{FAR}" for number in range(3)]
    assert problem(await desk.try_to_send(to=many, bcc=f"one-more@{FAR}")) == (
        422,
        "validation_error",
        "$.to",
    )
    await desk.send(to=[*many, many[0].upper().replace("FAR.EXAMPLE", FAR)])


LINE_ENDS = ("a\r\nBcc: eve@far.example", "a\nb", "a\rb", "\x07", "\x1b[1m", "\u2028", "\x85")
NAMED: dict[str, Any] = {
    "subject": "$.subject",
    "to": "$.to",
    "cc": "$.cc",
    "bcc": "$.bcc",
    "from": "$.from",
    "reply_to": "$.reply_to",
    "pool": "$.pool",
}


@pytest.mark.parametrize("text", LINE_ENDS)
@pytest.mark.parametrize("name", NAMED)
async def test_no_field_holds_a_line_end(desk: Desk, name: str, text: str) -> None:
    wish = text if name in ("subject", "pool") else f'"{text}" <ann@{FAR}>'
    answer = await desk.try_to_send(None, **{name: wish})
    assert problem(answer) == (422, "validation_error", NAMED[name])


@pytest.mark.parametrize("text", LINE_ENDS)
async def test_no_part_of_a_field_holds_one(desk: Desk, text: str) -> None:
    octets = base64.b64encode(b"x").decode()
    person = {"address": f"ann@{FAR}", "name": text}
    wishes: dict[str, dict[str, Any]] = {
        "$.to[1].name": {"to": [f"bob@{FAR}", person]},
        "$.bcc.name": {"bcc": person},
        "$.to.address": {"to": {"address": f"{text}@{FAR}"}},
        "$.headers.X-A": {"headers": {"X-A": text}},
        "$.headers": {"headers": {text: "x"}},
        "$.labels[1]": {"labels": ["fine", text]},
        "$.tags[1]": {"tags": ["fine", text]},
        "$.metadata.k": {"metadata": {"k": text}},
        "$.metadata": {"metadata": {text: "v"}},
        "$.attachments[0].filename": {"attachments": [{"filename": text, "content": octets}]},
        "$.attachments[0].content_type": {
            "attachments": [{"filename": "a", "content": octets, "content_type": f"text/plain; a={text}"}]
        },
        "$.attachments[0].content_id": {
            "attachments": [{"filename": "a", "content": octets, "content_id": text}]
        },
    }
    for path, wish in wishes.items():
        assert problem(await desk.try_to_send(**wish)) == (422, "validation_error", path), path
    assert await desk.count("messages") == 0


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        ({"to": []}, "$.to"),
        ({"to": ...}, "$.to"),
        ({"to": [f"ann@{FAR}", {"address": "bad"}]}, "$.to[1].address"),
        ({"to": "Name <bad"}, "$.to"),
        ({"to": [f"ann@{FAR}", "Name <bad"]}, "$.to[1]"),
        ({"to": [f"ann@{FAR}", 7]}, "$.to[1]"),
        ({"cc": {"name": "Ann"}}, "$.cc"),
        ({"attachments": [{"filename": "a/..", "content": ""}]}, "$.attachments[0].filename"),
        ({"attachments": [{"filename": "a", "content": "no base64!"}]}, "$.attachments[0].content"),
        (
            {"attachments": [{"filename": "a", "content": "", "content_type": "multipart/mixed"}]},
            "$.attachments[0].content_type",
        ),
        ({"headers": {"Bcc": f"eve@{FAR}"}}, "$.headers.Bcc"),
        ({"headers": {"from": f"eve@{FAR}"}}, "$.headers.from"),
        ({"headers": {"Resent-Bcc": f"eve@{FAR}"}}, "$.headers.Resent-Bcc"),
        ({"headers": {"Thread-Index": "x"}}, "$.headers.Thread-Index"),
        ({"headers": {"DKIM-Signature": "x"}}, "$.headers.DKIM-Signature"),
        ({"headers": {"Content-Type": "text/html"}}, "$.headers.Content-Type"),
        ({"headers": {"X-Posthouse-Tag": "x"}}, "$.headers.X-Posthouse-Tag"),
        ({"headers": {"Received": "x"}}, "$.headers.Received"),
        ({"send_at": "2026-03-04T09:00:00"}, "$.send_at"),
        ({"send_at": "2027-03-04T09:00:00Z"}, "$.send_at"),
        ({"send_at": "tomorrow"}, "$.send_at"),
        ({"labels": ["x" * 101]}, "$.labels[0]"),
        ({"labels": [" "]}, "$.labels[0]"),
        ({"subject": "x" * 2001}, "$.subject"),
        ({"subject": 7}, "$.subject"),
        ({"unknown": 1}, "$"),
    ],
)
async def test_what_is_wrong_is_named(desk: Desk, wish: dict[str, Any], path: str) -> None:
    answer = await desk.try_to_send(**wish)
    assert (answer.status, answer.code) == (422, "validation_error")
    assert answer.json["errors"][0]["path"].startswith(path)


async def test_who_may_not_be_written_to_is_refused_whole(desk: Desk) -> None:
    await desk.api.live.post("/v1/lists/send/block", {"entry": FAR})
    answer = await desk.try_to_send()
    assert (answer.status, answer.code) == (403, "recipient_not_allowed")
    assert await desk.count("messages") == 0


async def test_scopes_and_keys_of_one_inbox(desk: Desk) -> None:
    reader = await desk.api.client(scopes=["messages:read"])
    assert (await desk.try_to_send(reader)).code == "insufficient_scope"
    bound = await desk.api.client(mailbox=desk.api.inbox)
    assert (await desk.send(bound))["status"] == "queued"


async def test_ids_sort_by_time(desk: Desk) -> None:
    first = await desk.send()
    desk.api.clock.advance(timedelta(milliseconds=1))
    assert first["id"] < (await desk.send())["id"]
