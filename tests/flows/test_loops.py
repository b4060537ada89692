"""Two programs that answer whatever comes do not write to each other for ever."""

from typing import Any

import pytest

from tests.api.client import Client
from tests.flows.conftest import MakeHouse
from tests.flows.house import OURS, House
from tests.flows.letters import received, written
from tests.flows.programs import program

pytestmark = pytest.mark.both_engines

ANN, BOB = f"ann@{OURS}", f"bob@{OURS}"


async def inboxes(house: House) -> None:
    await house.mailbox(ANN, daily_cap=1000)
    await house.mailbox(BOB, daily_cap=1000)


async def newest(client: Client, inbox: str) -> Any:
    """The message that came last."""
    found = (await client.get(f"/v1/inboxes/{inbox}/messages?direction=in&limit=1")).json["data"]
    return found[0]


async def answer(client: Client, inbox: str, **wish: Any) -> Any:
    asked = await newest(client, inbox)
    return await client.post(
        f"/v1/inboxes/{inbox}/messages/{asked['id']}/reply", {"text": "And you?", **wish}
    )


async def test_two_inboxes_that_answer_each_other_stop(make_house: MakeHouse) -> None:
    house = await make_house({"limits.replies_per_thread_per_hour": 5})
    await inboxes(house)
    client = await program(house)
    sent = await client.post(
        f"/v1/inboxes/{ANN}/messages", {"to": BOB, "subject": "Hi", "text": "How are you?"}
    )
    assert sent.status == 201
    turns = 0
    for here in [BOB, ANN] * 20:
        await house.run_until_idle()
        answered = await answer(client, here)
        if answered.status != 201:
            break
        turns += 1
        house.clock.advance(minutes=1)
    # Ann wrote the first message and four answers, Bob five answers.
    assert turns == 9
    assert (answered.status, answered.code) == (429, "reply_limit_reached")
    # Ann's first went out nine minutes ago.
    assert answered.fields["retry-after"] == str(51 * 60)

    house.clock.advance(minutes=51)
    assert (await answer(client, here)).status == 201


async def test_a_thread_that_is_full_holds_up_no_other(make_house: MakeHouse) -> None:
    house = await make_house({"limits.replies_per_thread_per_hour": 1})
    client = await program(house)
    app = f"app@{OURS}"
    first = await received(house, written(subject="one"))
    second = await received(house, written(subject="two"))
    for letter, status in ((first, 201), (first, 429), (second, 201)):
        told = await client.post(f"/v1/inboxes/{app}/messages/{letter.message_id}/reply", {"text": "Yes."})
        assert told.status == status


MARKS = {
    "auto-submitted": ("Auto-Submitted: auto-generated",),
    "precedence": ("Precedence: bulk",),
    "vacation": ("X-Autoreply: yes",),
    "list": ("List-Id: <news.far.example>",),
}


@pytest.mark.parametrize("marks", MARKS)
async def test_what_a_program_wrote_is_answered_only_when_that_is_forced(house: House, marks: str) -> None:
    client = await program(house)
    letter = await received(house, written(*MARKS[marks]))
    target = f"/v1/inboxes/app@{OURS}/messages/{letter.message_id}"
    refused = await client.post(f"{target}/reply", {"text": "Thank you."})
    assert (refused.status, refused.code) == (409, "automatic_message")
    assert "allow_automatic" in refused.json["detail"]
    assert (await client.post(f"{target}/reply-all", {"text": "Thank you."})).status == 409
    thread = f"/v1/inboxes/app@{OURS}/threads/{letter.thread_id}/reply"
    assert (await client.post(thread, {"text": "Thank you."})).status == 409
    assert (
        await client.post(f"{target}/reply", {"text": "Thank you.", "allow_automatic": True})
    ).status == 201


async def test_what_came_from_nobody_is_not_answered(house: House) -> None:
    client = await program(house)
    letter = await received(house, written(subject="A notice"), sender="")
    target = f"/v1/inboxes/app@{OURS}/messages/{letter.message_id}/reply"
    assert (await client.post(target, {"text": "Thank you."})).code == "automatic_message"


async def test_a_draft_that_answers_a_program_says_so(house: House) -> None:
    client = await program(house)
    letter = await received(house, written("Auto-Submitted: auto-replied"))
    drafts = f"/v1/inboxes/app@{OURS}/drafts"
    draft = (await client.post(drafts, {"in_reply_to": letter.message_id, "text": "Thank you."})).json
    assert (await client.post(f"{drafts}/{draft['id']}/send")).code == "automatic_message"
    assert (await client.patch(f"{drafts}/{draft['id']}", {"allow_automatic": True})).status == 200
    assert (await client.post(f"{drafts}/{draft['id']}/send")).status == 201
