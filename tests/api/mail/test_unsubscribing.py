"""Leaving: the fields of RFC 8058 in signed mail, the page, the button, the address; who gets mail after."""

import re
from urllib.parse import unquote, urlsplit

import pytest

from relay.address import parse_address
from relay.store.database import Transaction
from relay.suppressions import records as suppressions
from relay.suppressions.records import Suppression
from relay.tenants.tenants import DEFAULT_TENANT
from relay.tracking import leaving, places
from relay.tracking.leaving import Leave
from tests.api.mail.test_over_the_wire import Keys, dns, house, keys, make_house, mx
from tests.api.mail.wired import Wire
from tests.flows.house import FAR, OURS, House
from tests.flows.test_inbound import deliver

__all__ = ["dns", "house", "keys", "make_house", "mx"]

ANN = f"ann@{FAR}"
FORM = {"content_type": "application/x-www-form-urlencoded"}
ONE_CLICK = b"List-Unsubscribe=One-Click"


@pytest.fixture
def wire(house: House, keys: Keys) -> Wire:
    return Wire(house, keys.live)


def ways(wire: Wire) -> tuple[str, str]:
    """The page and the address in the newest mail."""
    field = wire.arrived().first("list-unsubscribe")
    page, address = re.findall(r"<([^>]+)>", field)
    return page, address


async def entries(wire: Wire, stream: str | None = None) -> Suppression | None:
    return await suppressions.find(wire.house.station.db, DEFAULT_TENANT, parse_address(ANN), stream)


async def test_mail_says_how_to_leave_and_both_signatures_cover_it(wire: Wire) -> None:
    await wire.send(text="Hi", unsubscribe={"stream": "news"})
    page, address = ways(wire)
    assert page.startswith("http://127.0.0.1:8025/t/u/")
    assert address.startswith("mailto:u+")
    assert address.endswith(f"@{OURS}?subject=unsubscribe")
    assert wire.arrived().first("list-unsubscribe-post") == "List-Unsubscribe=One-Click"
    signatures = [value for name, value in _fields(wire) if name == "dkim-signature"]
    assert len(signatures) == 2
    for signature in signatures:
        signed = re.sub(r"\s", "", signature).partition("h=")[2].partition(";")[0].lower().split(":")
        # Once for the field, and once more so that no second one can be added.
        assert (signed.count("list-unsubscribe"), signed.count("list-unsubscribe-post")) == (2, 2)


async def test_looking_changes_nothing_and_the_button_does(wire: Wire) -> None:
    sent = await wire.send(text="Hi", stream="news", unsubscribe=True)
    page, _ = ways(wire)
    for method in ("GET", "HEAD"):
        shown = await wire.browse(method, page)
        assert (shown.status, shown.fields["content-type"]) == (200, "text/html; charset=utf-8")
        policy = shown.fields["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script" not in policy
    document = (await wire.browse("GET", page)).body.decode()
    assert '<form method="post">' in document
    assert "<script" not in document
    assert ANN in document
    assert await entries(wire, "news") is None
    assert await wire.events(sent, "message.unsubscribed") == []

    for _ in range(2):
        assert (await wire.browse("POST", page, ONE_CLICK, **FORM)).status == 200
    found = await entries(wire, "news")
    assert found is not None
    assert (found.reason, found.source_message_id) == ("unsubscribe", sent)
    assert await entries(wire) is None
    (event,) = await wire.events(sent, "message.unsubscribed")
    assert event.data == {"recipient": ANN, "source": "one-click", "stream": "news"}


async def test_who_left_a_stream_still_gets_other_mail(wire: Wire) -> None:
    await wire.send(text="Hi", stream="news", unsubscribe=True)
    page, _ = ways(wire)
    await wire.browse("POST", page, ONE_CLICK, **FORM)
    refused = await wire.ask(text="Hi", stream="news")
    assert (refused.status, refused.code) == (409, "recipient_unsubscribed")
    assert refused.json["errors"] == [{"path": "$.to", "message": f"{ANN} is suppressed: unsubscribe"}]
    await wire.send(text="Your invoice")
    await wire.send(text="Weekly", stream="digest")
    assert wire.arrived().text.strip() == "Weekly"


async def test_without_a_stream_all_mail_is_left(wire: Wire) -> None:
    await wire.send(text="Hi", unsubscribe=True)
    page, _ = ways(wire)
    assert (await wire.browse("POST", page)).status == 200  # RFC 8058 has a body; nobody needs it
    found = await entries(wire)
    assert found is not None
    for stream in (None, "news"):
        assert (await wire.ask(text="Hi", stream=stream)).code == "recipient_unsubscribed"
    # A person who writes to them is refused as well, and whoever is beside them gets the mail.
    written = await wire.live.post(f"/v1/inboxes/app@{OURS}/messages", {"to": ANN, "text": "Hi"})
    assert (written.status, written.code) == (409, "recipient_unsubscribed")
    both = await wire.ask(text="Hi", to=[ANN, f"bob@{FAR}"])
    assert [each["status"] for each in both.json["recipients"]] == ["suppressed", "queued"]
    # One who only bounced may be written to again one day.
    await wire.live.post("/v1/suppressions", {"address": f"bob@{FAR}", "reason": "bounce"})
    mixed = await wire.ask(text="Hi", to=[ANN, f"bob@{FAR}"])
    assert (mixed.status, mixed.code) == (422, "all_suppressed")


async def test_mail_to_the_signed_address_says_the_same(wire: Wire) -> None:
    sent = await wire.send(text="Hi", stream="news", unsubscribe=True)
    _, mailto = ways(wire)
    address = unquote(urlsplit(mailto).path)
    # From whatever address: a reader's program may send it from another of his.
    content = f"From: someone@elsewhere.example\r\nTo: {address}\r\nSubject: unsubscribe\r\n\r\n\r\n"
    await deliver(wire.house, f"<{address}>", content=content.encode())
    await wire.house.run_until_idle()
    assert await entries(wire, "news") is not None
    (event,) = await wire.events(sent, "message.unsubscribed")
    assert event.data == {"recipient": ANN, "source": "mailto", "stream": "news"}


@pytest.mark.parametrize(
    "header",
    ["Auto-Submitted: auto-replied\r\nSubject: Re: unsubscribe", "Subject: Out of office: I am away"],
)
async def test_a_program_that_answers_there_leaves_nothing(wire: Wire, header: str) -> None:
    await wire.send(text="Hi", unsubscribe=True)
    address = unquote(urlsplit(ways(wire)[1]).path)
    content = f"From: {ANN}\r\nTo: {address}\r\n{header}\r\n\r\nI am away.\r\n"
    await deliver(wire.house, f"<{address}>", content=content.encode())
    await wire.house.run_until_idle()
    assert await entries(wire) is None


async def test_an_address_that_we_did_not_sign_is_nobody(wire: Wire) -> None:
    await wire.send(text="Hi", unsubscribe=True)
    address = unquote(urlsplit(ways(wire)[1]).path)
    forged = f"u+7{address[3:]}"
    replies = await deliver(wire.house, f"<{forged}>", content=b"Subject: unsubscribe\r\n\r\n\r\n")
    assert replies == ["550 5.1.1 No such mailbox here"]


async def test_who_answers_unsubscribe_leaves_the_stream(wire: Wire) -> None:
    await wire.send(text="Hi", stream="news")
    answered = wire.arrived().reply_to[0].address
    wire.house.dns.txt(FAR, "v=spf1 ip4:127.0.0.1 -all")
    wire.house.dns.txt(f"_dmarc.{FAR}", "v=DMARC1; p=reject")
    wire.house.station.resolver.forget()
    content = f"From: {ANN}\r\nTo: {answered}\r\nSubject: Re: News\r\n\r\nunsubscribe\r\n"
    await deliver(wire.house, f"<{answered}>", content=content.encode())
    await wire.house.run_until_idle()
    assert await entries(wire, "news") is not None
    assert await entries(wire) is None


async def test_the_texts_may_name_the_page(wire: Wire) -> None:
    await wire.send(
        text="Leave: {{unsubscribe_url}}",
        html='<p><a href="{{ unsubscribe_url }}">leave</a> <a href="%7B%7Bunsubscribe_url%7D%7D">x</a></p>',
        track_clicks=True,
    )
    page, _ = ways(wire)
    assert wire.links() == [page, page]
    assert wire.arrived().text.strip() == f"Leave: {page}"
    assert (await wire.browse("GET", page)).status == 200
    await wire.send(text="As it is: {{unsubscribe_url}}", unsubscribe=False)
    assert wire.arrived().text.strip() == "As it is: {{unsubscribe_url}}"
    assert not wire.arrived().first("list-unsubscribe")


async def test_what_several_get_names_the_address_to_which_one_answers(wire: Wire) -> None:
    html = '<a href="{{unsubscribe_url}}">leave</a>'
    await wire.send(html=html, to=[ANN, f"bob@{FAR}"], track_clicks=True, stream="news")
    (link,) = wire.links()
    assert link.startswith("mailto:")
    assert link.endswith("?subject=unsubscribe")
    assert not wire.arrived().first("list-unsubscribe")


async def test_a_template_names_the_page_too(wire: Wire) -> None:
    html = '<p>{{ name }} <a href="{{ unsubscribe_url }}">leave</a></p>'
    await wire.send(html=html, variables={"name": "Ann"}, track_clicks=True)
    page, _ = ways(wire)
    assert wire.links() == [page]


async def test_a_footer_stands_below_both_texts_with_a_way_to_leave(wire: Wire) -> None:
    footer = "Shop & Sons\n1 High St, Springfield"
    await wire.send(text="Hi", html="<body><p>Hi</p></body>", unsubscribe={"footer": footer})
    page, _ = ways(wire)
    text, html = wire.arrived().text, wire.arrived().html or ""
    assert text.splitlines() == ["Hi", "", *footer.splitlines(), f"Unsubscribe: {page}"]
    assert "Shop &amp; Sons<br>1 High St, Springfield<br>" in html
    assert wire.links() == [page]
    await wire.send(html="<p>Hi <a href='{{unsubscribe_url}}'>x</a></p>", unsubscribe={"footer": footer})
    assert len(wire.links()) == 1


async def test_the_callers_own_field_stays_his(wire: Wire) -> None:
    own = "<https://shop.example/leave?a=1>"
    html = '<a href="https://shop.example/leave?a=1">leave</a>'
    await wire.send(html=html, headers={"List-Unsubscribe": own}, unsubscribe=True, track_clicks=True)
    assert wire.arrived().first("list-unsubscribe") == own
    assert not wire.arrived().first("list-unsubscribe-post")
    assert wire.links() == ["https://shop.example/leave?a=1"]


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        ({"to": [ANN, f"bob@{FAR}"], "unsubscribe": True}, "$.unsubscribe"),
        ({"unsubscribe": {"stream": "a"}, "stream": "b"}, "$.unsubscribe.stream"),
        ({"unsubscribe": {"stream": "a\nb"}}, "$.unsubscribe.stream"),
        ({"stream": " a"}, "$.stream"),
        ({"stream": "x" * 65}, "$.stream"),
        ({"unsubscribe": {"stream": ""}}, "$.unsubscribe.stream"),
        ({"unsubscribe": "yes"}, "$.unsubscribe"),
        ({"unsubscribe": {"strem": "a"}}, "$.unsubscribe.strem"),
    ],
)
async def test_what_cannot_be_meant_is_refused(wire: Wire, wish: dict[str, object], path: str) -> None:
    answer = await wire.ask(**{"text": "Hi", **wish})
    assert (answer.status, answer.code, answer.json["errors"][0]["path"]) == (422, "validation_error", path)


async def test_a_page_that_we_did_not_sign_is_nothing(wire: Wire) -> None:
    await wire.send(text="Hi", unsubscribe=True)
    page, _ = ways(wire)
    base, _, token = page.rpartition("/")
    for method in ("GET", "POST"):
        for wrong in (token[:-1], token + "A", token[::-1], "x", token.swapcase()):
            assert (await wire.browse(method, f"{base}/{wrong}")).status == 404
        assert (await wire.browse(method, page, host="links.theirs.test")).status == 404
    assert (await wire.browse("POST", page, b"x" * 20_000, **FORM)).status == 413
    assert await entries(wire) is None


async def test_the_page_works_when_the_message_is_forgotten(wire: Wire) -> None:
    leave = Leave(DEFAULT_TENANT, "msg_" + "0" * 24, parse_address(ANN), "news")
    token = leaving.sign(leave, wire.house.station.link_secret, "127.0.0.1")
    page = f"http://127.0.0.1:8025{places.UNSUBSCRIBE}{token}"
    assert (await wire.browse("POST", page)).status == 200
    assert await entries(wire, "news") is not None


async def test_a_trials_page_suppresses_nobody_when_it_is_forgotten(wire: Wire, keys: Keys) -> None:
    wish = {"from": f"app@{OURS}", "to": ANN, "text": "Hi", "unsubscribe": True}
    sent = (await keys.test.post("/v1/emails", wish)).json["id"]
    await wire.house.run_until_idle()
    (caught,) = (await keys.test.get("/v1/test/emails")).json["data"]
    mail = (await keys.test.get(f"/v1/test/emails/{caught['id']}")).json
    page = re.findall(r"<(http[^>]+)>", dict(mail["headers"])["list-unsubscribe"])[0]

    async def forget(tx: Transaction) -> None:
        await tx.execute("delete from recipients where message_id = $1", sent)

    await wire.house.station.db.transact(forget)
    assert (await wire.browse("POST", page, ONE_CLICK, **FORM)).status == 200
    assert await entries(wire) is None


async def test_what_the_page_shows_is_text(wire: Wire) -> None:
    await wire.send(text="Hi", stream="<script>alert(1)</script>", unsubscribe=True)
    page, _ = ways(wire)
    document = (await wire.browse("GET", page)).body.decode()
    assert "<script" not in document
    assert "&lt;script&gt;" in document


def _fields(wire: Wire) -> list[tuple[str, str]]:
    header = wire.house.mx.received[-1].content.partition(b"\r\n\r\n")[0].decode()
    unfolded = re.sub(r"\r\n(?=[ \t])", "", header)
    return [
        (name.lower(), value) for name, _, value in (line.partition(":") for line in unfolded.split("\r\n"))
    ]


async def test_each_of_a_batch_has_a_way_to_leave_of_its_own(wire: Wire) -> None:
    recipients = [{"email": ANN, "name": "Ann"}, {"email": f"bob@{FAR}", "name": "Bob"}]
    document = {
        **{"from": f"app@{OURS}", "subject": "News", "stream": "news", "track_clicks": True},
        "html": '<p>{{name}}: <a href="https://shop.example/">s</a> <a href="{{unsubscribe_url}}">x</a></p>',
        "recipients": recipients,
    }
    answer = await wire.live.post("/v1/emails/batch", document)
    assert (answer.status, answer.json["refused"]) == (201, 0), answer.body
    await wire.house.run_until_idle()
    pages = set()
    for received in wire.house.mx.received:
        header, _, body = received.content.partition(b"\r\n\r\n")
        (page,) = re.findall(r"List-Unsubscribe: <([^>]+)>", re.sub(r"\r\n(?=[ \t])", "", header.decode()))
        assert (await wire.browse("GET", page)).status == 200
        pages.add(page)
        assert b"/t/c/" in body
    assert len(pages) == 2
    await wire.browse("POST", pages.pop())
    again = (await wire.live.post("/v1/emails/batch", document)).json
    assert sorted(each["status"] for each in again["results"]) == ["queued", "suppressed"]
