"""/v1/emails: whose inbox sends, what is rehearsed, and what can still be changed before its time."""

import asyncio
from typing import Any

import pytest

from inbound.reading.parse import parse
from relay.queue.state import State
from tests.api.client import Answer, Client
from tests.api.conftest import OURS, MakeApi
from tests.api.mail.desk import FAR, Desk, problem, sit_down

LATER = "2026-03-05T10:00:00Z"
MUCH_LATER = "2026-03-09T10:00:00Z"


async def ask(desk: Desk, client: Client | None = None, **wish: Any) -> Answer:
    """POST /v1/emails; `from_` is the field from, `...` leaves a field out."""
    document: dict[str, Any] = {
        "from": f"app@{OURS}",
        "to": f"ann@{FAR}",
        "subject": "Invoice 7",
        "text": "Please pay.",
    }
    document |= {name.rstrip("_"): value for name, value in wish.items()}
    document = {name: value for name, value in document.items() if value is not ...}
    return await (client or desk.api.live).post("/v1/emails", document)


async def send(desk: Desk, **wish: Any) -> Any:
    answer = await ask(desk, **wish)
    assert answer.status == 201, answer
    return answer.json


async def get(desk: Desk, target: str) -> Any:
    answer = await desk.api.live.get(f"/v1/emails{target}")
    assert answer.status == 200, answer
    return answer.json


async def test_the_inbox_of_its_sender_sends_it_and_has_it(desk: Desk) -> None:
    sent = await send(desk, from_=f"Shop <app+news@{OURS}>", tags={"kind": "order"}, metadata={"order": "7"})
    assert (sent["inbox_id"], sent["status"]) == (desk.api.inbox.id, "queued")
    assert sent["from"] == {"address": f"app+news@{OURS}", "name": "Shop"}
    assert (sent["tags"], sent["metadata"]) == (["kind:order"], {"order": "7"})
    whole = await get(desk, f"/{sent['id']}")
    events = whole.pop("events")
    assert whole == sent
    assert [event["kind"] for event in events] == ["message.accepted"]
    assert await desk.get(f"/messages/{sent['id']}") == sent


@pytest.mark.parametrize("to", [{"email": f"ann@{FAR}", "name": "Ann"}, [f"Ann <ann@{FAR}>"]])
async def test_people_have_an_email_or_an_address(desk: Desk, to: Any) -> None:
    assert (await send(desk, to=to))["to"] == [{"address": f"ann@{FAR}", "name": "Ann"}]


async def test_a_person_with_both_or_neither_is_refused(desk: Desk) -> None:
    for one in ({"name": "Ann"}, {"address": f"ann@{FAR}", "email": f"ann@{FAR}"}):
        assert problem(await ask(desk, to=[one])) == (422, "validation_error", "$.to[0]")


async def test_html_alone_gets_a_text_beside_it(desk: Desk) -> None:
    sent = await send(desk, text=..., html="<p>Please <b>pay</b>.</p><p>Thanks</p>")
    header, _, body = (await desk.raw(sent["id"])).partition(b"\r\n\r\n")
    parsed = parse(header + b"\r\n", body)
    assert parsed.text.split() == ["Please", "pay.", "Thanks"]
    assert "<b>pay</b>" in (parsed.html or "")


async def test_who_sends_may_be_said_in_other_ways(make_api: MakeApi) -> None:
    desk = await sit_down(make_api)
    other = await desk.api.mailbox(f"other@{OURS}", pool="team")
    assert (await send(desk, from_=..., inbox_id=other.id))["inbox_id"] == other.id
    assert (await send(desk, from_=..., pool="team"))["from"]["address"] == f"other@{OURS}"
    bound = await desk.api.client(mailbox=desk.api.inbox)
    assert (await ask(desk, bound, from_=...)).json["inbox_id"] == desk.api.inbox.id
    assert (await ask(desk, bound, from_=f"other@{OURS}")).code == "sender_not_allowed"
    assert problem(await ask(desk, from_=...)) == (422, "validation_error", "$.from")
    assert problem(await ask(desk, from_=..., pool="nobody")) == (422, "validation_error", "$.pool")
    assert (await ask(desk, from_="eve@elsewhere.example")).code == "sender_not_allowed"
    assert (await ask(desk, desk.api.foreign)).code == "sender_not_allowed"


async def test_a_pool_without_allowance_says_so(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 1})
    await desk.api.mailbox(f"other@{OURS}", pool="team")
    await send(desk, from_=..., pool="team")
    answer = await ask(desk, from_=..., pool="team")
    assert (answer.status, answer.code) == (429, "no_mailbox_available")
    assert "retry-after" in answer.fields


async def test_a_rehearsal_decides_everything_and_keeps_nothing(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 1})
    answer = await ask(desk, dry_run=True, send_at=LATER)
    assert (answer.status, answer.json["dry_run"], answer.json["status"]) == (200, True, "scheduled")
    assert [each["address"] for each in answer.json["recipients"]] == [f"ann@{FAR}"]
    accepted, scheduled = answer.json["events"]
    assert (accepted["kind"], accepted["data"]["allowance_day"]) == ("message.accepted", "2026-03-05")
    assert accepted["data"]["allowance"] == "1 of 1 used on 2026-03-05"
    assert scheduled["kind"] == "message.scheduled"
    assert (await desk.api.live.get(f"/v1/emails/{answer.json['id']}")).status == 404
    for table in ("messages", "recipients", "letters", "allowances"):
        assert await desk.count(table) == 0
    await send(desk)
    assert (await ask(desk, dry_run=True)).code == "mailbox_cap_reached"


async def test_a_repeated_request_is_answered_once(desk: Desk) -> None:
    document: dict[str, Any] = {"from": f"app@{OURS}", "to": f"ann@{FAR}", "text": "hi"}
    answers = await asyncio.gather(
        *(desk.api.live.post("/v1/emails", document, Idempotency_Key="k1") for _ in range(20))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert await desk.count("messages") == 1


async def test_the_key_may_stand_in_the_body(desk: Desk) -> None:
    first = await send(desk, idempotency_key="k1")
    again = await ask(desk, idempotency_key="k1")
    assert (again.json, again.fields["idempotent-replayed"]) == (first, "true")
    document = {"from": f"app@{OURS}", "to": f"ann@{FAR}", "text": "hi", "idempotency_key": "k2"}
    both = await desk.api.live.post("/v1/emails", document, Idempotency_Key="k2")
    assert both.status == 201
    assert (await desk.api.live.post("/v1/emails", document)).body == both.body
    different = await desk.api.live.post("/v1/emails", document, Idempotency_Key="k3")
    assert problem(different) == (422, "validation_error", "$.idempotency_key")
    assert (await ask(desk, idempotency_key="k1", text="else")).code == "idempotency_mismatch"
    for wrong in ("ä", "a\nb"):
        assert problem(await ask(desk, idempotency_key=wrong))[2] == "$.idempotency_key"
    assert await desk.count("messages") == 2


async def test_a_place_of_its_own_has_clocks_of_its_own(desk: Desk) -> None:
    sent = await send(desk, send_at_local="2026-03-29T09:00", timezone="Europe/Berlin")
    assert sent["send_at"] == "2026-03-29T07:00:00Z"  # summer time has begun at two


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        ({"send_at_local": "2026-03-29T09:00"}, "$.timezone"),
        ({"timezone": "Europe/Berlin"}, "$.timezone"),
        ({"send_at_local": "2026-03-29T09:00", "timezone": "Mars/Base"}, "$.timezone"),
        ({"send_at_local": "2026-03-29T09:00", "timezone": "../../etc/passwd"}, "$.timezone"),
        ({"send_at_local": "2026-03-29T09:00Z", "timezone": "UTC"}, "$.send_at_local"),
        ({"send_at_local": "soon", "timezone": "UTC"}, "$.send_at_local"),
        ({"send_at_local": "2026-03-29T09:00", "timezone": "UTC", "send_at": LATER}, "$.send_at_local"),
        ({"send_at_local": "2027-03-29T09:00", "timezone": "UTC"}, "$.send_at"),
        ({"tags": {"kind": "a\nb"}}, "$.tags.kind"),
    ],
)
async def test_what_cannot_be_meant_is_named(desk: Desk, wish: dict[str, Any], path: str) -> None:
    assert problem(await ask(desk, **wish)) == (422, "validation_error", path)


async def test_lists_are_narrowed_by_what_was_sent_and_became_of_it(desk: Desk) -> None:
    first = await send(desk, tags=["a"], to=f"bob@{FAR}")
    second = await send(desk, tags={"kind": "order"}, send_at=LATER)
    await desk.arrives(b"From: ann@far.example\r\n\r\nHi\r\n")

    async def ids(query: str = "") -> list[str]:
        return [email["id"] for email in (await get(desk, query))["data"]]

    assert await ids() == [second["id"], first["id"]]
    assert await ids("?tag=a") == [first["id"]]
    assert await ids("?tag=kind:order&status=scheduled") == [second["id"]]
    assert await ids("?status=delivered") == []
    assert await ids(f"?to=bob@{FAR}") == [first["id"]]
    assert await ids(f"?from=app@{OURS}&limit=1") == [second["id"]]
    assert await ids(f"?inbox=app@{OURS}&until=2026-01-01T00:00:00Z") == []
    page = await get(desk, "?limit=1")
    assert page["has_more"]
    assert await ids(f"?limit=1&cursor={page['next_cursor']}") == [first["id"]]
    assert problem(await desk.api.live.get("/v1/emails?from=nobody"))[2] == "?from"


async def test_a_scheduled_email_is_taken_back_and_its_allowance_returns(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 1})
    sent = await send(desk, send_at=LATER)
    assert (await ask(desk, send_at=LATER)).code == "mailbox_cap_reached"
    answer = await desk.api.live.delete(f"/v1/emails/{sent['id']}")
    assert (answer.status, answer.json["status"]) == (200, "canceled")
    assert [event["kind"] for event in answer.json["events"]][-1] == "message.canceled"
    await send(desk, send_at=LATER)
    again = await desk.api.live.delete(f"/v1/emails/{sent['id']}")
    assert (again.status, again.code) == (409, "not_scheduled")


async def test_another_time_draws_on_another_day(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 1})
    sent = await send(desk, send_at=LATER)
    full = await send(desk, send_at=MUCH_LATER)
    path = f"/v1/emails/{sent['id']}"
    answer = await desk.api.live.patch(path, {"send_at": MUCH_LATER})
    assert (answer.status, answer.code) == (429, "mailbox_cap_reached")
    assert (await get(desk, f"/{sent['id']}"))["send_at"] == LATER

    await desk.api.live.delete(f"/v1/emails/{full['id']}")
    moved = await desk.api.live.patch(
        path, {"send_at_local": "2026-03-09T11:00", "timezone": "Europe/Berlin"}
    )
    assert (moved.status, moved.json["send_at"]) == (200, MUCH_LATER)
    assert moved.json["recipients"][0]["next_attempt_at"] == MUCH_LATER
    assert (await ask(desk, send_at=MUCH_LATER)).code == "mailbox_cap_reached"
    await send(desk, send_at=LATER)


async def test_what_is_under_way_keeps_its_time(desk: Desk) -> None:
    sent = await send(desk)
    for answer in (
        await desk.api.live.patch(f"/v1/emails/{sent['id']}", {"send_at": LATER}),
        await desk.api.live.delete(f"/v1/emails/{sent['id']}"),
    ):
        assert (answer.status, answer.code) == (409, "not_scheduled")
    assert problem(await desk.api.live.patch(f"/v1/emails/{sent['id']}", {}))[2] == "$.send_at"


async def test_one_whose_time_is_made_now_is_due_now(desk: Desk) -> None:
    sent = await send(desk, send_at=LATER)
    answer = await desk.api.live.patch(f"/v1/emails/{sent['id']}", {"send_at": "2026-01-01T00:00:00Z"})
    (recipient,) = answer.json["recipients"]
    assert recipient["status"] == State.SCHEDULED
    assert recipient["next_attempt_at"] == answer.json["send_at"] < LATER


async def test_strangers_inboxes_and_trials_have_emails_of_their_own(make_api: MakeApi) -> None:
    desk = await sit_down(make_api)
    sent = await send(desk, send_at=LATER)
    other = await desk.api.mailbox(f"other@{OURS}")
    bound = await desk.api.client(mailbox=other)
    for client in (desk.api.foreign, bound):
        assert (await client.get("/v1/emails")).json["data"] == []
        for answer in (
            await client.get(f"/v1/emails/{sent['id']}"),
            await client.patch(f"/v1/emails/{sent['id']}", {"send_at": MUCH_LATER}),
            await client.delete(f"/v1/emails/{sent['id']}"),
        ):
            assert answer.status == 404
    assert (await desk.api.test.delete(f"/v1/emails/{sent['id']}")).status == 404
    received = await desk.arrives(b"From: ann@far.example\r\n\r\nHi\r\n")
    assert (await desk.api.live.get(f"/v1/emails/{received.message_id}")).status == 404
