"""/openapi.json says what is served, no more and no less, with examples that are true."""

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from api import app
from api.app import OPERATIONS
from api.operations import JSON, Operation
from api.refusals import STATUS
from api.scopes import SCOPES
from tests.api.client import Client
from tests.api.conftest import Api, MakeApi

ALL = [pytest.param(operation, id=operation.operation_id) for operation in OPERATIONS]


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    answer = await api.live.get("/openapi.json")
    assert answer.fields["content-type"] == "application/json"
    found: dict[str, Any] = answer.json
    return found


async def test_every_route_is_in_the_document_and_nothing_else(api: Api, document: dict[str, Any]) -> None:
    assert isinstance(api.live.app, Starlette)
    routes = {route.path for route in api.live.app.routes if isinstance(route, Route)}
    assert len(routes) == len(api.live.app.routes)
    assert routes == set(document["paths"])
    written = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    assert written == {(operation.path, operation.method) for operation in OPERATIONS}
    assert len(written) == len(OPERATIONS)


async def test_who_needs_no_key_makes_us_write_it_only_once(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def document(operations: Sequence[Operation], url: str) -> dict[str, Any]:
        made.append(url)
        return {"openapi": "3.1.0"}

    monkeypatch.setattr(app, "document", document)
    api = await make_api({"api.public_url": "https://once.test"})
    nobody = Client(api.live.app)
    answers = [await nobody.get("/openapi.json") for _ in range(2)]
    assert [answer.json for answer in answers] == [{"openapi": "3.1.0"}] * 2
    assert made == ["https://once.test"]


async def test_the_document_is_well_formed(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"]
    assert document["info"]["version"]
    text = json.dumps(document)
    for name in re.findall(r'"\$ref": "([^"]+)"', text):
        place: Any = document
        for part in name.removeprefix("#/").split("/"):
            place = place[part]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in document["components"]["schemas"])
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


async def test_operations_are_told_apart(document: dict[str, Any]) -> None:
    names = [operation.operation_id for operation in OPERATIONS]
    assert len(set(names)) == len(names)


async def test_an_operation_says_all_of_itself(document: dict[str, Any]) -> None:
    for operation in OPERATIONS:
        _says_all(operation, document)


def _says_all(operation: Operation, document: dict[str, Any]) -> None:
    written = document["paths"][operation.path][operation.method.lower()]
    assert written["summary"]
    assert written["summary"][0].isupper()
    assert not written["summary"].endswith(".")
    places = {part["name"] for part in written["parameters"] if part["in"] == "path"}
    assert places == set(re.findall(r"\{(\w+)\}", operation.path))
    assert (written.get("security") == []) == (operation.scope is None)
    good = written["responses"][str(operation.status)]
    assert operation.status == 204 or "content" in good
    for status, answer in written["responses"].items():
        if int(status) >= 400:
            assert set(answer["content"]) == {"application/problem+json"}
    assert operation.scope is None or "401" in written["responses"]


@pytest.mark.parametrize("operation", ALL)
def test_scopes_and_codes_are_known(operation: Operation) -> None:
    assert operation.scope is None or operation.scope in SCOPES
    assert set(operation.errors) <= set(STATUS)
    if operation.path.startswith("/v1/"):
        assert operation.scope is not None


@pytest.mark.parametrize("operation", ALL)
def test_examples_are_what_the_shapes_say(operation: Operation) -> None:
    """Read and written again, they are the same: nothing is missing and nothing is unknown."""
    if operation.body is not None:
        msgspec.json.decode(msgspec.json.encode(operation.example), type=operation.body)
    if operation.answer is not None:
        decoded = msgspec.json.decode(msgspec.json.encode(operation.answers), type=operation.answer)
        assert json.loads(msgspec.json.encode(decoded)) == operation.answers
    elif operation.media_type != JSON:
        assert isinstance(operation.answers, str)
