"""/v1/templates: written, tried out, published, taken up again; nobody else's are seen."""

import asyncio
import sys
from typing import Any

import pytest

from relay.templates import limits
from tests.api.client import Answer, Client
from tests.api.conftest import Api

FAR = "far.example"
SHIPPED: dict[str, Any] = {
    "name": "order_shipped",
    "subject": "Order {{ order.number }}",
    "html": "<p>Hello {{first_name|there}},</p>{% for i in order.items %}<p>{{ i.name }}</p>{% endfor %}",
}
ORDER = {"number": "4711", "items": [{"name": "Widget & Co"}]}
MJML = "<mjml><mj-body><mj-section><mj-column><mj-text>Hi</mj-text></mj-column></mj-section></mj-body></mjml>"
PATH = "/v1/templates"


def good(answer: Answer) -> Any:
    assert answer.status in (200, 201), answer
    return answer.json


def told(answer: Answer) -> tuple[int, str, list[str]]:
    """Status, code and the places that are wrong."""
    errors = answer.json.get("errors", [])
    return answer.status, answer.code, [error["path"] for error in errors]


async def write(api: Api, **said: Any) -> Any:
    return good(await api.live.post(PATH, {**SHIPPED, **said}))


async def preview(api: Api, name: str = "order_shipped", **wish: Any) -> Answer:
    return await api.live.post(f"{PATH}/{name}/preview", wish)


async def test_a_template_is_what_was_written(api: Api) -> None:
    made = await write(api, description="To whoever waits")
    assert made["id"].startswith("tmp_")
    assert {name: made[name] for name in SHIPPED} == SHIPPED
    assert (made["mjml"], made["text"], made["layout"], made["description"]) == (
        None,
        None,
        None,
        "To whoever waits",
    )
    assert made["variables"] == ["first_name", "order.items", "order.number"]
    assert (made["published_version"], made["is_changed"]) == (None, True)
    for name in (made["id"], "order_shipped"):
        assert good(await api.live.get(f"{PATH}/{name}")) == made


async def test_lists_leave_the_texts_out(api: Api) -> None:
    names = [f"template-{number}" for number in range(3)]
    for name in names:
        await write(api, name=name)
        api.clock.advance(seconds=1)
    first = good(await api.live.get(f"{PATH}?limit=2"))
    second = good(await api.live.get(f"{PATH}?limit=2&cursor={first['next_cursor']}"))
    listed = first["data"] + second["data"]
    assert [each["name"] for each in listed] == names[::-1]
    assert not any({"html", "mjml", "text"} & each.keys() for each in listed)
    assert (first["has_more"], second["has_more"]) == (True, False)


async def test_what_is_published_stays_until_the_draft_is_published(api: Api) -> None:
    await write(api, publish=True, subject="one")
    changed = good(await api.live.patch(f"{PATH}/order_shipped", {"subject": "two"}))
    assert (changed["published_version"], changed["is_changed"], changed["subject"]) == (1, True, "two")
    variables = {"order": ORDER}
    for version, subject in (("published", "one"), ("draft", "two"), (1, "one")):
        assert good(await preview(api, version=version, variables=variables))["subject"] == subject
    published = good(await api.live.post(f"{PATH}/order_shipped/publish"))
    assert (published["published_version"], published["is_changed"]) == (2, False)
    assert good(await preview(api, version="published", variables=variables))["subject"] == "two"


async def test_publishing_what_is_published_makes_no_version(api: Api) -> None:
    await write(api, publish=True)
    again = good(await api.live.post(f"{PATH}/order_shipped/publish"))
    assert again["published_version"] == 1
    # Back to what it says already.
    good(await api.live.patch(f"{PATH}/order_shipped", {"subject": "other"}))
    back = good(await api.live.patch(f"{PATH}/order_shipped", {"subject": SHIPPED["subject"]}))
    assert not back["is_changed"]


async def test_versions_are_listed_and_taken_up_again(api: Api) -> None:
    await write(api, publish=True, subject="one")
    for subject in ("two", "three"):
        await api.live.patch(f"{PATH}/order_shipped", {"subject": subject, "publish": True})
    versions = f"{PATH}/order_shipped/versions"
    listed = good(await api.live.get(f"{versions}?limit=2"))
    assert [(each["version"], each["subject"], each["is_published"]) for each in listed["data"]] == [
        (3, "three", True),
        (2, "two", False),
    ]
    rest = good(await api.live.get(f"{versions}?limit=2&cursor={listed['next_cursor']}"))
    assert [each["version"] for each in rest["data"]] == [1]
    assert good(await api.live.get(f"{versions}/1"))["html"] == SHIPPED["html"]

    restored = good(await api.live.post(f"{versions}/1/restore"))
    assert (restored["subject"], restored["published_version"], restored["is_changed"]) == ("one", 3, True)
    sent = good(await api.live.post(f"{versions}/2/restore", {"publish": True}))
    assert (sent["subject"], sent["published_version"], sent["is_changed"]) == ("two", 4, False)


@pytest.mark.parametrize("version", ["9", "0", "-1", "x", "99999999999999999999999", "²"])
async def test_a_version_that_never_was_is_not_found(api: Api, version: str) -> None:
    await write(api, publish=True)
    path = f"{PATH}/order_shipped/versions/{version}"
    assert (await api.live.get(path)).code == "not_found"
    assert (await api.live.post(f"{path}/restore")).code == "not_found"


async def test_old_versions_go(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VERSIONS", 2)
    await write(api, publish=True)
    for number in range(3):
        await api.live.patch(f"{PATH}/order_shipped", {"subject": str(number), "publish": True})
    listed = good(await api.live.get(f"{PATH}/order_shipped/versions"))["data"]
    assert [each["version"] for each in listed] == [4, 3]


async def test_a_preview_is_the_message_as_it_would_be_sent(api: Api) -> None:
    await write(api)
    shown = good(await preview(api, variables={"order": ORDER}, to=f"Ann Lee <ann@{FAR}>"))
    assert shown["subject"] == "Order 4711"
    assert shown["html"] == "<p>Hello Ann,</p><p>Widget &amp; Co</p>"
    assert shown["text"].split() == ["Hello", "Ann,", "Widget", "&", "Co"]
    assert shown["variables"] == ["first_name", "order.items", "order.number"]
    assert "Hello there," in good(await preview(api, variables={"order": ORDER}))["html"]


async def test_a_preview_names_all_that_is_missing(api: Api) -> None:
    await write(api, text="{{ email }} {{ order.total }}")
    answer = await preview(api)
    assert told(answer) == (
        422,
        "template_missing_variables",
        ["$.variables.order", "$.variables.email"],
    )
    answer = await preview(api, variables={"order": ORDER}, to=f"ann@{FAR}")
    assert told(answer)[2] == ["$.variables.order.total"]


@pytest.mark.parametrize("value", ["x\r\nBcc: eve@evil.example", "x\ny", "x\x1b", "x\u2028y", "x\x7f"])
async def test_no_value_ends_the_line_of_a_header(api: Api, value: str) -> None:
    await write(api, subject="Hi {{ name }}", html="<p>{{ name }}</p>")
    assert told(await preview(api, variables={"name": value})) == (422, "validation_error", ["$.subject"])


async def test_a_subject_that_is_filled_in_has_an_end(api: Api) -> None:
    await write(api, subject="{{ name }}", html="x")
    assert told(await preview(api, variables={"name": "x" * 2001}))[2] == ["$.subject"]
    assert good(await preview(api, variables={"name": " x\t"}))["subject"] == "x"


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"html": "{% if %}"}, "$.html"),
        ({"subject": "{{ a | nope: 1 }}"}, "$.subject"),
        ({"text": "{% include '/etc/passwd' %}"}, "$.text"),
        ({"html": None, "mjml": "{% for %}"}, "$.mjml"),
        ({"mjml": MJML}, "$.mjml"),
        ({"html": "x" * (limits.SOURCE + 1)}, "$.html"),
        ({"subject": "x" * 2001}, "$.subject"),
        ({"name": "tmp_1"}, "$.name"),
        ({"name": "with space"}, "$.name"),
        ({"name": ""}, "$.name"),
        ({"name": "x\n"}, "$.name"),
        ({"layout": "nobody"}, "$.layout"),
        ({"html": None, "publish": True}, "$.html"),
        ({"spintax": True, "html": "{a|" * 20 + "}" * 20}, "$.html"),
        ({"unknown": 1}, "$"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_place(api: Api, said: dict[str, Any], path: str) -> None:
    answer = await api.live.post(PATH, {**SHIPPED, **said})
    assert told(answer)[0] == 422
    assert told(answer)[2][0].startswith(path)
    assert good(await api.live.get(PATH))["data"] == []


async def test_a_name_is_taken_once(api: Api) -> None:
    await write(api)
    await write(api, name="other")
    assert (await api.live.post(PATH, SHIPPED)).code == "already_exists"
    assert (await api.live.patch(f"{PATH}/other", {"name": "order_shipped"})).code == "already_exists"
    renamed = good(await api.live.patch(f"{PATH}/other", {"name": "third"}))
    assert good(await api.live.get(f"{PATH}/third")) == renamed
    assert (await api.live.get(f"{PATH}/other")).code == "not_found"


async def test_there_is_an_end_to_templates(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TEMPLATES", 1)
    await write(api)
    assert (await api.live.post(PATH, {**SHIPPED, "name": "more"})).code == "quota_exceeded"


async def test_a_layout_stands_around_what_uses_it(api: Api) -> None:
    frame = "<html><body>{{ content }}<p>{{ email }}</p></body></html>"
    await write(api, name="frame", html=frame, subject="", publish=True)
    await write(api, html="<p>{{ 'x' }}</p>", subject="s", layout="frame")
    shown = good(await preview(api, to=f"ann@{FAR}"))
    assert shown["html"] == frame.replace("{{ content }}", "<p>x</p>").replace("{{ email }}", f"ann@{FAR}")


async def test_a_layout_has_no_layout_is_published_and_speaks_the_same_markup(api: Api) -> None:
    await write(api, name="draft", html="{{ content }}")
    await write(api, name="frame", html="{{ content }}", publish=True)
    await write(api, name="inner", html="{{ content }}", layout="frame", publish=True)
    for layout in ("draft", "inner"):
        assert told(await api.live.post(PATH, {**SHIPPED, "layout": layout}))[2] == ["$.layout"]
    answer = await api.live.post(PATH, {**SHIPPED, "html": None, "mjml": MJML, "layout": "frame"})
    assert told(answer)[2] == ["$.layout"]
    assert told(await api.live.patch(f"{PATH}/frame", {"layout": "frame"}))[2] == ["$.layout"]


async def test_a_part_is_taken_away_with_null(api: Api) -> None:
    await write(api, text="plain")
    changed = good(await api.live.patch(f"{PATH}/order_shipped", {"text": None, "html": None, "mjml": MJML}))
    assert (changed["text"], changed["html"], changed["mjml"]) == (None, None, MJML)
    assert "mj-text" not in good(await preview(api, variables={"order": ORDER}))["html"]


async def test_styles_are_put_in_where_that_is_wanted(api: Api) -> None:
    html = "<style>p { color: red }</style><p>x</p>"
    await write(api, html=html, subject="s", inline_css=True)
    assert '<p style="color: red;">x</p>' in good(await preview(api))["html"]
    good(await api.live.patch(f"{PATH}/order_shipped", {"inline_css": False}))
    assert good(await preview(api))["html"] == html


@pytest.mark.parametrize(
    ("module", "said", "path"),
    [("mjml", {"html": None, "mjml": MJML}, "$.mjml"), ("css_inline", {"inline_css": True}, "$.inline_css")],
)
async def test_without_the_extra_they_are_not_possible(
    api: Api, monkeypatch: pytest.MonkeyPatch, module: str, said: dict[str, Any], path: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as where nobody has installed it
    assert told(await api.live.post(PATH, {**SHIPPED, **said})) == (501, "not_installed", [path])


async def test_two_who_change_it_at_once_both_change_it(api: Api) -> None:
    await write(api)
    changes = [{"subject": "new"}, {"text": "new"}, {"description": "new"}, {"spintax": True}]
    answers = await asyncio.gather(*(api.live.patch(f"{PATH}/order_shipped", each) for each in changes))
    assert {answer.status for answer in answers} == {200}
    after = good(await api.live.get(f"{PATH}/order_shipped"))
    assert (after["subject"], after["text"], after["description"], after["spintax"]) == (
        "new",
        "new",
        "new",
        True,
    )


async def test_a_repeated_request_makes_one(api: Api) -> None:
    first, second = [await api.live.post(PATH, SHIPPED, idempotency_key="k") for _ in range(2)]
    assert first.body == second.body
    assert second.fields["idempotent-replayed"] == "true"


async def test_what_is_removed_is_gone_with_its_versions(api: Api) -> None:
    await write(api, publish=True)
    assert (await api.live.delete(f"{PATH}/order_shipped")).status == 204
    for path in ("", "/versions", "/versions/1"):
        assert (await api.live.get(f"{PATH}/order_shipped{path}")).code == "not_found"
    assert (await write(api))["published_version"] is None


async def _everything(client: Client, name: str) -> list[str]:
    """The codes of whatever may be asked of a template."""
    path = f"{PATH}/{name}"
    asked = [
        await client.get(path),
        await client.patch(path, {"subject": "mine"}),
        await client.post(f"{path}/publish"),
        await client.post(f"{path}/preview"),
        await client.get(f"{path}/versions"),
        await client.get(f"{path}/versions/1"),
        await client.post(f"{path}/versions/1/restore"),
        await client.delete(path),
    ]
    return [answer.code for answer in asked]


async def test_another_tenants_templates_are_not_there(api: Api) -> None:
    made = await write(api, publish=True)
    for name in (made["id"], "order_shipped"):
        assert await _everything(api.foreign, name) == ["not_found"] * 8
    assert good(await api.foreign.get(PATH))["data"] == []
    theirs = good(await api.foreign.post(PATH, SHIPPED))
    assert theirs["id"] != made["id"]
    assert told(await api.foreign.post(PATH, {**SHIPPED, "name": "n", "layout": made["id"]}))[2] == [
        "$.layout"
    ]
    assert good(await api.live.get(f"{PATH}/order_shipped")) == made


async def test_a_key_of_one_inbox_has_no_say_in_them(api: Api) -> None:
    await write(api)
    bound = await api.client(mailbox=api.inbox)
    assert await _everything(bound, "order_shipped") == ["insufficient_scope"] * 8


async def test_reading_is_not_writing(api: Api) -> None:
    await write(api, publish=True)
    reader = await api.client(scopes=["templates:read"])
    assert good(await reader.post(f"{PATH}/order_shipped/preview", {"variables": {"order": ORDER}}))
    assert (await reader.post(PATH, {**SHIPPED, "name": "x"})).code == "insufficient_scope"
    assert (await reader.delete(f"{PATH}/order_shipped")).code == "insufficient_scope"
