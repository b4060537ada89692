"""Whoever has no right to it learns and changes nothing, by any operation of the table of operations.

A new operation is asked here without a new test. A new kind of place in a
path, or a new field that names something, wants a value in `tests.api.furnished`.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
import pytest_asyncio
from msgspec import structs

from api.app import OPERATIONS
from api.operations import Operation
from api.scopes import SCOPES
from relay.control.operations.domains import AddDomain
from tests.api.furnished import SETTINGS, SUBJECT, TEXT, THEIRS, Furnished, everything, furnish
from tests.fakes.api_client import make_key
from tests.fakes.daemon import OURS, keep_daemons
from tests.fakes.dns_server import FakeDns

KEYED = [operation for operation in OPERATIONS if operation.scope is not None]
SECOND = "second.test"
STREAM = "/v1/events/stream"
# Places that name no thing of anybody's.
WORDS = {"direction": "send", "type": "block"}
_PLACE = re.compile(r"\{(\w+)\}")

Asked = tuple[str, str, Any]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def furnished(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Furnished]:
    """One daemon for all of these tests: they find it as they leave it, and the last uses it up."""
    dns = await FakeDns.start()
    async with keep_daemons(tmp_path_factory.mktemp("tenants")) as make_daemon:
        settings = {**SETTINGS, "dns.nameservers": [dns.nameserver]}
        furnished = await furnish(await make_daemon(settings, receives=True))
        await furnished.daemon.do("domain.add", AddDomain(name=SECOND, assume_verified=True))
        for address in (f"alone@{OURS}", f"beside@{OURS}", f"app@{SECOND}"):
            await furnished.daemon.add_mailbox(address)
        yield furnished
    await dns.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(furnished: Furnished) -> AsyncIterator[httpx2.AsyncClient]:
    address = f"http://127.0.0.1:{furnished.daemon.ports['http']}"
    async with httpx2.AsyncClient(base_url=address, trust_env=False, timeout=60) as client:
        yield client


def places_of(operation: Operation) -> list[str]:
    return [name for name in _PLACE.findall(operation.path) if name not in WORDS]


def requests(operation: Operation, furnished: Furnished, **instead: str) -> Iterator[Asked]:
    """The operation with our things wherever one can be named: in path, query and document."""
    named = {**furnished.places, **WORDS, **instead}
    path = _PLACE.sub(lambda found: named[found[1]], operation.path)
    query = {**_required(operation), **_references(operation.query, furnished)}
    document = None
    if operation.body is not None:
        document = {**operation.example, **_references(operation.body, furnished)}
    yield operation.method, path + _behind(query), document
    if operation.body is not None and document != operation.example:
        yield operation.method, path + _behind(query), operation.example
    if query != _required(operation):
        yield operation.method, path + _behind(_required(operation)), document


def _references(shape: Any, furnished: Furnished) -> dict[str, Any]:
    """Fields by which something of ours can be meant."""
    places = furnished.places
    known = {
        **{"inbox": places["inbox"], "catch_all": places["inbox"], "domain": OURS, "from": places["inbox"]},
        **{"thread": places["thread"], "thread_id": places["other_thread"], "in_reply_to": places["message"]},
        **{"message": places["message"], "message_ids": [places["message"]], "forward_of": places["message"]},
        **{"template": places["template"], "layout": places["template"]},
        **{"after": places["message"], "event": places["message"], "event_ids": [furnished.event]},
    }
    names = [field.encode_name for field in structs.fields(shape)] if shape else []
    # An answer in a thread is one thing, a forward another.
    return {name: known[name] for name in names if name in known and name != "forward_of"}


def _required(operation: Operation) -> dict[str, Any]:
    fields = structs.fields(operation.query) if operation.query else ()
    needed: dict[str, Any] = {field.encode_name: "far.example" for field in fields if field.required}
    return {**needed, **({"timeout": 0} if operation.path.endswith("/wait") else {})}


def _behind(query: dict[str, Any]) -> str:
    return f"?{httpx2.QueryParams(query)}" if query else ""


async def ask(http: httpx2.AsyncClient, key: str, asked: Asked) -> httpx2.Response:
    method, target, document = asked
    return await http.request(method, target, json=document, headers={"Authorization": f"Bearer {key}"})


def code_of(answer: httpx2.Response) -> str:
    return (
        f"{answer.status_code} {answer.json().get('code', '')}" if answer.content else str(answer.status_code)
    )


async def test_a_foreign_key_learns_and_changes_nothing(
    furnished: Furnished, http: httpx2.AsyncClient
) -> None:
    before = await everything(furnished)
    for operation in KEYED:
        if operation.path == STREAM:
            continue
        places = places_of(operation)
        variants = [{}, {"inbox": f"app@{THEIRS}"}] if "inbox" in places[:1] and places[1:] else [{}]
        for instead in variants:
            for asked in requests(operation, furnished, **instead):
                answer = await ask(http, furnished.foreign, asked)
                said = f"{unquote(asked[1])} {json.dumps(asked[2])}"
                told = [mark for mark in furnished.marks if mark in answer.text and mark not in said]
                assert told == [], (asked, answer.text)
                assert answer.status_code < 500, (asked, answer.text)
                if places:
                    assert code_of(answer) in ("404 not_found", "422 validation_error"), (asked, answer.text)
    assert await everything(furnished) == before


async def test_a_key_that_is_gone_or_was_never_is_worth_nothing(
    furnished: Furnished, http: httpx2.AsyncClient
) -> None:
    revoked = await make_key(furnished.daemon, name="revoked")
    ids = (await ask(http, revoked, ("GET", "/v1/account", None))).json()["key"]["id"]
    assert (await ask(http, furnished.live, ("DELETE", f"/v1/keys/{ids}", None))).status_code == 204
    before = await everything(furnished)
    for operation in KEYED:
        asked = next(requests(operation, furnished))
        for key in (revoked, revoked[:-1], furnished.live.swapcase(), "ph_live_" + "0" * 32):
            assert code_of(await ask(http, key, asked)) == "401 unauthorized", asked
    assert await everything(furnished) == before


async def test_every_scope_but_the_needed_one_opens_nothing(
    furnished: Furnished, http: httpx2.AsyncClient
) -> None:
    before = await everything(furnished)
    for scope in sorted({operation.scope for operation in KEYED if operation.scope}):
        others = tuple(each for each in SCOPES if each != scope)
        key = await make_key(furnished.daemon, name=scope, scopes=others)
        for operation in KEYED:
            if operation.scope == scope:
                asked = next(requests(operation, furnished))
                assert code_of(await ask(http, key, asked)) == "403 insufficient_scope", asked
    after = await everything(furnished)
    assert after == before


BOUND: list[dict[str, Any]] = [
    {"inboxes": (f"alone@{OURS}",)},
    {"inboxes": (f"alone@{OURS}", f"beside@{OURS}")},
    {"domains": (SECOND,)},
    {"inboxes": (f"alone@{OURS}",), "domains": (SECOND,)},
]


@pytest.mark.parametrize("binding", BOUND, ids=str)
async def test_a_bound_key_reads_no_mail_of_another_inbox(
    furnished: Furnished, http: httpx2.AsyncClient, binding: dict[str, Any]
) -> None:
    bound = await make_key(furnished.daemon, name="bound", **binding)
    before = await everything(furnished)
    for operation in KEYED:
        if operation.path == STREAM:
            continue
        places = places_of(operation)
        for asked in requests(operation, furnished):
            answer = await ask(http, bound, asked)
            assert SUBJECT not in answer.text, asked
            assert TEXT not in answer.text, asked
            assert answer.status_code < 500, asked
            if set(places) & {"message", "thread", "draft", "attachment"}:
                assert code_of(answer) in ("404 not_found", "422 validation_error"), (asked, answer.text)
    after = await everything(furnished)
    # It may have the DNS asked, which notes when.
    assert {**after, "/v1/domains": None} == {**before, "/v1/domains": None}


async def test_what_a_stranger_is_refused_its_owner_is_not(
    furnished: Furnished, http: httpx2.AsyncClient
) -> None:
    """Else a mistake in the question would pass for isolation."""
    for operation in sorted(KEYED, key=lambda operation: operation.method == "DELETE"):
        doomed = furnished.doomed.get(f"{operation.method} {operation.path}", {})
        if operation.path != STREAM and places_of(operation):
            asked = next(requests(operation, furnished, **doomed))
            answer = await ask(http, furnished.live, asked)
            assert answer.status_code not in (401, 403, 404), (asked, answer.text)
