"""Drafts: begun, changed, sent once."""

import asyncio
import base64
from typing import Any

import pytest

from api.call import Call
from api.mail.outgoing import Outgoing
from api.routes import drafts
from relay.drafts.records import KeptDraft
from relay.tenants.mailboxes import Mailbox
from tests.api.conftest import OURS, MakeApi
from tests.api.mail.desk import FAR, Desk, mail, problem, sit_down

OCTETS = bytes(range(256))
FILE = {
    "filename": "map.pdf",
    "content": base64.b64encode(OCTETS).decode(),
    "content_type": "application/pdf",
}
WHOLE: dict[str, Any] = {
    "to": [f"Ann <ann@{FAR}>"],
    "cc": f"bob@{FAR}",
    "bcc": [{"address": f"eve@{FAR}"}],
    "subject": "Offer",
    "text": "Hello.",
    "html": "<p>Hello.</p>",
    "attachments": [FILE],
    "reply_to": f"desk@{FAR}",
    "headers": {"X-Job": "7"},
    "labels": ["open"],
    "tags": ["t"],
    "metadata": {"k": "v"},
    "send_at": "2026-03-04T09:00:00Z",
    "pool": "team",
}


async def send(desk: Desk, draft: Any) -> Any:
    return await desk.post(f"/drafts/{draft['id']}/send")


async def test_a_draft_is_what_was_written(desk: Desk) -> None:
    draft = await desk.post("/drafts", WHOLE)
    assert draft["id"].startswith("dft_")
    assert (draft["kind"], draft["parent_id"], draft["from"]) == ("new", None, None)
    assert draft["to"] == [{"address": f"ann@{FAR}", "name": "Ann"}]
    assert draft["attachments"] == [
        {
            "filename": "map.pdf",
            "content_type": "application/pdf",
            "disposition": "attachment",
            "content_id": None,
            "size": 256,
        }
    ]
    same = ("subject", "text", "html", "headers", "labels", "tags", "metadata", "send_at", "pool")
    assert {name: draft[name] for name in same} == {name: WHOLE[name] for name in same}
    assert await desk.get(f"/drafts/{draft['id']}") == draft
    assert (await desk.get("/drafts"))["data"] == [draft]
    assert await desk.count("messages") == 0


async def test_an_empty_draft_is_one(desk: Desk) -> None:
    draft = await desk.post("/drafts", {})
    assert (draft["to"], draft["cc"], draft["text"], draft["attachments"]) == (None, None, None, [])
    answer = await desk.api.live.post(f"{desk.path}/drafts/{draft['id']}/send", {})
    assert problem(answer) == (422, "validation_error", "$.to")
    assert await desk.get(f"/drafts/{draft['id']}") == draft


async def test_what_is_left_out_stays_and_null_clears(desk: Desk) -> None:
    draft = await desk.post("/drafts", WHOLE)
    desk.api.clock.advance(minutes=1)
    changed = await desk.patch(f"/drafts/{draft['id']}", {"subject": "Better offer"})
    assert changed == {**draft, "subject": "Better offer", "updated_at": "2026-03-02T09:01:00Z"}
    nothing = dict.fromkeys((*WHOLE, "from", "quote"))
    cleared = await desk.patch(f"/drafts/{draft['id']}", nothing)
    empty = await desk.post("/drafts", {})
    own = ("id", "created_at", "updated_at")
    assert {k: v for k, v in cleared.items() if k not in own} == {
        k: v for k, v in empty.items() if k not in own
    }


async def test_sending_makes_it_a_message(desk: Desk) -> None:
    draft = await desk.post("/drafts", WHOLE)
    await desk.patch(f"/drafts/{draft['id']}", {"text": "Changed."})
    sent = await send(desk, draft)
    assert (sent["text"], sent["subject"], sent["labels"]) == ("Changed.", "Offer", ["open"])
    assert (sent["status"], sent["send_at"]) == ("scheduled", "2026-03-04T09:00:00Z")
    assert (sent["tags"], sent["metadata"]) == (["t"], {"k": "v"})
    assert [each["address"].split("@")[0] for each in sent["recipients"]] == ["ann", "bob", "eve"]
    target = f"{desk.path}/messages/{sent['id']}/attachments/{sent['attachments'][0]['id']}"
    assert (await desk.api.live.get(target)).body == OCTETS
    assert (await desk.api.live.get(f"{desk.path}/drafts/{draft['id']}")).code == "not_found"
    assert (await desk.get("/drafts"))["data"] == []


async def test_a_time_that_passed_meanwhile_is_now(desk: Desk) -> None:
    draft = await desk.post("/drafts", WHOLE)
    desk.api.clock.advance(days=3)
    assert (await send(desk, draft))["status"] == "queued"


async def test_a_draft_is_sent_once(desk: Desk) -> None:
    draft = await desk.post("/drafts", {**WHOLE, "send_at": None})
    target = f"{desk.path}/drafts/{draft['id']}/send"
    answers = await asyncio.gather(*(desk.api.live.post(target, {}) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [201] + [404] * 19
    assert (await desk.api.live.post(target, {})).code == "not_found"
    assert await desk.count("messages") == 1
    assert await desk.used() == 3


async def test_a_refused_draft_stays(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 0})
    draft = await desk.post("/drafts", {"to": f"ann@{FAR}"})
    answer = await desk.api.live.post(f"{desk.path}/drafts/{draft['id']}/send", {})
    assert answer.code == "mailbox_cap_reached"
    assert await desk.get(f"/drafts/{draft['id']}") == draft


async def test_what_goes_out_is_what_the_draft_says_at_the_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changes it between its being read and its message being taken."""
    draft = await desk.post("/drafts", {"to": f"ann@{FAR}", "text": "Early."})
    read, changes = drafts._outgoing, [{"text": "Late."}, {"attachments": [FILE]}]

    async def overtaken(call: Call, mailbox: Mailbox, kept: KeptDraft) -> Outgoing:
        outgoing = await read(call, mailbox, kept)
        if changes:
            await desk.patch(f"/drafts/{draft['id']}", changes.pop(0))
        return outgoing

    monkeypatch.setattr(drafts, "_outgoing", overtaken)
    sent = await send(desk, draft)
    assert (sent["text"], len(sent["attachments"])) == ("Late.", 1)
    assert await desk.count("messages") == await desk.count("letters") == 1


async def test_a_reply_draft_follows_its_parent(desk: Desk) -> None:
    asked = await desk.arrives(mail("Message-ID: <b1@far.example>", f"Cc: carol@{FAR}", subject="Offer"))
    one = await desk.post("/drafts", {"in_reply_to": asked.message_id, "text": "Yes.", "quote": True})
    assert (one["kind"], one["parent_id"], one["to"], one["quote"]) == ("reply", asked.message_id, None, True)
    sent = await send(desk, one)
    assert (sent["in_reply_to"], sent["subject"], sent["thread_id"]) == (
        "<b1@far.example>",
        "Re: Offer",
        asked.thread_id,
    )
    assert "> Tuesday suits us." in sent["text"]
    assert [each["address"] for each in sent["to"]] == [f"ann@{FAR}"]
    everyone = await desk.post(
        "/drafts", {"in_reply_to": asked.message_id, "reply_all": True, "subject": "Own"}
    )
    sent = await send(desk, everyone)
    assert (sent["subject"], [each["address"] for each in sent["cc"]]) == ("Own", [f"carol@{FAR}"])
    named = await desk.post("/drafts", {"in_reply_to": asked.message_id, "to": f"eve@{FAR}"})
    assert [each["address"] for each in (await send(desk, named))["to"]] == [f"eve@{FAR}"]


async def test_a_forward_draft_takes_the_files_along(desk: Desk) -> None:
    first = await desk.send(attachments=[FILE])
    draft = await desk.post("/drafts", {"forward_of": first["id"], "to": f"carol@{FAR}", "text": "See."})
    assert draft["kind"] == "forward"
    sent = await send(desk, draft)
    assert (sent["subject"], sent["thread_id"]) == ("Fwd: Invoice 7", first["thread_id"])
    assert [each["filename"] for each in sent["attachments"]] == ["map.pdf"]


async def test_a_draft_whose_parent_is_gone_says_so(desk: Desk) -> None:
    asked = await desk.arrives(mail())
    draft = await desk.post("/drafts", {"in_reply_to": asked.message_id, "text": "Yes."})
    await desk.api.house.db.transact(lambda tx: desk.way_in.memory.forget(tx, [asked.message_id]))
    assert await desk.get(f"/drafts/{draft['id']}") == draft
    answer = await desk.api.live.post(f"{desk.path}/drafts/{draft['id']}/send", {})
    assert problem(answer) == (422, "validation_error", "$.parent_id")
    await desk.patch(f"/drafts/{draft['id']}", {"text": "Still here."})


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        ({"to": "Name <bad"}, "$.to"),
        ({"to": [f"ann@{FAR}", {"address": "bad"}]}, "$.to[1].address"),
        ({"subject": "a\r\nBcc: eve@far.example"}, "$.subject"),
        ({"headers": {"Bcc": "x"}}, "$.headers.Bcc"),
        ({"headers": {"X-A": "a\nb"}}, "$.headers.X-A"),
        ({"attachments": [{**FILE, "filename": "a/.."}]}, "$.attachments[0].filename"),
        ({"from": "bad"}, "$.from"),
        ({"reply_to": "bad"}, "$.reply_to"),
        ({"labels": ["a\nb"]}, "$.labels[0]"),
        ({"tags": ["a\nb"]}, "$.tags[0]"),
        ({"send_at": "2026-03-04T09:00:00"}, "$.send_at"),
    ],
)
async def test_what_no_message_could_say_is_refused_while_it_is_written(
    desk: Desk, wish: Any, path: str
) -> None:
    assert problem(await desk.api.live.post(f"{desk.path}/drafts", wish)) == (422, "validation_error", path)
    draft = await desk.post("/drafts", {})
    answer = await desk.api.live.patch(f"{desk.path}/drafts/{draft['id']}", wish)
    assert problem(answer) == (422, "validation_error", path)


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        ({"in_reply_to": "msg_nothing"}, "$.in_reply_to"),
        ({"forward_of": "msg_nothing"}, "$.forward_of"),
        ({"in_reply_to": "msg_a", "forward_of": "msg_b"}, "$.forward_of"),
        ({"reply_all": True}, "$.reply_all"),
    ],
)
async def test_a_parent_is_one_message_of_the_inbox(desk: Desk, wish: Any, path: str) -> None:
    assert problem(await desk.api.live.post(f"{desk.path}/drafts", wish)) == (422, "validation_error", path)


async def test_a_parent_in_another_inbox_is_none(desk: Desk) -> None:
    elsewhere = await desk.arrives(mail(), mailbox=await desk.api.mailbox(f"other@{OURS}"))
    answer = await desk.api.live.post(f"{desk.path}/drafts", {"in_reply_to": elsewhere.message_id})
    assert problem(answer) == (422, "validation_error", "$.in_reply_to")


async def test_deleting_and_pages(desk: Desk) -> None:
    ids: list[str] = []
    for number in range(5):
        desk.api.clock.advance(seconds=1)
        ids.insert(0, (await desk.post("/drafts", {"subject": f"n{number}", "attachments": [FILE]}))["id"])
    assert (await desk.api.live.delete(f"{desk.path}/drafts/{ids[2]}")).status == 204
    assert (await desk.api.live.delete(f"{desk.path}/drafts/{ids[2]}")).code == "not_found"
    seen, cursor = [], ""
    while True:
        page = await desk.get(f"/drafts?limit=2{cursor}")
        seen += [draft["id"] for draft in page["data"]]
        assert [draft["attachments"][0]["size"] for draft in page["data"]] == [256] * len(page["data"])
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [id_ for id_ in ids if id_ != ids[2]]


async def test_drafts_are_of_one_inbox(desk: Desk) -> None:
    draft = await desk.post("/drafts", WHOLE)
    other = await desk.api.mailbox(f"other@{OURS}")
    bound = await desk.api.client(mailbox=other)
    target = f"/v1/inboxes/{other.id}/drafts/{draft['id']}"
    assert (await bound.get(target)).code == "not_found"
    assert (await bound.post(f"{target}/send", {})).code == "not_found"
    assert (await bound.patch(target, {})).code == "not_found"
    assert (await bound.delete(target)).code == "not_found"
    assert (await bound.get(f"/v1/inboxes/{other.id}/drafts")).json["data"] == []
