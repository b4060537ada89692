"""A test key's mail from request to webhook, through real SMTP; what was caught; events raised by hand."""

import json
import re
from datetime import datetime
from email import message_from_bytes
from typing import Any
from urllib.parse import urlsplit

import pytest
import standardwebhooks

from relay.events import log
from relay.events.kinds import BY_NAME, EventKind
from relay.sandbox.samples import sample
from relay.store.database import Transaction
from relay.suppressions import records as suppressions
from relay.tenants import key_changes
from relay.tenants.key_changes import NewKey
from relay.tenants.tenants import DEFAULT_TENANT
from relay.webhooks.assembly import build_sender
from tests.api.client import Answer, Client
from tests.api.mail.test_over_the_wire import Keys, dns, keys, mx, taken
from tests.fakes.clock import FakeClock
from tests.fakes.fixtures import receiver
from tests.flows.conftest import MakeHouse, make_house
from tests.flows.house import OURS, House
from tests.relay.webhooks.receiver import Receiver, Request

__all__ = ["dns", "keys", "make_house", "mx", "receiver"]

LATE, COMPLAINS = "late-bounce+1@simulator.test", "complain@simulator.test"
EMAIL = {
    "from": f"App <app@{OURS}>",
    "to": COMPLAINS,
    "subject": "Grüße",
    "html": "<p>Shall we say <b>Tuesday</b>?</p>",
    "tags": ["order"],
    "metadata": {"order": "7"},
}


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    return await make_house({"webhooks.allow_private_networks": True})


async def client_of(house: House, keys: Keys, **wanted: Any) -> Client:
    """A client with a test key that is narrowed."""
    new = NewKey(name="narrow", mode="test", **wanted)
    made = await house.station.db.transact(
        lambda tx: key_changes.create(tx, house.clock, DEFAULT_TENANT, new)
    )
    return Client(keys.test.app, made.secret)


async def post_all(house: House) -> None:
    sender = build_sender(house.station)
    while await sender.step():
        await sender.idle()


def believed(request: Request, secret: str) -> bool:
    """Whether a library that people use would sign it so; the house's clock is not the machine's."""
    id_, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    at = datetime.fromtimestamp(int(stamp)).astimezone()
    return (
        standardwebhooks.Webhook(secret).sign(id_, at, request.body.decode())
        == (request.headers["webhook-signature"])
    )


def problem(answer: Answer) -> tuple[int, str, list[str]]:
    return answer.status, answer.code, [error["path"] for error in answer.json.get("errors", [])]


async def test_what_comes_back_and_what_is_raised_by_hand_arrives_as_verified_webhooks_in_order(
    house: House, keys: Keys, receiver: Receiver
) -> None:
    hook = taken(await keys.test.post("/v1/webhooks", {"url": receiver.url, "events": ["message.*"]}))
    live = taken(await keys.live.post("/v1/webhooks", {"url": f"{receiver.url}/live"}))
    sent = taken(await keys.test.post("/v1/emails", {**EMAIL, "to": [LATE, COMPLAINS]}))
    await house.run_until_idle()
    for kind in ("opened", "clicked", "unsubscribed"):
        wanted = {"kind": f"message.{kind}", "message_id": sent["id"], "recipient": COMPLAINS}
        house.clock.advance(seconds=1)
        taken(await keys.test.post("/v1/test/events", wanted))
    await post_all(house)

    assert all(believed(request, hook["secret"]) for request in receiver.requests)
    assert not any(request.line.split()[1].endswith("/live") for request in receiver.requests)
    told = [request.event for request in receiver.requests]
    about_it = [each for each in told if each["data"]["message_id"] == sent["id"]]
    of = {
        name: [e["type"][8:] for e in about_it if e["data"].get("recipient") == name]
        for name in (LATE, COMPLAINS)
    }
    assert about_it[0]["type"] == "message.accepted"
    assert of[LATE] == ["sent", "delivered", "bounced"]
    assert of[COMPLAINS] == ["sent", "delivered", "complained", "opened", "clicked", "unsubscribed"]
    assert [each["timestamp"] for each in about_it] == sorted(each["timestamp"] for each in about_it)
    assert all(each["data"]["test"] for each in told)
    assert {json.dumps(each["data"]["metadata"]) for each in about_it} == {'{"order": "7"}'}
    assert {each["data"]["subject"] for each in about_it} == {"Grüße"}
    # Beside it, the two reports that came back.
    assert [each["type"] for each in told if each not in about_it] == ["message.received"] * 2

    assert house.mx.sessions == 0
    assert await house.used_today() == 0
    assert await suppressions.page(house.station.db, DEFAULT_TENANT) == []
    assert (await keys.live.get(f"/v1/webhooks/{live['id']}/attempts")).json["data"] == []


async def test_what_was_caught_is_listed_shown_and_cleared(house: House, keys: Keys) -> None:
    for to in (COMPLAINS, "bob@elsewhere.example"):
        taken(await keys.test.post("/v1/emails", {**EMAIL, "to": to}))
        await house.run_until_idle()
        house.clock.advance(seconds=1)
    page = taken(await keys.test.get("/v1/test/emails"))
    second, first = page["data"]
    assert (first["recipients"], second["recipients"]) == ([COMPLAINS], ["bob@elsewhere.example"])
    of_one = taken(await keys.test.get(f"/v1/test/emails?message={first['message_id']}"))
    assert of_one["data"] == [first]
    shown = taken(await keys.test.get(f"/v1/test/emails/{first['id']}"))
    assert shown["html"].strip() == EMAIL["html"]
    assert shown["text"].strip() == "Shall we say Tuesday?"
    assert shown["headers"][0][0] == "dkim-signature"
    raw = await keys.test.get(f"/v1/test/emails/{first['id']}/raw")
    assert raw.fields["content-type"] == "message/rfc822"
    assert message_from_bytes(raw.body)["DKIM-Signature"]
    assert len(raw.body) == first["size"]

    assert (await keys.test.delete(f"/v1/test/emails/{first['id']}")).status == 204
    assert (await keys.test.get(f"/v1/test/emails/{first['id']}")).status == 404
    assert taken(await keys.test.delete("/v1/test/emails")) == {"cleared": 1}
    assert taken(await keys.test.get("/v1/test/emails"))["data"] == []


async def test_a_live_key_raises_nothing_and_sees_what_was_caught(house: House, keys: Keys) -> None:
    taken(await keys.test.post("/v1/emails", EMAIL))
    await house.run_until_idle()
    assert len(taken(await keys.live.get("/v1/test/emails"))["data"]) == 1
    refused = await keys.live.post("/v1/test/events", {"kind": "message.opened"})
    assert problem(refused)[:2] == (403, "insufficient_scope")


async def test_what_is_of_another_inbox_is_not_there(house: House, keys: Keys) -> None:
    taken(await keys.test.post("/v1/emails", EMAIL))
    await house.run_until_idle()
    (caught,) = taken(await keys.test.get("/v1/test/emails"))["data"]
    other = await house.mailbox(f"other@{OURS}")
    bound = await client_of(house, keys, mailboxes=(other,))
    assert taken(await bound.get("/v1/test/emails"))["data"] == []
    for path in (f"/v1/test/emails/{caught['id']}", f"/v1/test/emails/{caught['id']}/raw"):
        assert (await bound.get(path)).status == 404
    assert (await bound.delete(f"/v1/test/emails/{caught['id']}")).status == 404
    assert taken(await bound.delete("/v1/test/emails")) == {"cleared": 0}
    about_it = {"kind": "message.opened", "message_id": caught["message_id"]}
    assert (await bound.post("/v1/test/events", about_it)).status == 404


async def test_each_mode_sees_its_own_events(house: House, keys: Keys) -> None:
    taken(await keys.test.post("/v1/emails", EMAIL))
    live = taken(await keys.live.post("/v1/emails", {**EMAIL, "to": f"app@{OURS}"}))
    await house.run_until_idle()
    of_test = taken(await keys.test.get("/v1/events"))["data"]
    of_live = taken(await keys.live.get("/v1/events"))["data"]
    assert of_test
    assert all(event["test"] for event in of_test)
    assert not any(event["test"] for event in of_live)
    assert live["id"] in {event["message_id"] for event in of_live}


async def test_a_raised_event_stands_in_the_log_and_changes_nothing(house: House, keys: Keys) -> None:
    sent = taken(await keys.test.post("/v1/emails", {**EMAIL, "to": LATE}))
    before = taken(await keys.test.get(f"/v1/emails/{sent['id']}"))
    raised = taken(
        await keys.test.post("/v1/test/events", {"kind": "message.bounced", "message_id": sent["id"]})
    )
    assert raised["data"]["recipient"] == LATE
    assert raised["inbox_id"] == sent["inbox_id"]
    (newest,) = taken(await keys.test.get("/v1/events?limit=1"))["data"]
    assert newest == raised
    after = taken(await keys.test.get(f"/v1/emails/{sent['id']}"))
    assert after["status"] == before["status"]
    await house.run_until_idle()
    # The simulator's own report alone.
    assert len(await house.notices()) == 1


async def test_a_raised_event_of_no_message_has_one_made_up_and_can_be_told_what_to_say(keys: Keys) -> None:
    wanted = {
        "kind": "message.clicked",
        "recipient": "ann@far.example",
        "data": {"link": "https://shop.example/7"},
    }
    raised = taken(await keys.test.post("/v1/test/events", wanted))
    assert raised["message_id"].startswith("msg_")
    assert raised["data"]["recipient"] == "ann@far.example"
    assert raised["data"]["link"] == "https://shop.example/7"
    assert raised["data"]["machine"] is False


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"kind": "message.eaten"}, (422, "invalid_event", ["$.kind"])),
        ({"kind": "webhook.test"}, (422, "invalid_event", ["$.kind"])),
        ({"kind": ""}, (422, "invalid_event", ["$.kind"])),
        ({}, (422, "validation_error", ["$.kind"])),
        ({"kind": "message.opened", "message_id": "msg_nobody"}, (404, "not_found", [])),
        ({"kind": "message.opened", "inbox": "nobody@ours.test"}, (404, "not_found", [])),
        ({"kind": "message.opened", "recipient": "a@b@c"}, (422, "validation_error", ["$.recipient"])),
        ({"kind": "message.opened", "data": {"x": 1}}, (422, "validation_error", ["$.data.x"])),
        ({"kind": "message.clicked", "data": {"link": "x" * 20_000}}, (422, "validation_error", ["$.data"])),
    ],
)
async def test_what_cannot_be_raised_is_refused_by_name(
    body: dict[str, Any], expected: tuple[int, str, list[str]], keys: Keys
) -> None:
    assert problem(await keys.test.post("/v1/test/events", body)) == expected


async def test_an_answer_that_is_raised_by_hand_approves_nothing(house: House, keys: Keys) -> None:
    guards = {"approval": "always", "approver": f"boss@{OURS}"}
    taken(await keys.live.patch(f"/v1/inboxes/app@{OURS}/guards", guards))
    held = (await keys.test.post("/v1/emails", EMAIL)).json
    data = {"from": f"boss@{OURS}", "counts": True, "decision": "approved"}
    answer = {"kind": "approval.answered", "message_id": held["id"], "data": data}
    taken(await keys.test.post("/v1/test/events", answer))
    await house.run_until_idle()
    assert taken(await keys.test.get(f"/v1/emails/{held['id']}"))["status"] == "held"
    told = taken(await keys.test.get(f"/v1/events?message={held['id']}"))["data"]
    assert "message.held" in {event["kind"] for event in told}


async def test_the_batch_of_a_test_key_is_told_as_a_trial(house: House, keys: Keys) -> None:
    taken(await keys.test.post("/v1/emails/batch", {"emails": [EMAIL]}))
    (told,) = taken(await keys.test.get("/v1/events?kind=batch.completed"))["data"]
    assert told["data"].keys() == sample(EventKind.BATCH_COMPLETED, house.clock, "").keys()
    assert taken(await keys.live.get("/v1/events?kind=batch.completed"))["data"] == []


async def test_no_event_is_raised_about_live_mail(house: House, keys: Keys) -> None:
    live = taken(await keys.live.post("/v1/emails", {**EMAIL, "to": f"app@{OURS}"}))
    answer = await keys.test.post("/v1/test/events", {"kind": "message.bounced", "message_id": live["id"]})
    assert problem(answer)[:2] == (404, "not_found")
    assert not [event for event in await log.of_message(house.station.db, live["id"]) if event.is_test]


async def test_a_repeated_raise_raises_once(keys: Keys) -> None:
    body = {"kind": "message.opened"}
    first, second = [await keys.test.post("/v1/test/events", body, idempotency_key="once") for _ in range(2)]
    assert first.body == second.body
    assert len(taken(await keys.test.get("/v1/events?kind=message.opened"))["data"]) == 1


async def test_samples_say_what_the_real_events_say(house: House, keys: Keys) -> None:
    """Every field of one stands in the other, for all that the simulator and the inbound path bring about."""
    to = [
        f"{name}@simulator.test" for name in ("bounce", "late-bounce", "complain", "greylist", "suppressed")
    ]
    taken(await keys.test.post("/v1/emails", {**EMAIL, "to": to}))
    html = "<a href='https://shop.example/'>x</a>"
    tracked = {**EMAIL, "html": html, "track_opens": True, "track_clicks": True, "unsubscribe": True}
    read = taken(await keys.test.post("/v1/emails", {**tracked, "to": "ann@far.example"}))
    await house.run_until_idle()
    await _reads(keys, read["id"])
    told = await log.after(house.station.db, 0, 1000)
    # Wishes between rooms, and what only some far side's answer brings.
    inner = {"dialogue", "batch_id", "template_id", "brand_id", "ambiguous"}
    seen = set()
    for event in told:
        if not event.is_test or event.data.get("source") == "dsn":
            continue
        made_up = sample(BY_NAME[event.kind], house.clock, "x@y.example")
        of_the_mail = set() if event.kind == EventKind.MESSAGE_UNSUBSCRIBED else {"stream"}
        assert set(event.data) - inner - of_the_mail == set(made_up), event.kind
        seen.add(event.kind)
    assert len(seen) >= 10


def test_there_is_a_sample_of_every_kind_that_can_be_raised(clock: FakeClock) -> None:
    silent = {kind.value for kind in EventKind if not sample(kind, clock, "x@y.example")}
    assert silent == {"webhook.test"}


async def _reads(keys: Keys, message_id: str) -> None:
    """Whoever has this mail that was caught opens it, follows its link, and leaves."""
    (found,) = taken(await keys.test.get(f"/v1/test/emails?message={message_id}"))["data"]
    mail = taken(await keys.test.get(f"/v1/test/emails/{found['id']}"))
    page = dict(mail["headers"])["list-unsubscribe"].partition(">")[0].lstrip("<")
    links = re.findall(r"(?:href|src)=[\"'](http[^\"']+)", mail["html"])
    somebody = Client(keys.test.app)
    for method, address in [*(("GET", link) for link in links), ("POST", page)]:
        url = urlsplit(address)
        assert (await somebody.request(method, url.path, None, host=url.netloc)).status in (200, 302)


async def test_every_kind_can_be_raised(house: House, keys: Keys) -> None:
    for kind in EventKind:
        if kind is not EventKind.WEBHOOK_TEST:
            assert taken(await keys.test.post("/v1/test/events", {"kind": kind.value}))["test"] is True
    await house.run_until_idle()
    await post_all(house)

    async def rows(tx: Transaction) -> int:
        (row,) = await tx.fetch_all("select count(*) as found from messages")
        return int(row["found"])

    assert await house.station.db.transact(rows) == 0
