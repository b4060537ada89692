"""docs/coming-from.md: every request in it is made, and answered as it says."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.refusals import STATUS
from tests.api.conftest import Api, MakeApi

TEXT = (Path(__file__).parents[2] / "docs" / "coming-from.md").read_text()
_BLOCK = re.compile(r"^```http\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ANSWER = re.compile(r"=> (\d{3})(?: as (\w+):)?(?: (.+))?\Z")
_NAMED = re.compile(r"<(\w+)\.(\w+)>")


@dataclass(frozen=True, slots=True)
class Example:
    """One request, and what is said of its answer."""

    method: str
    target: str
    fields: dict[str, str]
    body: str
    status: int
    name: str | None
    has: tuple[str, ...]


def examples() -> Iterator[Example]:
    for text in _BLOCK.findall(TEXT):
        *request, last = text.rstrip().split("\n")
        found = _ANSWER.match(last)
        assert found, text
        head, _, body = "\n".join(request).partition("\n\n")
        first, *fields = head.split("\n")
        method, _, target = first.partition(" ")
        has = tuple(part.strip() for part in (found[3] or "").split(",") if part.strip())
        named = dict(field.split(": ", 1) for field in fields)
        yield Example(method, target, named, body, int(found[1]), found[2], has)


async def settled(make_api: MakeApi) -> Api:
    """The house that the page speaks of."""
    api = await make_api({"policy.default_daily_cap": 1000})
    await api.domain("example.com")
    await api.mailbox("hello@example.com")
    for address in ("ann@example.com", "ben@example.com"):
        await api.mailbox(address, pool="sales")
    return api


async def test_every_request_of_the_page_is_answered_as_it_says(make_api: MakeApi) -> None:
    api, answers = await settled(make_api), dict[str, Any]()
    clients = {
        "": api.live,
        "Bearer ph_test_…": api.test,
        "Bearer <root>": await api.client(name="root", is_root=True),
    }

    def filled(text: str) -> str:
        return _NAMED.sub(lambda found: str(answers[found[1]][found[2]]), text)

    done = 0
    for example in examples():
        client = clients[example.fields.pop("Authorization", "")]
        document = json.loads(filled(example.body)) if example.body.strip() else None
        fields: dict[str, Any] = {
            name.replace("-", "_"): filled(value) for name, value in example.fields.items()
        }
        answer = await client.request(example.method, filled(example.target), document, **fields)
        where = f"{example.method} {example.target}: {answer.body[:500]!r}"
        assert answer.status == example.status, where
        for path in example.has:
            assert _stands(answer.json, path), f"no {path} in {where}"
        if example.name is not None:
            answers[example.name] = answer.json
        done += 1
    assert done == TEXT.count("```http")
    assert done > 40


def _stands(document: Any, wanted: str) -> bool:
    """`path`, or `path=value` as JSON would write it without quotes."""
    path, said, value = wanted.partition("=")
    for name in path.split("."):
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    return not said or value == (document if isinstance(document, str) else json.dumps(document))


def test_codes_that_are_named_as_ours_are_ours() -> None:
    table = TEXT.split("## What they answer")[1]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE)[2:]
    ours = {code for _, column in rows for code in re.findall(r"`([a-z_]+)`", column)}
    assert len(rows) > 10
    assert ours <= set(STATUS)
