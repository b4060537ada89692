"""Suppressions many at once: asked about, taken from a file, given as one; and of one stream alone."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from relay.events import listing
from relay.events.kinds import EventKind
from relay.events.listing import Filter
from relay.suppressions import importing, lists
from tests.api.client import Answer, Client
from tests.api.conftest import OURS, Api

PATH = "/v1/suppressions"
ANN, BOB = "ann@far.example", "bob@far.example"


async def give(api: Api, text: str | bytes, query: str = "", client: Client | None = None) -> Answer:
    body = text if isinstance(text, bytes) else text.encode()
    return await (client or api.live).request(
        "POST", f"{PATH}/import{query}", None, body=body, content_type="text/csv; charset=utf-8"
    )


async def taken(api: Api, text: str, query: str = "") -> Any:
    answer = await give(api, text, query)
    assert answer.status == 200, answer.body
    return answer.json


async def entries(api: Api, query: str = "") -> list[Any]:
    return list((await api.live.get(f"{PATH}?limit=200{query}")).json["data"])


async def test_a_list_is_taken_and_what_is_wrong_told_by_line(api: Api) -> None:
    until = (api.clock.now() + timedelta(days=9)).isoformat()
    told = await taken(
        api,
        "\ufeffEmail,Reason,Stream,expires_at\r\n"
        f"Ann@FAR.example,bounce,,\r\n\r\n{BOB},unsubscribe,news,{until}\r\n"
        f"bob@,,,\r\n{ANN},because,,\r\n{ANN},,,2020-01-01T00:00:00Z\r\n{ANN},,,tomorrow\r\n"
        "c d@far.example\r\n"
        f"{ANN},,,,extra\r\nd@far.example\r\n{ANN},manual,{'x' * 65},\r\n",
    )
    assert [(fault["row"], fault["address"]) for fault in told["errors"]] == [
        (5, "bob@"),
        (6, ANN),
        (7, ANN),
        (8, ANN),
        (9, "c d@far.example"),
        (10, ANN),
        (12, ANN),
    ]
    assert {name: told[name] for name in ("rows", "added", "unchanged", "failed", "dry_run")} == {
        "rows": 10,
        "added": 3,
        "unchanged": 0,
        "failed": 7,
        "dry_run": False,
    }
    found = {each["address"]: (each["reason"], each["stream"]) for each in await entries(api)}
    assert found == {ANN: ("bounce", None), BOB: ("unsubscribe", "news"), "d@far.example": ("manual", None)}


async def test_a_dry_run_says_the_same_and_keeps_nothing(api: Api) -> None:
    text = f"{ANN}\n{BOB}\nnobody\n"
    rehearsed = await taken(api, text, "?dry_run=true")
    assert await entries(api) == []
    done = await taken(api, text)
    assert rehearsed == {**done, "dry_run": True}
    assert (done["added"], done["failed"]) == (2, 1)
    again = await taken(api, text)
    assert (again["added"], again["unchanged"]) == (0, 2)


async def test_what_holds_for_longer_stays_and_an_address_may_stand_twice(api: Api) -> None:
    soon, late = ((api.clock.now() + timedelta(days=days)).isoformat() for days in (1, 9))
    await taken(api, f"{ANN},bounce,,{late}")
    assert (await taken(api, f"{ANN},manual,,{soon}"))["unchanged"] == 1
    told = await taken(api, f"{ANN},complaint,,{soon}\n{ANN},complaint,,\n{ANN},manual,,{late}\n")
    assert (told["rows"], told["added"], told["unchanged"]) == (3, 1, 2)
    (entry,) = await entries(api)
    assert (entry["reason"], entry["expires_at"]) == ("complaint", None)


async def test_a_list_in_many_parts_is_one_event(api: Api) -> None:
    text = "".join(f"user{number}@far.example\n" for number in range(2 * importing.AT_ONCE + 3))
    assert (await taken(api, text))["added"] == 2 * importing.AT_ONCE + 3
    events = await listing.latest(api.house.db, Filter(kinds=(EventKind.SUPPRESSION_IMPORTED,)), 10)
    assert [event.data["added"] for event in events] == [2 * importing.AT_ONCE + 3]
    assert await listing.latest(api.house.db, Filter(kinds=(EventKind.SUPPRESSION_CREATED,)), 10) == []


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        b"address,colour\nann@far.example,red\n",
        b"address,email\na@far.example,b@far.example\n",
        b'ann@far.example\n"open\n',
        b"ann@far.example\n" + b"x" * 200_000 + b"\n",
    ],
)
async def test_what_is_no_list_is_refused_and_nothing_taken(api: Api, text: bytes) -> None:
    answer = await give(api, text)
    assert (answer.status, answer.code) == (422, "validation_error")
    assert await entries(api) == []


async def test_more_rows_than_one_list_has_are_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_ROWS", 3)
    for text in ("a@far.example\n" * 4, "\n" * 9):
        answer = await give(api, text)
        assert (answer.status, answer.code) == (413, "payload_too_large")
    assert await entries(api) == []


async def test_another_media_type_is_refused(api: Api) -> None:
    answer = await api.live.request("POST", f"{PATH}/import", {"address": ANN})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_an_import_under_a_key_is_done_once(api: Api) -> None:
    asked = {"content_type": "text/csv", "idempotency_key": "list-1"}
    first = await api.live.request("POST", f"{PATH}/import", None, body=ANN.encode(), **asked)
    await api.live.delete(f"{PATH}/{ANN}")
    again = await api.live.request("POST", f"{PATH}/import", None, body=ANN.encode(), **asked)
    assert (again.body, again.fields["idempotent-replayed"]) == (first.body, "true")
    assert await entries(api) == []


async def test_an_export_is_what_an_import_takes(api: Api) -> None:
    until = (api.clock.now() + timedelta(days=9)).isoformat()
    await taken(
        api, f'{ANN},bounce,,\n"b ""c, d""@far.example",,,\n{BOB},unsubscribe,"news, weekly",{until}\n'
    )
    answer = await api.live.get(f"{PATH}/export")
    assert answer.fields["content-type"] == "text/csv; charset=utf-8"
    assert answer.fields["content-disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert {row["address"]: (row["reason"], row["stream"]) for row in rows} == {
        ANN: ("bounce", ""),
        BOB: ("unsubscribe", "news, weekly"),
    }
    before = await entries(api)
    for entry in before:
        await api.live.delete(f"{PATH}/{entry['id']}")
    told = await taken(api, answer.body.decode())
    assert (told["added"], told["failed"]) == (2, 0)
    kept = [{**each, "id": "", "created_at": ""} for each in await entries(api)]
    assert sorted(kept, key=str) == sorted(({**each, "id": "", "created_at": ""} for each in before), key=str)


async def test_many_entries_are_exported_in_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.routes.suppression_lists._PAGE", 7)
    await taken(api, "".join(f"user{number}@far.example\n" for number in range(20)))
    rows = (await api.live.get(f"{PATH}/export")).body.decode().splitlines()
    assert len(rows) == 21
    assert len(set(rows)) == 21


async def test_many_addresses_are_asked_about_before_a_send(api: Api) -> None:
    await taken(api, f"{ANN},bounce,,\n{BOB},unsubscribe,news,\n{ANN},unsubscribe,news,\n")
    asked = {"addresses": ["Bob@far.example", "carol@far.example", ANN], "stream": "news"}
    data = (await api.live.post(f"{PATH}/check", asked)).json["data"]
    assert [(each["address"], each["suppressed"], each["reason"], each["stream"]) for each in data] == [
        ("Bob@far.example", True, "unsubscribe", "news"),
        ("carol@far.example", False, None, None),
        (ANN, True, "bounce", None),
    ]
    data = (await api.live.post(f"{PATH}/check", {"addresses": [BOB, ANN]})).json["data"]
    assert [each["suppressed"] for each in data] == [False, True]
    data = (await api.foreign.post(f"{PATH}/check", {"addresses": [ANN]})).json["data"]
    assert data[0]["suppressed"] is False


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        ({"addresses": []}, "$.addresses"),
        ({"addresses": [ANN, "bob@"]}, "$.addresses[1]"),
        ({"addresses": [ANN] * 1001}, "$.addresses"),
        ({"addresses": [ANN], "stream": " x"}, "$.stream"),
    ],
)
async def test_a_question_that_cannot_be_meant_is_refused(api: Api, wish: Any, path: str) -> None:
    answer = await api.live.post(f"{PATH}/check", wish)
    assert (answer.status, answer.json["errors"][0]["path"]) == (422, path)


async def test_an_entry_of_one_stream_is_made_found_and_removed(api: Api) -> None:
    made = (await api.live.post(PATH, {"address": ANN, "stream": "news", "reason": "unsubscribe"})).json
    assert (made["stream"], made["reason"]) == ("news", "unsubscribe")
    await api.live.post(PATH, {"address": BOB})
    assert [each["address"] for each in await entries(api, "&stream=news")] == [ANN]
    assert [each["address"] for each in await entries(api, "&reason=manual")] == [BOB]
    assert (await api.live.get(f"{PATH}/{ANN}")).status == 404
    assert (await api.live.get(f"{PATH}/{ANN}?stream=news")).json == made
    assert (await api.live.delete(f"{PATH}/{ANN}?stream=other")).status == 404
    assert (await api.live.delete(f"{PATH}/{ANN}?stream=news")).status == 204
    assert await entries(api, "&stream=news") == []


async def test_lists_are_for_keys_of_the_whole_tenant(api: Api) -> None:
    bound = await api.client(mailbox=api.inbox)
    assert (await give(api, ANN, client=bound)).code == "insufficient_scope"
    assert (await bound.get(f"{PATH}/export")).code == "insufficient_scope"
    assert (await bound.post(f"{PATH}/check", {"addresses": [ANN]})).code == "insufficient_scope"
    await taken(api, ANN)
    assert (await api.foreign.get(f"{PATH}/export")).body.decode() == lists.heading()
    assert OURS not in (await api.foreign.get(f"{PATH}/export")).body.decode()


def test_whatever_a_file_holds_is_read_or_told() -> None:
    """Nothing in a row is anything but an entry or a fault."""
    from hypothesis import given
    from hypothesis import strategies as st

    from relay.clock import SystemClock
    from relay.errors import InvalidInput

    now = SystemClock().now()

    @given(st.text(st.sampled_from('a@b.c,"\n\r\0; =é2027-01-31T12:00:00Z'), max_size=60))
    def check(text: str) -> None:
        try:
            rows = list(lists.read(text, now))
        except InvalidInput:
            return
        assert len(rows) == lists.count(text)

    check()
