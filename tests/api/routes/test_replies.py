"""What people answered: polled on from what was seen, automatic mail left out, and put right by hand."""

from typing import Any
from urllib.parse import quote

import pytest

from api.mail import showing
from tests.api.conftest import OURS
from tests.api.mail.desk import FAR, Desk, mail, problem


async def answered(desk: Desk, *fields: str, **said: Any) -> str:
    """The id of an answer to a message of ours, a second after the one before."""
    desk.api.clock.advance(seconds=1)
    sent = await desk.send(subject="Offer")
    fields = (f"In-Reply-To: {sent['message_id']}", *fields)
    return (await desk.arrives(mail(*fields, subject="Re: Offer", **said))).message_id


async def polled(desk: Desk, query: str = "", client: Any = None) -> list[str]:
    answer = await (client or desk.api.live).get(f"/v1/replies?{query}")
    assert answer.status == 200, answer.body
    return [message["id"] for message in answer.json["data"]]


async def test_answers_of_people_newest_first_with_their_texts(desk: Desk) -> None:
    first, second = await answered(desk), await answered(desk)
    await answered(desk, "Auto-Submitted: auto-replied")
    await desk.arrives(mail(subject="New"))
    assert await polled(desk) == [second, first]
    page = (await desk.api.live.get("/v1/replies")).json
    assert page["data"][0]["extracted_text"].strip() == "Tuesday suits us."
    one = await desk.api.live.get(f"/v1/replies/{first}")
    assert one.json == page["data"][1]


async def test_a_key_of_the_domain_changes_a_reply(desk: Desk) -> None:
    """Whether it may is asked within the transaction that changes it."""
    reply, domain = await answered(desk), await desk.api.house.directory.domain(OURS)
    assert domain is not None
    client = await desk.api.client(domains=[domain])
    changed = await client.patch(f"/v1/replies/{reply}", {"intent": "agreed"})
    assert (changed.status, changed.json["intent"]) == (200, "agreed")
    other = await desk.api.client("ten_default", mailbox=await desk.api.mailbox(f"beside@{OURS}"))
    assert (await other.patch(f"/v1/replies/{reply}", {"intent": "x"})).code == "not_found"


async def test_polling_on_misses_nothing(desk: Desk) -> None:
    ids = [await answered(desk) for _ in range(5)]
    assert await polled(desk, f"since={ids[1]}") == ids[2:]
    assert await polled(desk, f"since={ids[-1]}") == []
    assert await polled(desk, "since=2026-03-02T09:00:03Z") == ids[2:]
    assert await polled(desk, f"since={quote('2026-03-02T10:00:03+01:00')}") == ids[2:]
    seen, cursor = [], ""
    while True:
        page = (await desk.api.live.get(f"/v1/replies?since={ids[0]}&limit=2{cursor}")).json
        seen += [message["id"] for message in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ids[1:]
    newest = (await desk.api.live.get("/v1/replies?limit=2")).json
    assert [message["id"] for message in newest["data"]] == [ids[4], ids[3]]
    assert await polled(desk, f"limit=2&cursor={newest['next_cursor']}") == [ids[2], ids[1]]


async def test_a_page_ends_where_the_texts_fill_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [await answered(desk, body="x" * 400) for _ in range(5)]
    monkeypatch.setattr(showing, "TEXTS_AT_ONCE", 2500)  # each text is kept in three forms
    page = (await desk.api.live.get("/v1/replies")).json
    assert [message["id"] for message in page["data"]] == [ids[4], ids[3]]
    assert all(message["text"].startswith("xxx") for message in page["data"])
    behind = (await desk.api.live.get(f"/v1/replies?cursor={page['next_cursor']}")).json
    assert [message["id"] for message in behind["data"]] == [ids[2], ids[1]]
    monkeypatch.setattr(showing, "TEXTS_AT_ONCE", 1)
    assert await polled(desk, f"since={ids[0]}") == [ids[1]]


@pytest.mark.parametrize("since", ["yesterday", "msg_nothing", "2026-03-02T09:00:00", "2026-03-02"])
async def test_since_is_a_time_or_an_id(desk: Desk, since: str) -> None:
    answer = await desk.api.live.get(f"/v1/replies?since={since}")
    assert problem(answer) == (422, "validation_error", "?since")


async def test_other_kinds_where_they_are_asked_for(desk: Desk) -> None:
    reply, away = await answered(desk), await answered(desk, "Auto-Submitted: auto-replied")
    new = (await desk.arrives(mail(subject="New"))).message_id
    assert await polled(desk, "classification=auto_reply") == [away]
    assert set(await polled(desk, "classification=reply&classification=new")) == {reply, new}
    refused = await desk.api.live.get("/v1/replies?classification=nice")
    assert refused.status == 422


async def test_what_was_put_aside_is_not_among_them(desk: Desk) -> None:
    await desk.block(f"eve@{FAR}")
    aside = await answered(desk, sender=f"eve@{FAR}")
    assert await polled(desk) == []
    await desk.patch(f"/messages/{aside}", {"standing": "accepted"})
    assert await polled(desk) == [aside]


async def test_a_person_knows_better(desk: Desk) -> None:
    away = await answered(desk, "Auto-Submitted: auto-replied")
    assert await polled(desk) == []
    change = {"classification": "reply", "intent": "interested"}
    changed = (await desk.api.live.patch(f"/v1/replies/{away}", change)).json
    assert (changed["classification"], changed["automatic"], changed["intent"]) == (
        "reply",
        False,
        "interested",
    )
    assert await polled(desk) == await polled(desk, "intent=interested") == [away]
    assert await polled(desk, "intent=bored") == []
    back = (await desk.api.live.patch(f"/v1/replies/{away}", {"classification": "auto_reply"})).json
    assert (back["automatic"], back["intent"]) == (True, "interested")
    assert await polled(desk) == []
    cleared = (await desk.api.live.patch(f"/v1/replies/{away}", {"intent": None})).json
    assert (cleared["intent"], cleared["classification"]) == (None, "auto_reply")
    bad = await desk.api.live.patch(f"/v1/replies/{away}", {"intent": "a\r\nb"})
    assert problem(bad) == (422, "validation_error", "$.intent")


async def test_labels_and_inboxes_narrow(desk: Desk) -> None:
    first, second = await answered(desk), await answered(desk)
    await desk.patch(f"/messages/{first}", {"labels": ["vip"]})
    other = await desk.api.mailbox(f"other@{OURS}")
    assert await polled(desk, "label=vip") == [first]
    assert await polled(desk, f"label=vip&inbox={desk.api.inbox.id}") == [first]
    assert await polled(desk, f"inbox={quote(str(desk.api.inbox.address))}") == [second, first]
    assert await polled(desk, f"inbox={other.id}") == []
    assert (await desk.api.live.get("/v1/replies?inbox=inb_nothing")).code == "not_found"


async def test_a_key_of_one_inbox_hears_of_it_alone(desk: Desk) -> None:
    reply = await answered(desk)
    bound = await desk.api.client(mailbox=await desk.api.mailbox(f"other@{OURS}"))
    for client in (bound, desk.api.foreign):
        assert await polled(desk, client=client) == []
        assert (await client.get(f"/v1/replies/{reply}")).code == "not_found"
        assert (await client.patch(f"/v1/replies/{reply}", {"intent": "x"})).code == "not_found"
        assert problem(await client.get(f"/v1/replies?since={reply}")) == (422, "validation_error", "?since")
        assert (await client.get(f"/v1/replies?inbox={desk.api.inbox.id}")).code == "not_found"
    own = await desk.api.client(mailbox=desk.api.inbox)
    assert await polled(desk, client=own) == [reply]


async def test_our_own_mail_is_no_reply(desk: Desk) -> None:
    sent = await desk.send()
    assert (await desk.api.live.get(f"/v1/replies/{sent['id']}")).code == "not_found"
