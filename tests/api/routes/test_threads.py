"""Conversations: listed, read, labelled, answered, merged and split."""

from typing import Any

import pytest

from api.mail import showing
from tests.api.conftest import OURS
from tests.api.mail.desk import FAR, Desk, mail, problem


async def conversation(desk: Desk, subject: str = "Offer", answers: int = 2) -> list[str]:
    """A message of ours and answers to it; their ids, oldest first."""
    sent = await desk.send(subject=subject)
    ids = [sent["id"]]
    for number in range(answers):
        desk.api.clock.advance(seconds=1)
        fields = (f"In-Reply-To: {sent['message_id']}", f"Message-ID: <{subject}{number}@{FAR}>")
        ids.append((await desk.arrives(mail(*fields, subject=f"Re: {subject}"))).message_id)
    return ids


async def thread_of(desk: Desk, message_id: str) -> Any:
    message = await desk.get(f"/messages/{message_id}")
    return await desk.get(f"/threads/{message['thread_id']}")


def ids_of(thread: Any) -> list[str]:
    return [message["id"] for message in thread["messages"]]


async def test_a_thread_has_its_messages_oldest_first(desk: Desk) -> None:
    ids = await conversation(desk)
    thread = await thread_of(desk, ids[0])
    assert ids_of(thread) == ids
    assert (thread["subject"], thread["message_count"], thread["inbox_id"]) == ("Offer", 3, desk.api.inbox.id)
    assert (thread["started_at"], thread["last_message_at"]) == (
        "2026-03-02T09:00:00Z",
        "2026-03-02T09:00:02Z",
    )
    assert thread["messages"][1]["extracted_text"].strip() == "Tuesday suits us."
    anywhere = await desk.api.live.get(f"/v1/threads/{thread['id']}")
    assert anywhere.json == thread


async def test_of_a_long_thread_the_newest_come_with_their_texts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await conversation(desk, answers=3)
    monkeypatch.setattr(showing, "TEXTS_AT_ONCE", 150)  # each text is kept in three forms
    thread = await thread_of(desk, ids[0])
    assert ids_of(thread) == ids
    assert [message["text"] is not None for message in thread["messages"]] == [False, False, True, True]
    assert (await desk.get(f"/messages/{ids[0]}"))["text"] == "Please pay."


async def test_an_answer_stands_in_its_thread_at_once(desk: Desk) -> None:
    ids = await conversation(desk)
    thread = await thread_of(desk, ids[0])
    sent = await desk.post(f"/threads/{thread['id']}/reply", {"text": "Good."})
    assert ids_of(await desk.get(f"/threads/{thread['id']}")) == [*ids, sent["id"]]


async def test_an_answer_in_a_thread_is_to_the_newest_that_a_person_wrote(desk: Desk) -> None:
    *_, newest = await conversation(desk)
    message = await desk.get(f"/messages/{newest}")
    thread = message["thread_id"]
    fields = (f"In-Reply-To: {message['in_reply_to']}", "Auto-Submitted: auto-replied")
    away = await desk.arrives(mail(*fields, subject="Out of office", sender=f"robot@{FAR}"))
    assert (away.automatic, away.thread_id) == (True, thread)
    sent = await desk.post(f"/threads/{thread}/reply", {"text": "Good."})
    assert (sent["in_reply_to"], sent["to"][0]["address"]) == (message["message_id"], f"ann@{FAR}")
    # Our own newest message does not count either.
    again = await desk.post(f"/threads/{thread}/reply", {"text": "Good?", "everyone": True})
    assert again["in_reply_to"] == message["message_id"]


async def test_where_nobody_answered_our_own_message_is_followed(desk: Desk) -> None:
    sent = await desk.send()
    again = await desk.post(f"/threads/{sent['thread_id']}/reply", {"text": "And?"})
    assert (again["in_reply_to"], again["to"][0]["address"]) == (sent["message_id"], f"ann@{FAR}")


async def test_lists_come_in_pages_without_gaps(desk: Desk) -> None:
    wanted: list[str] = []
    for number in range(7):
        wanted.insert(0, (await desk.send(subject=f"n{number}"))["thread_id"])
        desk.api.clock.advance(seconds=number % 2)  # some at the same time
    first = await desk.get("/threads?limit=3")
    await desk.send(subject="between")
    seen = [each["id"] for each in first["data"]]
    cursor = first["next_cursor"]
    while cursor:
        page = await desk.get(f"/threads?limit=3&cursor={cursor}")
        seen += [each["id"] for each in page["data"]]
        assert page["has_more"] is (page["next_cursor"] is not None)
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(wanted)
    times = [(await desk.get(f"/threads/{each}"))["last_message_at"] for each in seen]
    assert times == sorted(times, reverse=True)
    assert "messages" not in first["data"][0]


@pytest.mark.parametrize("cursor", ["x", "bm9uZQ", "MS4", "999999999999999999999", "LTEueA"])
async def test_a_made_up_cursor_is_no_fault_of_ours(desk: Desk, cursor: str) -> None:
    for path in ("/threads", "/messages", "/drafts"):
        assert (await desk.api.live.get(f"{desk.path}{path}?cursor={cursor}")).status in (200, 422)


async def test_all_inboxes_are_listed_together(desk: Desk) -> None:
    other = await desk.api.mailbox(f"other@{OURS}")
    mine = await desk.send()
    elsewhere = await desk.arrives(mail(), mailbox=other)
    everything = (await desk.api.live.get("/v1/threads")).json["data"]
    assert {each["id"] for each in everything} == {mine["thread_id"], elsewhere.thread_id}
    assert [each["id"] for each in (await desk.get("/threads"))["data"]] == [mine["thread_id"]]
    bound = await desk.api.client(mailbox=other)
    assert [each["id"] for each in (await bound.get("/v1/threads")).json["data"]] == [elsewhere.thread_id]
    assert (await bound.get(f"/v1/threads/{mine['thread_id']}")).code == "not_found"
    assert (await desk.api.foreign.get("/v1/threads")).json["data"] == []
    assert (await desk.api.foreign.get(f"/v1/threads/{mine['thread_id']}")).code == "not_found"
    assert (await desk.api.live.get(f"{desk.path}/threads/{elsewhere.thread_id}")).code == "not_found"


async def test_labels_narrow_the_list(desk: Desk) -> None:
    sent = await desk.send()
    await desk.send()
    changed = await desk.patch(f"/threads/{sent['thread_id']}", {"labels": ["open", " vip ", "open"]})
    assert changed["labels"] == ["open", "vip"]
    assert [each["id"] for each in (await desk.get("/threads?label=vip"))["data"]] == [sent["thread_id"]]
    assert (await desk.get("/threads?label=vi"))["data"] == []
    refused = await desk.api.live.patch(f"{desk.path}/threads/{sent['thread_id']}", {"labels": ["a", "b\nc"]})
    assert problem(refused) == (422, "validation_error", "$.labels[1]")


async def test_merged_threads_are_one_under_both_ids(desk: Desk) -> None:
    one, two = await conversation(desk, "One"), await conversation(desk, "Two", 1)
    into, other = await thread_of(desk, one[0]), await thread_of(desk, two[0])
    await desk.patch(f"/threads/{into['id']}", {"labels": ["a"]})
    await desk.patch(f"/threads/{other['id']}", {"labels": ["a", "b"]})
    merged = await desk.post(f"/threads/{into['id']}/merge", {"thread_id": other["id"]})
    assert (merged["id"], merged["message_count"], merged["labels"]) == (into["id"], 5, ["a", "b"])
    for target in (f"{desk.path}/threads/{other['id']}", f"/v1/threads/{other['id']}"):
        found = (await desk.api.live.get(target)).json
        assert (found["id"], ids_of(found)) == (into["id"], [*one, *two])
    assert [each["id"] for each in (await desk.get("/threads"))["data"]] == [into["id"]]
    under_old_id = await desk.get(f"/messages?thread={other['id']}")
    assert len(under_old_id["data"]) == 5
    assert under_old_id["data"][0]["thread_id"] == into["id"]
    # Who answers a moved message stands with it.
    question = await desk.get(f"/messages/{two[0]}")
    late = await desk.arrives(mail(f"In-Reply-To: {question['message_id']}"))
    assert late.thread_id == into["id"]
    changed = await desk.patch(f"/threads/{other['id']}", {"labels": ["c"]})
    assert (changed["id"], changed["message_count"]) == (into["id"], 6)


async def test_a_merged_thread_can_be_merged_on(desk: Desk) -> None:
    a, b, c = [(await desk.send(subject=name))["thread_id"] for name in "abc"]
    await desk.post(f"/threads/{b}/merge", {"thread_id": a})
    await desk.post(f"/threads/{c}/merge", {"thread_id": a})  # a is b by now
    for each in (a, b, c):
        found = await desk.get(f"/threads/{each}")
        assert (found["id"], found["message_count"]) == (c, 3)


async def test_what_cannot_be_merged_is_422(desk: Desk) -> None:
    other = await desk.api.mailbox(f"other@{OURS}")
    elsewhere = await desk.arrives(mail(), mailbox=other)
    into, second = (await desk.send())["thread_id"], (await desk.send())["thread_id"]
    target = f"{desk.path}/threads/{into}/merge"
    for named in (into, elsewhere.thread_id, "thr_nothing"):
        answer = await desk.api.live.post(target, {"thread_id": named})
        assert problem(answer) == (422, "validation_error", "$.thread_id")
    await desk.post(f"/threads/{into}/merge", {"thread_id": second})
    again = await desk.api.live.post(target, {"thread_id": second})
    assert problem(again) == (422, "validation_error", "$.thread_id")
    assert (await desk.get(f"/threads/{into}"))["message_count"] == 2


async def test_a_part_becomes_a_thread_of_its_own(desk: Desk) -> None:
    ids = await conversation(desk, answers=3)
    thread = await thread_of(desk, ids[0])
    apart = await desk.post(f"/threads/{thread['id']}/split", {"message_ids": [ids[3], ids[1], ids[1]]})
    assert apart["message_count"] == 2
    assert ids_of(await desk.get(f"/threads/{apart['id']}")) == [ids[1], ids[3]]
    assert (apart["started_at"], apart["last_message_at"]) == ("2026-03-02T09:00:01Z", "2026-03-02T09:00:03Z")
    rest = await desk.get(f"/threads/{thread['id']}")
    assert (rest["message_count"], ids_of(rest)) == (2, [ids[0], ids[2]])
    assert rest["last_message_at"] == "2026-03-02T09:00:02Z"
    moved = await desk.get(f"/messages/{ids[1]}")
    assert moved["match"] == {"method": "split", "evidence": thread["id"]}
    together = await desk.post(f"/threads/{thread['id']}/merge", {"thread_id": apart["id"]})
    assert together["message_count"] == 4


async def test_what_cannot_be_split_is_422(desk: Desk) -> None:
    ids = await conversation(desk)
    thread = await thread_of(desk, ids[0])
    stranger = await desk.send()
    target = f"{desk.path}/threads/{thread['id']}/split"
    for named, path in (
        ([], "$.message_ids"),
        (ids, "$.message_ids"),
        ([stranger["id"]], "$.message_ids"),
        ([ids[0], "msg_nothing"], "$.message_ids[1]"),
    ):
        answer = await desk.api.live.post(target, {"message_ids": named})
        assert problem(answer) == (422, "validation_error", path)
    assert ids_of(await desk.get(f"/threads/{thread['id']}")) == ids


async def test_what_was_put_aside_does_not_hold_a_thread(desk: Desk) -> None:
    ids = await conversation(desk, answers=2)
    thread = await thread_of(desk, ids[0])
    await desk.patch(f"/messages/{ids[2]}", {"standing": "quarantined"})
    shorter = await desk.get(f"/threads/{thread['id']}")
    assert (shorter["message_count"], ids_of(shorter)) == (2, ids[:2])
    assert shorter["last_message_at"] == "2026-03-02T09:00:01Z"
    apart = await desk.post(f"/threads/{thread['id']}/split", {"message_ids": [ids[1], ids[2]]})
    assert apart["message_count"] == 1


async def test_merging_twice_under_one_key_merges_once(desk: Desk) -> None:
    into, other = (await desk.send())["thread_id"], (await desk.send())["thread_id"]
    target = f"{desk.path}/threads/{into}/merge"
    first = await desk.api.live.post(target, {"thread_id": other}, idempotency_key="k")
    again = await desk.api.live.post(target, {"thread_id": other}, idempotency_key="k")
    assert (first.status, first.body) == (200, again.body)
