"""Mail made of a template, or filled in by itself: what is said, what is missing, what stays as it was."""

import asyncio
from typing import Any

import pytest

from api.mail.placeholders import UNSUBSCRIBE_URL
from inbound.reading.parse import parse
from inbound.reading.parsed import Parsed
from relay.spool import records as spool
from relay.templates import limits
from tests.api.client import Answer, Client
from tests.api.conftest import OURS, Api
from tests.api.mail.desk import FAR, Desk, problem

WELCOME: dict[str, Any] = {
    "name": "welcome-v2",
    "subject": "Welcome, {{ name }}",
    "html": "<p>Hi {{ name }}, your plan is {{ plan }}.</p>",
    "publish": True,
}
MISSING = "template_missing_variables"


async def ask(desk: Desk, client: Client | None = None, **wish: Any) -> Answer:
    """POST /v1/emails to Ann Lee, unless the wish says otherwise."""
    document = {"from": f"app@{OURS}", "to": f"Ann Lee <ann@{FAR}>", **wish}
    return await (client or desk.api.live).post("/v1/emails", document)


async def send(desk: Desk, **wish: Any) -> Any:
    answer = await ask(desk, **wish)
    assert answer.status == 201, answer
    return answer.json


async def write(api: Api, **said: Any) -> Any:
    answer = await api.live.post("/v1/templates", {**WELCOME, **said})
    assert answer.status == 201, answer
    return answer.json


async def composed(desk: Desk, sent: Any) -> Parsed:
    """The message that travels."""
    raw = (await desk.api.live.get(f"{desk.path}/messages/{sent['id']}/raw")).body
    header, _, body = raw.partition(b"\r\n\r\n")
    return parse(header + b"\r\n", body)


async def test_a_template_is_named_by_its_name_or_id(desk: Desk) -> None:
    made = await write(desk.api)
    for name in ("welcome-v2", made["id"]):
        sent = await send(desk, template=name, variables={"name": "Fareed & Co", "plan": "<Pro>"})
        assert sent["subject"] == "Welcome, Fareed & Co"
        assert sent["html"] == "<p>Hi Fareed &amp; Co, your plan is &lt;Pro&gt;.</p>"
        assert sent["text"].strip() == "Hi Fareed & Co, your plan is <Pro>."
        message = await spool.find(desk.api.house.db, sent["id"])
        assert message is not None
        assert message.template_id == made["id"]
        events = (await desk.api.live.get(f"/v1/emails/{sent['id']}")).json["events"]
        assert events[0]["data"]["template_id"] == made["id"]


async def test_all_that_is_missing_is_named_and_nothing_is_sent(desk: Desk) -> None:
    await write(desk.api, text="{{ end }} {{ email }}")
    answer = await ask(desk, to=f"ann@{FAR}", template="welcome-v2")
    assert (answer.status, answer.code) == (422, MISSING)
    paths = {error["path"] for error in answer.json["errors"]}
    assert paths == {"$.variables.name", "$.variables.plan", "$.variables.end"}
    assert all(name in answer.json["detail"] for name in ("name", "plan", "end"))
    assert (await desk.api.live.get("/v1/emails")).json["data"] == []


async def test_the_draft_is_not_what_is_sent(desk: Desk) -> None:
    await write(desk.api, subject="one", html="<p>one</p>")
    await desk.api.live.patch("/v1/templates/welcome-v2", {"subject": "two"})
    assert (await send(desk, template="welcome-v2"))["subject"] == "one"
    await write(desk.api, name="unfinished", publish=False)
    assert problem(await ask(desk, template="unfinished")) == (422, "validation_error", "$.template")
    assert problem(await ask(desk, template="nobody")) == (422, "validation_error", "$.template")


async def test_what_a_message_says_itself_is_said_instead(desk: Desk) -> None:
    await write(desk.api, text="The template's text.")
    said = {"template": "welcome-v2", "variables": {"name": "Ann", "plan": "Pro"}}
    assert (await send(desk, **said, subject="For {{ name }}"))["subject"] == "For Ann"
    sent = await send(desk, **said, html="<p>Dear {{ name }}</p>")
    # The template's text says what its own HTML says.
    assert (sent["html"], sent["text"].strip()) == ("<p>Dear Ann</p>", "Dear Ann")
    sent = await send(desk, **said, text="Dear {{ name }}")
    assert (sent["html"], sent["text"]) == ("<p>Hi Ann, your plan is Pro.</p>", "Dear Ann")


async def test_variables_fill_in_what_has_no_template(desk: Desk) -> None:
    sent = await send(
        desk,
        subject="Hi {{ first_name }}",
        html="<p>Hi {{first_name|there}} of {{ company }}</p>",
        text="Hi {{ last_name }}, {{ email }}, {{ date }}, {{ order }}",
        headers={"X-Company": "{{ company }}"},
        variables={"company": "A & B"},
        metadata={"order": "7", "company": "not this"},
    )
    assert sent["subject"] == "Hi Ann"
    assert sent["html"] == "<p>Hi Ann of A &amp; B</p>"
    assert sent["text"] == f"Hi Lee, ann@{FAR}, {desk.api.clock.now():%Y-%m-%d}, 7"
    assert b"X-Company: A & B" in (await desk.api.live.get(f"{desk.path}/messages/{sent['id']}/raw")).body


async def test_without_variables_nothing_is_filled_in(desk: Desk) -> None:
    said = {"subject": "{{ name }}", "html": "<p>{a|b} {% if %}</p>", "text": "{{"}
    sent = await send(desk, **said)
    assert {name: sent[name] for name in said} == said
    assert (await send(desk, subject="{{ name }}", text="x", variables={}))["subject"] == "Ann Lee"


@pytest.mark.parametrize("to", [f"ann@{FAR}", [f"ann@{FAR}"], {"email": f"ann@{FAR}"}])
async def test_whose_name_is_not_known_is_greeted_by_the_fallback(desk: Desk, to: Any) -> None:
    sent = await send(desk, to=to, subject="{{first_name|there}}", text="{{ email }}", variables={})
    assert (sent["subject"], sent["text"]) == ("there", f"ann@{FAR}")
    answer = await ask(desk, to=to, subject="{{ first_name }}", variables={})
    assert problem(answer) == (422, MISSING, "$.variables.first_name")


@pytest.mark.parametrize("field", ["subject", "headers.X-Note"])
@pytest.mark.parametrize(
    "value", ["a\r\nBcc: eve@evil.example", "a\nb", "a\rb", "a\u2028b", "a\x0bb", "a\x85b"]
)
async def test_no_variable_adds_a_line_to_the_header(desk: Desk, field: str, value: str) -> None:
    wish = {"subject": "{{ v }}"} if field == "subject" else {"headers": {"X-Note": "{{ v }}"}}
    answer = await ask(desk, **wish, text="x", variables={"v": value})
    assert problem(answer) == (422, "validation_error", f"$.{field}")


async def test_a_header_that_is_ours_stays_ours(desk: Desk) -> None:
    for name in ("Bcc", "From", "DKIM-Signature"):
        answer = await ask(desk, subject="x", headers={name: "{{ v }}"}, variables={"v": f"eve@{FAR}"})
        assert problem(answer)[2] == f"$.headers.{name}"


async def test_alternatives_are_drawn_where_that_is_wanted(desk: Desk) -> None:
    source = "{Hello|Hi|Good day|Dear|Hey}"
    said = {"subject": source, "text": source, "html": f"<p>{source}</p>"}
    drawn = set()
    for number in range(12):
        sent = await send(desk, to=f"ann{number}@{FAR}", **said, spintax=True)
        assert sent["subject"] == sent["text"] == sent["html"][3:-4]
        assert (await send(desk, to=f"ann{number}@{FAR}", **said, spintax=True))["text"] == sent["text"]
        drawn.add(sent["text"])
    assert len(drawn) > 1
    assert drawn <= set(source[1:-1].split("|"))
    assert (await send(desk, **said))["subject"] == source


async def test_styles_are_put_into_the_elements(desk: Desk) -> None:
    sent = await send(desk, subject="x", html="<style>p{color:red}</style><p>{{</p>", inline_css=True)
    assert '<p style="color: red;">{{</p>' in sent["html"]


async def test_the_unsubscribe_link_is_the_messages_own(desk: Desk) -> None:
    html = '<a href="{{ unsubscribe_url }}">no more</a>'
    sent = await send(desk, subject="x", html=html, text="{{ unsubscribe_url }}", variables={})
    message = await composed(desk, sent)
    link = (message.text or "").strip()
    assert link.startswith(f"{desk.api.house.station.config.api.public_url}/t/u/")
    assert (message.html or "").strip() == f'<a href="{link}">no more</a>'
    # What is kept does not unsubscribe anybody.
    assert sent["text"] == UNSUBSCRIBE_URL


async def test_variables_have_an_end(desk: Desk) -> None:
    answer = await ask(desk, subject="x", text="{{ n }}", variables={"n": "y" * limits.VARIABLES})
    assert problem(answer) == (422, "validation_error", "$.variables")


@pytest.mark.parametrize("variables", [[], "x", 1])
async def test_variables_are_an_object(desk: Desk, variables: Any) -> None:
    assert problem(await ask(desk, subject="x", variables=variables))[2] == "$.variables"


async def test_a_rehearsal_says_what_would_be_said(desk: Desk) -> None:
    await write(desk.api)
    wish: dict[str, Any] = {"template": "welcome-v2", "dry_run": True}
    answer = await ask(desk, **wish, variables={"name": "Ann", "plan": "Pro"})
    assert (answer.status, answer.json["subject"]) == (200, "Welcome, Ann")
    assert (await ask(desk, **wish)).code == MISSING


async def test_a_repeat_is_answered_as_the_first_also_when_the_template_is_gone(desk: Desk) -> None:
    await write(desk.api)
    document = {
        "from": f"app@{OURS}",
        "to": f"ann@{FAR}",
        "template": "welcome-v2",
        "variables": {"name": "Ann", "plan": "Pro"},
    }
    first = await desk.api.live.post("/v1/emails", document, idempotency_key="k")
    await desk.api.live.delete("/v1/templates/welcome-v2")
    again = await desk.api.live.post("/v1/emails", document, idempotency_key="k")
    assert (first.status, first.body) == (201, again.body)
    assert (await desk.api.live.post("/v1/emails", document)).code == "validation_error"


async def test_another_tenants_template_is_no_template(desk: Desk) -> None:
    made = await write(desk.api)
    for name in (made["id"], "welcome-v2"):
        document: dict[str, Any] = {
            "from": "app@theirs.test",
            "to": f"ann@{FAR}",
            "template": name,
            "variables": {},
        }
        assert problem(await desk.api.foreign.post("/v1/emails", document))[2] == "$.template"


async def test_a_key_of_one_inbox_may_send_what_is_published(desk: Desk) -> None:
    await write(desk.api)
    bound = await desk.api.client(mailbox=desk.api.inbox, scopes=["messages:send"])
    answer = await ask(desk, bound, template="welcome-v2", variables={"name": "Ann", "plan": "Pro"})
    assert answer.status == 201


async def test_a_hostile_template_delays_nobody(desk: Desk) -> None:
    """Other requests are answered while it is tried, and it is 422 in the end."""
    slow = "{% for i in (1..10000) %}{{ i | times: 7 }}{% endfor %}" * 400
    await ask(desk, subject="x", variables={})
    hostile = asyncio.ensure_future(ask(desk, subject="x", text=slow, variables={}))
    answered = 0
    while not hostile.done():
        assert (await desk.api.live.get("/v1/templates")).status == 200
        answered += 1
    assert problem(await hostile)[:2] == (422, "validation_error")
    assert answered > 5


async def test_each_of_a_batch_is_filled_in_or_told_what_is_missing(desk: Desk) -> None:
    await write(desk.api)
    email = {"from": f"app@{OURS}", "to": f"ann@{FAR}", "template": "welcome-v2"}
    whole = {"name": "Ann", "plan": "Pro"}
    emails = [
        {**email, "variables": whole},
        {**email, "variables": {"plan": "Pro"}},
        {**email, "template": "x"},
    ]
    answer = await desk.api.live.post("/v1/emails/batch", {"emails": emails})
    sent, short, nobody = answer.json["results"]
    assert (await desk.get(f"/messages/{sent['id']}"))["subject"] == "Welcome, Ann"
    assert short["problem"]["code"] == MISSING
    assert [error["path"] for error in short["problem"]["errors"]] == ["$.emails[1].variables.name"]
    assert nobody["problem"]["errors"][0]["path"] == "$.emails[2].template"


async def test_each_recipient_of_a_bulk_has_variables_of_its_own(desk: Desk) -> None:
    await write(desk.api, text="{Hi|Hello|Hey} {{ name }}: {{ plan }}", spintax=True)
    bulk = {
        "from": f"app@{OURS}",
        "template": "welcome-v2",
        "variables": {"plan": "Free"},
        "recipients": [
            {"email": f"ann@{FAR}", "name": "Ann"},
            {"email": f"bob@{FAR}", "name": "Bob", "variables": {"plan": {"no": "text"}, "name": "Robert"}},
            {"email": f"carol@{FAR}"},
            *({"email": f"more{number}@{FAR}", "name": "More"} for number in range(12)),
        ],
    }
    answer = await desk.api.live.post("/v1/emails/batch", bulk)
    ann, bob, carol, *more = answer.json["results"]
    assert (await desk.get(f"/messages/{ann['id']}"))["html"] == "<p>Hi Ann, your plan is Free.</p>"
    assert (await desk.get(f"/messages/{bob['id']}"))["subject"] == "Welcome, Robert"
    assert carol["problem"]["errors"][0]["path"] == "$.recipients[2].variables.name"
    texts = {(await desk.get(f"/messages/{each['id']}"))["text"] for each in more}
    assert 1 < len(texts) <= 3
