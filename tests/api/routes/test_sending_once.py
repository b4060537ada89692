"""Idempotency-Key with mail: done once, answered the same every time, and free after a refusal."""

import asyncio
from typing import Any

from tests.api.conftest import MakeApi
from tests.api.mail.desk import FAR, Desk, mail, sit_down

WISH: dict[str, Any] = {"to": f"ann@{FAR}", "subject": "Invoice 7", "text": "Please pay."}


async def test_five_hundred_at_once_make_one_message(desk: Desk) -> None:
    target = f"{desk.path}/messages"
    answers = await asyncio.gather(
        *(desk.api.live.post(target, WISH, idempotency_key="k") for _ in range(500))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    for table in ("messages", "recipients", "letters", "letter_texts", "threads"):
        assert await desk.count(table) == 1
    assert await desk.used() == 1
    replays = [answer for answer in answers if answer.fields.get("idempotent-replayed") == "true"]
    assert len(replays) == 499


async def test_another_body_under_the_key_is_409(desk: Desk) -> None:
    target = f"{desk.path}/messages"
    await desk.api.live.post(target, WISH, idempotency_key="k")
    answer = await desk.api.live.post(target, {**WISH, "text": "Another."}, idempotency_key="k")
    assert (answer.status, answer.code) == (409, "idempotency_mismatch")
    assert await desk.count("messages") == 1


async def test_a_refused_try_leaves_the_key_free(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 1})
    target = f"{desk.path}/messages"
    refused = await desk.api.live.post(target, {**WISH, "to": "Name <bad"}, idempotency_key="k")
    assert refused.status == 422
    first = await desk.api.live.post(target, WISH, idempotency_key="k")
    assert first.status == 201
    full = await desk.api.live.post(target, WISH, idempotency_key="later")
    assert full.status == 429
    desk.api.clock.advance(days=1)
    assert (await desk.api.live.post(target, WISH, idempotency_key="later")).status == 201


async def test_an_answer_is_replayed_too(desk: Desk) -> None:
    letter = await desk.arrives(mail("Message-ID: <b1@far.example>"))
    target = f"{desk.path}/messages/{letter.message_id}/reply"
    answers = [await desk.api.live.post(target, {"text": "Yes."}, idempotency_key="k") for _ in range(3)]
    assert len({answer.body for answer in answers}) == 1
    assert await desk.count("letters") == 2
    # The same words elsewhere are something else: the key stands for one place.
    other = await desk.api.live.post(f"{target}-all", {"text": "Yes."}, idempotency_key="k")
    assert other.json["id"] != answers[0].json["id"]


async def test_the_first_answer_stands_whatever_was_changed_since(desk: Desk) -> None:
    target = f"{desk.path}/messages"
    first = await desk.api.live.post(target, WISH, idempotency_key="k")
    await desk.patch(f"/messages/{first.json['id']}", {"labels": ["later"]})
    again = await desk.api.live.post(target, WISH, idempotency_key="k")
    assert again.body == first.body


async def test_a_test_key_does_not_share_keys_with_a_live_one(desk: Desk) -> None:
    target = f"{desk.path}/messages"
    live = await desk.api.live.post(target, WISH, idempotency_key="k")
    trial = await desk.api.test.post(target, WISH, idempotency_key="k")
    assert (live.json["test"], trial.json["test"]) == (False, True)
    assert await desk.used() == 1


async def test_a_draft_is_sent_once_and_answered_again(desk: Desk) -> None:
    draft = await desk.post("/drafts", WISH)
    target = f"{desk.path}/drafts/{draft['id']}/send"
    answers = await asyncio.gather(*(desk.api.live.post(target, {}, idempotency_key="k") for _ in range(50)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert await desk.count("messages") == 1
