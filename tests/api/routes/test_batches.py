"""/v1/emails/batch: each email has its own result, and what is taken is taken once."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any

import pytest

from api.mail import batching
from api.refusals import STATUS
from inbound.composed import file_new
from relay.batches.completing import Completer
from relay.batches.records import insert, new_batch
from relay.events import listing
from relay.events.kinds import EventKind
from relay.store import statements
from relay.store.database import Database, Transaction
from relay.submission.repeats import KEY_LIFETIME
from tests.api.client import Answer, Client
from tests.api.conftest import OURS, MakeApi
from tests.api.mail.desk import FAR, Desk, problem, sit_down

pytestmark = pytest.mark.both_engines

PATH = "/v1/emails/batch"
COMPLETED = listing.Filter(kinds=(EventKind.BATCH_COMPLETED,))


def email(number: int = 0, **wish: Any) -> dict[str, Any]:
    """One email; `from_` is the field from."""
    said = {"from": f"app@{OURS}", "to": f"ann{number}@{FAR}", "subject": f"Invoice {number}", "text": "Hi"}
    return said | {name.rstrip("_"): value for name, value in wish.items()}


async def ask(desk: Desk, document: Any, client: Client | None = None, **fields: str) -> Answer:
    return await (client or desk.api.live).post(PATH, document, **fields)


async def take(desk: Desk, *emails: Any, **fields: str) -> Any:
    answer = await ask(desk, {"emails": list(emails)}, None, **fields)
    assert answer.status == 201, answer
    return answer.json


async def get(desk: Desk, batch: Any) -> Any:
    answer = await desk.api.live.get(f"/v1/batches/{batch['id']}")
    assert answer.status == 200, answer
    return answer.json


async def test_each_email_has_its_own_result_in_order(desk: Desk) -> None:
    batch = await take(
        desk,
        email(0, tags=["a"], metadata={"order": "7"}),
        email(1, to=["bob@far.example", "nobody"]),
        {"from": f"app@{OURS}", "to": 5},
        email(3, from_="eve@elsewhere.example"),
        email(4, send_at="2026-03-05T10:00:00Z"),
        email(5, dry_run=True),
        email(6, unknown=1),
        "no email",
    )
    assert (batch["total"], batch["accepted"], batch["refused"], batch["pending"]) == (8, 2, 6, 0)
    told = [(each["index"], each["status"]) for each in batch["results"]]
    statuses = ["queued", "refused", "refused", "refused", "scheduled", "refused", "refused", "refused"]
    assert told == list(enumerate(statuses))
    problems = [each["problem"] for each in batch["results"] if each["status"] == "refused"]
    assert [(each["status"], each["code"]) for each in problems] == [
        (422, "validation_error"),
        (422, "validation_error"),
        (403, "sender_not_allowed"),
        (422, "validation_error"),
        (422, "validation_error"),
        (422, "validation_error"),
    ]
    places = [each["errors"][0]["path"] for each in problems if each.get("errors")]
    assert places == [
        *("$.emails[1].to[1]", "$.emails[2].to", "$.emails[5].dry_run"),
        *("$.emails[6].unknown", "$.emails[7]"),
    ]
    assert problems[0]["detail"].startswith("$.emails[1].to[1]: ")
    first = (await desk.api.live.get(f"/v1/emails/{batch['results'][0]['id']}")).json
    assert (first["subject"], first["tags"], first["metadata"]) == ("Invoice 0", ["a"], {"order": "7"})
    assert first["events"][0]["data"]["batch_id"] == batch["id"]
    listed = (await desk.api.live.get("/v1/emails")).json["data"]
    assert {each["id"] for each in listed} == {each["id"] for each in batch["results"] if "id" in each}


async def test_a_bare_array_is_a_batch_and_its_places_are_the_arrays(desk: Desk) -> None:
    document = [email(0), email(1, to=["bob@far.example", "nobody"]), "no email"]
    answer = await ask(desk, document, Idempotency_Key="k")
    assert answer.status == 201, answer
    assert [each["status"] for each in answer.json["results"]] == ["queued", "refused", "refused"]
    problems = [each["problem"] for each in answer.json["results"][1:]]
    assert [each["errors"][0]["path"] for each in problems] == ["$[1].to[1]", "$[2]"]
    assert problems[0]["detail"].startswith("$[1].to[1]: ")
    assert (await ask(desk, document, Idempotency_Key="k")).body == answer.body
    for wrong in ([], [email()] * 1001):
        assert problem(await ask(desk, wrong)) == (422, "validation_error", "$")
    for malformed in (b"[1", b'[1],"subject":"x"', b"[[[" * 40):
        refused = await desk.api.live.request("POST", PATH, body=malformed)
        assert (refused.status, refused.code) == (400, "malformed_json")
    assert await desk.count("messages") == 1


async def test_a_rehearsal_says_of_each_what_would_be_and_keeps_nothing(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 3})
    await desk.api.live.post("/v1/suppressions", {"address": f"ann1@{FAR}"})
    emails = [*map(email, range(5)), email(5, to="nobody"), email(6, text="x" * 200_000)]
    document = {"emails": emails, "dry_run": True}
    answer = await ask(desk, document)
    assert (answer.status, answer.json["dry_run"], answer.json["accepted"]) == (200, True, 4)
    told = [each["status"] for each in answer.json["results"]]
    assert told == ["queued", "suppressed", "queued", "queued", "refused", "refused", "refused"]
    assert not any("id" in each for each in answer.json["results"])
    for table in ("messages", "letters", "batches", "batch_items"):
        assert await desk.count(table) == 0
    assert (await desk.used(), list(desk.api.house.station.shelf.names())) == (0, [])
    real = await ask(desk, {"emails": emails})
    assert [each["status"] for each in real.json["results"]] == told
    assert problem(await ask(desk, {**document, "emails": [email()] * 101})) == (
        *(422, "validation_error"),
        "$.dry_run",
    )


async def test_a_rehearsal_has_a_key_of_its_own(desk: Desk) -> None:
    document = {"emails": [email()], "idempotency_key": "k"}
    rehearsal = {**document, "dry_run": True}
    first, again = [await ask(desk, rehearsal) for _ in range(2)]
    assert (again.status, again.body, again.fields["idempotent-replayed"]) == (200, first.body, "true")
    assert (await ask(desk, document)).code == "idempotency_mismatch"
    other = {"idempotency_key": "l"}
    assert (await ask(desk, document | other)).status == 201
    assert (await ask(desk, rehearsal | other)).code == "idempotency_mismatch"
    assert await desk.count("messages") == 1


async def test_what_broke_off_without_a_key_is_refused_after_a_time_and_complete(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that broke off one has a key: the same request completes it, for as long as it is known."""
    monkeypatch.setattr(batching, "AT_ONCE", 4)
    calls = 0

    async def fails_second(tx: Transaction, *given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("a fault of ours")
        await file_new(tx, *given)

    monkeypatch.setattr(batching, "file_new", fails_second)
    document = {"emails": [email(number) for number in range(10)]}
    assert (await ask(desk, document)).status == 503
    calls = 0
    assert (await ask(desk, document, Idempotency_Key="k")).status == 503
    rows = await desk.api.house.db.fetch_all("select id, has_key from batches order by has_key")
    without, having = ({"id": row["id"]} for row in rows)

    clock, db = desk.api.clock, desk.api.house.db
    completer = Completer(db, clock, KEY_LIFETIME)
    assert await completer.look() == 0
    clock.advance(minutes=16)
    assert await completer.look() == 6
    left = await get(desk, without)
    assert (left["accepted"], left["refused"], left["pending"]) == (4, 6, 0)
    assert left["completed_at"] is not None
    assert {(each["problem"]["status"], each["problem"]["code"]) for each in left["results"][4:]} == {
        (503, "interrupted")
    }
    assert STATUS["interrupted"] == 503
    (event,) = await listing.latest(db, COMPLETED, 10)
    assert event.data == {"batch_id": without["id"], "total": 10, "accepted": 4, "refused": 6}
    assert (await ask(desk, document, Idempotency_Key="k")).json["accepted"] == 10

    calls = 0
    assert (await ask(desk, document, Idempotency_Key="l")).status == 503
    assert await completer.look() == 0
    clock.advance(hours=25)
    assert await completer.look() == 6
    assert len(await listing.latest(db, COMPLETED, 10)) == 3
    assert (await get(desk, having))["refused"] == 0


@pytest.mark.sqlite_only
async def test_what_was_begun_before_the_owner_of_the_store_is_left_at_once(desk: Desk) -> None:
    db, clock = desk.api.house.db, desk.api.clock
    early = new_batch(clock, desk.api.inbox.tenant_id, None, 3, is_test=False)
    await db.transact(partial(insert, batch=early))
    clock.advance(seconds=1)
    completer = Completer(db, clock, KEY_LIFETIME)
    now = new_batch(clock, desk.api.inbox.tenant_id, None, 3, is_test=False)
    await db.transact(partial(insert, batch=now))
    assert await completer.look() == 3
    assert ((await get(desk, {"id": early.id}))["pending"], (await get(desk, {"id": now.id}))["pending"]) == (
        0,
        3,
    )


async def test_a_batch_tells_what_its_messages_are_now(desk: Desk) -> None:
    batch = await take(desk, email(0), email(1, send_at="2026-03-05T10:00:00Z"), email(2, to="nobody"))
    assert "statuses" not in batch
    later = await get(desk, batch)
    assert later.pop("statuses") == {"queued": 1, "scheduled": 1}
    assert later == batch
    await desk.api.live.delete(f"/v1/emails/{batch['results'][1]['id']}")
    assert (await get(desk, batch))["statuses"] == {"canceled": 1, "queued": 1}


async def test_a_batch_completes_once_and_the_log_says_so(desk: Desk) -> None:
    batch = await take(desk, email(0), email(1, to="nobody"), Idempotency_Key="k")
    await take(desk, email(0), email(1, to="nobody"), Idempotency_Key="k")
    events = await listing.latest(desk.api.house.db, COMPLETED, 10)
    (event,) = events
    assert event.data == {"batch_id": batch["id"], "total": 2, "accepted": 1, "refused": 1}
    assert batch["completed_at"] is not None


async def test_each_recipient_of_a_bulk_gets_words_of_its_own(desk: Desk) -> None:
    answer = await ask(
        desk,
        {
            "from": f"Shop <app@{OURS}>",
            "subject": "Order {{ order }}",
            "html": "<p>Hello {{name}}</p>",
            "tags": ["bulk"],
            "recipients": [
                {"email": f"ann@{FAR}", "name": "Ann <b>", "variables": {"order": 7}},
                {"email": f"bob@{FAR}", "name": "Bob"},
                {"email": "nobody", "variables": {"order": 8}},
                {"email": f"carol@{FAR}", "variables": {"order": 9}, "unknown": 1},
            ],
        },
    )
    assert answer.status == 201, answer
    ann, bob, nobody, carol = answer.json["results"]
    assert bob["problem"]["code"] == "template_missing_variables"
    assert bob["problem"]["errors"][0]["path"] == "$.recipients[1].variables.order"
    assert nobody["problem"]["errors"][0]["path"] == "$.recipients[2].email"
    assert carol["problem"]["errors"][0]["path"] == "$.recipients[3].unknown"
    sent = (await desk.api.live.get(f"/v1/emails/{ann['id']}")).json
    assert (sent["subject"], sent["html"]) == ("Order 7", "<p>Hello Ann &lt;b&gt;</p>")
    assert sent["to"] == [{"address": f"ann@{FAR}", "name": "Ann <b>"}]
    assert sent["tags"] == ["bulk"]
    assert sent["text"].strip() == "Hello Ann <b>"


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, "$.emails"),
        ({"emails": [], "recipients": []}, "$.emails"),
        ({"emails": []}, "$.emails"),
        ({"emails": [email()] * 1001}, "$.emails"),
        ({"emails": [email()], "recipients": [{"email": "a@far.example"}]}, "$.emails"),
        ({"emails": [email()], "subject": "for all"}, "$.subject"),
        ({"emails": [email()], "from": "a@far.example"}, "$.from"),
        ({"recipients": [{"email": "a@far.example"}], "to": "b@far.example"}, "$.to"),
        ({"emails": [email()], "idempotency_key": "ü"}, "$.idempotency_key"),
    ],
)
async def test_what_is_no_batch_is_refused_as_a_whole(desk: Desk, document: Any, path: str) -> None:
    assert problem(await ask(desk, document)) == (422, "validation_error", path)
    assert await desk.count("batches") == 0


async def test_a_cap_in_the_middle_refuses_the_rest_and_loses_nothing(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 120})
    batch = await take(desk, *[email(number) for number in range(300)])
    told = Counter(
        each["problem"]["code"] if each["status"] == "refused" else each["status"]
        for each in batch["results"]
    )
    assert told == {"queued": 120, "mailbox_cap_reached": 180}
    assert [each["status"] for each in batch["results"][:120]] == ["queued"] * 120
    assert (await desk.used(), await desk.count("messages"), await desk.count("letters")) == (120,) * 3
    refused = batch["results"][200]["problem"]
    assert (refused["status"], "more" in refused["detail"] or refused["detail"]) != (429, "")
    small = await take(desk, email(1, to="nobody"))
    assert small["refused"] == 1


async def test_one_that_fits_no_more_lets_a_smaller_one_through(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 4})
    two = [f"x@{FAR}", f"y@{FAR}"]
    batch = await take(desk, email(0, to=[*two, f"z@{FAR}"]), email(1, to=two), email(2), email(3))
    assert [each["status"] for each in batch["results"]] == ["queued", "refused", "queued", "refused"]
    assert await desk.used() == 4


async def test_allowance_that_is_taken_at_once_is_told_as_each_email_took_it(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 5})
    later, two = "2026-03-05T10:00:00Z", [f"x@{FAR}", f"y@{FAR}"]
    batch = await take(desk, email(0, to=two), email(1), email(2, send_at=later), email(3))
    said = [(await desk.api.live.get(f"/v1/emails/{each['id']}")).json for each in batch["results"]]
    told = [shown["events"][0]["data"]["allowance"].partition(" used")[0] for shown in said]
    assert told == ["2 of 5", "3 of 5", "1 of 5", "4 of 5"]
    assert await desk.used() == 4


@pytest.mark.sqlite_only
async def test_a_lot_costs_a_few_statements(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []

    def counting(action: Any) -> Any:
        def counted_action(*args: Any) -> Any:
            counted.append(args[1])
            return action(*args)

        return counted_action

    for name in ("run", "execute_many"):
        monkeypatch.setattr(statements, name, counting(getattr(statements, name)))
    await take(desk, *[email(number) for number in range(60)])
    assert len(counted) < 60


async def test_who_is_suppressed_is_so_in_a_batch_too(desk: Desk) -> None:
    await desk.api.live.post("/v1/suppressions", {"address": f"ann1@{FAR}"})
    await desk.api.live.post("/v1/lists/send/block", {"entry": f"ann2@{FAR}"})
    batch = await take(desk, email(0), email(1), email(2))
    assert [each["status"] for each in batch["results"]] == ["queued", "suppressed", "refused"]
    assert batch["results"][2]["problem"]["code"] == "recipient_not_allowed"


async def test_a_pool_takes_turns_within_a_batch(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 2, "policy.on_cap": "rotate"})
    for number in range(2):
        await desk.api.mailbox(f"team{number}@{OURS}", pool="team", senders=[f"*@{OURS}"])
    wish = email(from_=f"team0@{OURS}", pool="team")
    batch = await take(desk, *[wish] * 5)
    assert [each["status"] for each in batch["results"]] == ["queued"] * 4 + ["refused"]
    assert batch["results"][4]["problem"]["code"] == "no_mailbox_available"
    sent = [(await desk.api.live.get(f"/v1/emails/{each['id']}")).json for each in batch["results"][:4]]
    assert len({each["inbox_id"] for each in sent}) == 2


@pytest.mark.sqlite_only
async def test_a_thousand_cost_a_few_transactions(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 1000})
    counted = 0
    transact = type(desk.api.house.db).transact

    async def counting(self: Database, *given: Any, **how: Any) -> Any:
        nonlocal counted
        counted += 1
        return await transact(self, *given, **how)

    monkeypatch.setattr(type(desk.api.house.db), "transact", counting)
    batch = await take(desk, *[email(number) for number in range(1000)])
    assert batch["accepted"] == 1000
    assert counted <= 1 + 1 + 1000 // batching.AT_ONCE  # the key's use, the places, the lots


async def test_the_same_batch_asked_at_the_same_time_is_one(desk: Desk) -> None:
    document = {"emails": [email(number) for number in range(3)], "idempotency_key": "k1"}
    answers = await asyncio.gather(*(ask(desk, document) for _ in range(20)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.fields for answer in answers) == 19
    assert (await desk.count("messages"), await desk.count("batches")) == (3, 1)
    assert (await ask(desk, {**document, "emails": [email()]})).code == "idempotency_mismatch"
    again = await ask(desk, document, Idempotency_Key="k1")
    assert again.body == answers[0].body
    both = await ask(desk, document, Idempotency_Key="k2")
    assert problem(both) == (422, "validation_error", "$.idempotency_key")


async def test_what_broke_off_is_completed_and_nothing_sent_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second lot of three fails on our side; two others ask again at the same time."""
    monkeypatch.setattr(batching, "AT_ONCE", 4)
    document = {"emails": [email(number) for number in range(10)]}
    calls = 0

    async def fails_once(tx: Transaction, *given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("a fault of ours")
        await file_new(tx, *given)

    monkeypatch.setattr(batching, "file_new", fails_once)
    broken = await ask(desk, document, Idempotency_Key="k")
    assert (broken.status, broken.code) == (503, "not_accepting")
    (row,) = await desk.api.house.db.fetch_all("select id from batches")
    half = await get(desk, row)
    assert (half["accepted"], half["pending"], half["completed_at"]) == (4, 6, None)
    assert half["results"][4] == {"index": 4, "status": "pending"}
    answers = await asyncio.gather(*(ask(desk, document, Idempotency_Key="k") for _ in range(2)))
    for answer in answers:
        assert (answer.status, answer.json["accepted"], answer.json["id"]) == (201, 10, row["id"])
    assert answers[0].json["results"][:4] == half["results"][:4]
    assert (await desk.count("messages"), await desk.count("letters"), await desk.used()) == (10, 10, 10)


@pytest.mark.sqlite_only
async def test_a_large_file_of_a_refused_one_is_not_left_behind(make_api: MakeApi) -> None:
    desk = await sit_down(make_api, {"policy.default_daily_cap": 1})
    large = "x" * 200_000
    batch = await take(desk, email(0, text=large), email(1, text=large))
    assert [each["status"] for each in batch["results"]] == ["queued", "refused"]
    assert len(list(desk.api.house.station.shelf.names())) == 1


async def test_strangers_and_other_inboxes_see_no_batch(make_api: MakeApi) -> None:
    desk = await sit_down(make_api)
    batch = await take(desk, email())
    bound = await desk.api.client(mailbox=await desk.api.mailbox(f"other@{OURS}"))
    for client in (desk.api.foreign, bound):
        assert (await client.get(f"/v1/batches/{batch['id']}")).status == 404
    own = await ask(desk, {"emails": [{"to": f"ann@{FAR}"}, email()]}, bound)
    assert [each["status"] for each in own.json["results"]] == ["queued", "refused"]
    assert own.json["results"][1]["problem"]["code"] == "sender_not_allowed"
    assert (await bound.get(f"/v1/batches/{own.json['id']}")).status == 200


async def test_a_trial_is_a_trial(desk: Desk) -> None:
    answer = await ask(desk, {"emails": [email()]}, desk.api.test)
    assert answer.json["test"] is True
    assert await desk.used() == 0


async def test_a_bulk_with_more_than_the_disk_should_hold_is_refused(desk: Desk) -> None:
    file = {"filename": "a.bin", "content": "AAAA" * 100_000}
    document = {
        "from": f"app@{OURS}",
        "attachments": [file],
        "recipients": [{"email": f"a{number}@{FAR}"} for number in range(1000)],
    }
    answer = await ask(desk, document)
    assert (answer.status, answer.code) == (413, "payload_too_large")


async def test_a_character_that_cannot_be_kept_spoils_one_email_alone(desk: Desk) -> None:
    batch = await take(desk, email(0), email(1, text="a\0b"), email(2))
    assert [each["status"] for each in batch["results"]] == ["queued", "refused", "queued"]
    assert batch["results"][1]["problem"]["errors"][0]["path"] == "$.emails[1]"
    bulk = {"from": f"app@{OURS}", "text": "a\0b", "recipients": [{"email": f"ann@{FAR}"}]}
    assert problem(await ask(desk, bulk)) == (422, "validation_error", "$")
