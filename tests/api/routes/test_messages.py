"""Messages of an inbox: filters, words, pages, and what may be changed about them."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.conftest import OURS
from tests.api.mail.desk import FAR, Desk, mail, problem


async def found(desk: Desk, **query: Any) -> list[str]:
    """The ids that a query gives."""
    pairs = [
        f"{name}={quote(str(value))}"
        for name, values in query.items()
        for value in (values if isinstance(values, tuple) else (values,))
    ]
    page = await desk.get("/messages?" + "&".join(pairs))
    return [message["id"] for message in page["data"]]


class Stock:
    """Some letters of every sort, by name."""

    def __init__(self, ids: dict[str, str]) -> None:
        self.ids = ids

    def named(self, ids: Iterable[str]) -> set[str]:
        names = {id_: name for name, id_ in self.ids.items()}
        return {names[id_] for id_ in ids}


@pytest.fixture
async def stock(desk: Desk) -> Stock:
    ids = {"sent": (await desk.send(subject="Invoice", text="umbrella stand", labels=["open"]))["id"]}
    desk.api.clock.advance(hours=1)
    question = (await desk.get(f"/messages/{ids['sent']}"))["message_id"]
    came = {
        "reply": mail(f"In-Reply-To: {question}", subject="Re: Invoice", body="The umbrella broke.\r\n"),
        "new": mail(
            subject="Café Zürich", sender=f"Bob Miller <bob@{FAR}>", body="Herein a big umbrellas list.\r\n"
        ),
        "away": mail("Auto-Submitted: auto-replied", subject="Out of office"),
        "list": mail("List-Id: <all.far.example>", "Precedence: list", subject="News"),
    }
    for name, content in came.items():
        ids[name] = (await desk.arrives(content)).message_id
    await desk.block(f"eve@{FAR}")
    ids["blocked"] = (await desk.arrives(mail(sender=f"eve@{FAR}", body="umbrella\r\n"))).message_id
    desk.api.clock.advance(hours=1)
    return Stock(ids)


ALL = {"sent", "reply", "new", "away", "list"}


FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({}, ALL),
    ({"direction": "out"}, {"sent"}),
    ({"direction": "in"}, ALL - {"sent"}),
    ({"classification": "reply"}, {"reply"}),
    ({"classification": ("reply", "new")}, {"reply", "new"}),
    ({"classification": "nothing"}, set()),
    ({"automatic": "true"}, {"away", "list"}),
    ({"automatic": "false"}, {"sent", "reply", "new"}),
    ({"standing": "blocked"}, {"blocked"}),
    ({"standing": "quarantined"}, set()),
    ({"label": "open"}, {"sent"}),
    ({"label": "blocked", "standing": "blocked"}, {"blocked"}),
    ({"sender": f"BOB@{FAR}"}, {"new"}),
    ({"sender": f"nobody@{FAR}"}, set()),
    ({"to": f"ann@{FAR}"}, {"sent", "reply", "away", "list"}),
    ({"to": "miller"}, {"new"}),
    ({"since": "2026-03-02T10:00:00Z"}, ALL - {"sent"}),
    ({"until": "2026-03-02T10:00:00Z"}, {"sent"}),
    ({"since": "2026-03-02T09:00:00Z", "until": "2026-03-02T09:00:01Z"}, {"sent"}),
    ({"since": "0001-01-01T00:00:00+23:59"}, ALL),
    ({"q": "umbrella"}, {"sent", "reply", "new"}),
    ({"q": '"umbrella"'}, {"sent", "reply"}),
    ({"q": "umbrella", "standing": "blocked"}, {"blocked"}),
    ({"q": "umbrella", "direction": "in"}, {"reply", "new"}),
    ({"q": "umbrella", "label": "open"}, {"sent"}),
    ({"q": "umbrella", "to": "miller"}, {"new"}),
    ({"q": "umbrella", "sender": f"ann@{FAR}", "classification": "reply"}, {"reply"}),
    ({"label": "open", "direction": "out", "to": "ann", "automatic": "false"}, {"sent"}),
    ({"label": "open", "direction": "in"}, set()),
]


async def test_filters_alone_and_together(desk: Desk, stock: Stock) -> None:
    assert [(query, stock.named(await found(desk, **query))) for query, _ in FILTERS] == FILTERS


WORDS: list[tuple[str, set[str]]] = [
    ("umbrella broke", {"reply"}),
    ("BROKE umbrella", {"reply"}),
    ('"umbrella broke"', {"reply"}),
    ('"broke umbrella"', set()),
    ('"umbrella stand" invoice', {"sent"}),
    ("umb", {"sent", "reply", "new"}),
    ("umb bro", set()),
    ("cafe zur", {"new"}),
    ("Café", {"new"}),
    ("Cafe\u0301", {"new"}),
    ("nothinglikeit", set()),
    ("bob@far.example", {"new"}),
    ("umbrella NEAR broke", set()),
    ("umbrella AND broke", set()),
    ("umbrella OR broke", set()),
    ("NOT umbrella", set()),
    ("-umbrella", {"sent", "reply", "new"}),
    ("umbrella*", {"sent", "reply", "new"}),
    ("subject:umbrella", set()),
    ("{subject people}: umbrella", set()),
    ("^umbrella", {"sent", "reply", "new"}),
    ("(umbrella", {"sent", "reply", "new"}),
    ('"umbrella', {"sent", "reply", "new"}),
    ('umbrella ""', {"sent", "reply"}),
    ("umbrella + - ' ; --", {"sent", "reply", "new"}),
    ("umbrella \U0001f602", {"sent", "reply", "new"}),
    ("xinbx", set()),
    ("x", set()),
]


async def test_words_are_words_and_nothing_else(desk: Desk, stock: Stock) -> None:
    assert [(q, stock.named(await found(desk, q=q))) for q, _ in WORDS] == WORDS


@pytest.mark.parametrize("q", ['""', '"', "*", "()", "- :", "\U0001f602", "_", "' \" '"])
@pytest.mark.parametrize("name", ["q", "to"])
async def test_a_query_without_words_is_422(desk: Desk, name: str, q: str) -> None:
    answer = await desk.api.live.get(f"{desk.path}/messages?{name}={quote(q)}")
    assert problem(answer) == (422, "validation_error", f"?{name}")


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("since=2026-03-02T10:00:00", "?since"),
        ("until=never", "?until"),
        ("sender=nobody", "?sender"),
        ("standing=any", "?standing"),
        ("direction=up", "?direction"),
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("q=", "?q"),
        ("unknown=1", "?"),
    ],
)
async def test_a_wrong_filter_is_named(desk: Desk, query: str, path: str) -> None:
    answer = await desk.api.live.get(f"{desk.path}/messages?{query}")
    assert answer.status == 422
    assert answer.json["errors"][0]["path"].startswith(path)


async def test_words_of_another_inbox_are_not_found(desk: Desk, stock: Stock) -> None:
    other = await desk.api.mailbox(f"other@{OURS}")
    await desk.arrives(mail(body="umbrella\r\n"), mailbox=other)
    elsewhere = await desk.api.live.get(f"/v1/inboxes/{other.id}/messages?q=umbrella")
    assert len(elsewhere.json["data"]) == 1
    assert len(await found(desk, q="umbrella")) == 3


async def test_pages_have_no_gaps_while_mail_comes(desk: Desk) -> None:
    wanted = [(await desk.send(subject=f"n{number}"))["id"] for number in range(7)][::-1]
    for query in ("?limit=2", "?limit=2&q=pay", "?limit=2&direction=out"):
        seen, cursor = [], ""
        while True:
            page = await desk.get(f"/messages{query}{cursor}")
            seen += [message["id"] for message in page["data"]]
            if not page["has_more"]:
                break
            cursor = f"&cursor={page['next_cursor']}"
            await desk.arrives(mail(body="pay\r\n"))
        assert [id_ for id_ in seen if id_ in wanted] == wanted
        assert len(seen) == len(set(seen))
    assert page["next_cursor"] is None


async def test_labels_and_intent_are_changed(desk: Desk, stock: Stock) -> None:
    path = f"/messages/{stock.ids['reply']}"
    changed = await desk.patch(path, {"labels": ["open", "a b", "open"], "intent": "interested"})
    assert (changed["labels"], changed["intent"]) == (["open", "a b"], "interested")
    assert stock.named(await found(desk, label="open")) == {"sent", "reply"}
    assert stock.named(await found(desk, q="umbrella", label="a b")) == {"reply"}
    unchanged = await desk.patch(path, {})
    assert (unchanged["labels"], unchanged["intent"]) == (["open", "a b"], "interested")
    cleared = await desk.patch(path, {"labels": [], "intent": None})
    assert (cleared["labels"], cleared["intent"]) == ([], None)
    assert stock.named(await found(desk, label="open")) == {"sent"}
    assert stock.named(await found(desk, q="umbrella broke")) == {"reply"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"labels": ["fine", "a\r\nb"]}, "$.labels[1]"),
        ({"labels": [""]}, "$.labels[0]"),
        ({"labels": ["x"] * 51}, "$.labels"),
        ({"labels": None}, "$.labels"),
        ({"intent": "a\nb"}, "$.intent"),
        ({"intent": ""}, "$.intent"),
        ({"standing": "gone"}, "$.standing"),
        ({"subject": "x"}, "$.subject"),
    ],
)
async def test_a_wrong_change_is_named(desk: Desk, stock: Stock, change: Any, path: str) -> None:
    answer = await desk.api.live.patch(f"{desk.path}/messages/{stock.ids['reply']}", change)
    assert problem(answer) == (422, "validation_error", path)


async def test_a_letter_that_is_let_in_takes_its_place(desk: Desk) -> None:
    sent = await desk.send()
    await desk.block(f"eve@{FAR}")
    fields = (f"In-Reply-To: {sent['message_id']}", f"Message-ID: <e1@{FAR}>")
    came = await desk.arrives(mail(*fields, sender=f"eve@{FAR}", subject="Re: Invoice 7"))
    assert (came.standing, came.labels) == ("blocked", ("blocked",))
    assert came.thread_id != sent["thread_id"]
    assert await found(desk) == [sent["id"]]
    assert not await desk.events(came.message_id, "message.received")

    path = f"/messages/{came.message_id}"
    inside = await desk.patch(path, {"standing": "accepted", "labels": ["kept", "blocked"]})
    assert (inside["standing"], inside["labels"]) == ("accepted", ["kept"])
    assert inside["thread_id"] == sent["thread_id"]
    assert (await desk.get(f"/threads/{sent['thread_id']}"))["message_count"] == 2
    assert (await desk.get(f"/threads/{came.thread_id}"))["id"] == sent["thread_id"]
    assert await found(desk) == [came.message_id, sent["id"]]
    (event,) = await desk.events(came.message_id, "message.received")
    (aside,) = await desk.events(came.message_id, "message.blocked")
    assert event.data == {**aside.data, "thread_id": sent["thread_id"], "let_in": True}
    (replied,) = await desk.events(sent["id"], "message.replied")
    assert replied.data["reply"] == came.message_id


async def test_a_letter_is_told_of_once_however_often_it_is_let_in(desk: Desk) -> None:
    came = await desk.arrives(mail())
    path = f"/messages/{came.message_id}"
    aside = await desk.patch(path, {"standing": "quarantined"})
    assert (aside["standing"], aside["labels"]) == ("quarantined", ["quarantined"])
    assert (await desk.get("/threads"))["data"] == []
    assert await found(desk) == []
    assert await found(desk, standing="quarantined") == [came.message_id]
    other = await desk.patch(path, {"standing": "blocked"})
    assert other["labels"] == ["blocked"]
    inside = await desk.patch(path, {"standing": "accepted"})
    assert (inside["labels"], inside["thread_id"]) == ([], came.thread_id)
    assert len((await desk.get("/threads"))["data"]) == 1
    assert len(await desk.events(came.message_id, "message.received")) == 1


@pytest.mark.parametrize("way", ["reply_address", "thread_index", "references"])
async def test_it_joins_what_it_matched_when_it_came(desk: Desk, way: str) -> None:
    sent = await desk.send()
    await desk.block(f"eve@{FAR}")
    raw = (await desk.raw(sent["id"])).decode()
    mark = next(line for line in raw.split("\r\n") if line.startswith("Thread-Index:"))
    fields = {
        "thread_index": mark,
        "references": f"References: {sent['message_id']}",
        "reply_address": "X: y",
    }
    to = desk.reply_address_of(sent["id"]) if way == "reply_address" else None
    content = mail(fields[way], sender=f"eve@{FAR}", subject="Re: Invoice 7")
    came = await desk.arrives(content, to=to)
    assert (came.match.method, came.standing) == (way, "blocked")
    inside = await desk.patch(f"/messages/{came.message_id}", {"standing": "accepted"})
    assert inside["thread_id"] == sent["thread_id"]


async def test_what_we_sent_is_not_put_aside(desk: Desk) -> None:
    sent = await desk.send()
    answer = await desk.api.live.patch(f"{desk.path}/messages/{sent['id']}", {"standing": "blocked"})
    assert problem(answer) == (422, "validation_error", "$.standing")


async def test_what_mail_said_of_itself_is_shown(desk: Desk) -> None:
    content = mail(
        "Message-ID: <b9@far.example>",
        "In-Reply-To: <a1@far.example>",
        "References: <a0@far.example> <a1@far.example>",
        "Cc: Carol <carol@far.example>",
        "Reply-To: desk@far.example",
        subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
    )
    came = await desk.get(f"/messages/{(await desk.arrives(content)).message_id}")
    assert came["message_id"] == "<b9@far.example>"
    assert came["in_reply_to"] == "<a1@far.example>"
    assert came["references"] == ["<a0@far.example>", "<a1@far.example>"]
    assert came["from"] == {"address": "ann@far.example", "name": "Ann"}
    assert came["cc"] == [{"address": "carol@far.example", "name": "Carol"}]
    assert came["reply_to"] == [{"address": "desk@far.example", "name": ""}]
    assert came["subject"] == "Grüße"
    assert came["authentication"]["dmarc"]["verdict"] == "pass"
    assert came["created_at"] == "2026-03-02T09:00:00Z"


async def test_a_key_of_another_inbox_sees_nothing(desk: Desk, stock: Stock) -> None:
    other = await desk.api.mailbox(f"other@{OURS}")
    bound = await desk.api.client(mailbox=other)
    for client in (bound, desk.api.foreign):
        for path in ("", f"/{stock.ids['sent']}", f"/{stock.ids['sent']}/raw", "/wait?timeout=0"):
            assert (await client.get(f"{desk.path}/messages{path}")).code == "not_found"
    there = await bound.get(f"/v1/inboxes/{other.id}/messages/{stock.ids['sent']}")
    assert there.code == "not_found"
