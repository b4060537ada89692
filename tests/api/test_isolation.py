"""Every operation, whichever resource: no key, no right, nobody else's things."""

import re

import pytest
from msgspec import structs

from api.app import OPERATIONS
from api.operations import Operation
from tests.api.client import Answer, Client
from tests.api.conftest import Api

KEYED = [operation for operation in OPERATIONS if operation.scope is not None]
NAMED = [operation for operation in KEYED if "{" in operation.path.replace("{inbox}", "")]
OF_INBOX = [operation for operation in KEYED if "{inbox}" in operation.path]
_PLACE = re.compile(r"\{(\w+)\}")


def _name(operation: Operation) -> str:
    return operation.operation_id


async def ask(client: Client, operation: Operation, **places: str) -> Answer:
    """The operation with its own example, the places of its path filled."""
    target = _PLACE.sub(lambda found: places.get(found[1], "msg_00000000000000000000000000"), operation.path)
    document = operation.example if operation.body is not None else None
    return await client.request(operation.method, target + _needed(operation), document)


def _needed(operation: Operation) -> str:
    """What must stand behind `?`: some text for each name."""
    fields = structs.fields(operation.query) if operation.query else ()
    names = [field.encode_name for field in fields if field.required]
    return "?" + "&".join(f"{name}=far.example" for name in names) if names else ""


async def test_without_a_key_nothing_is_possible(api: Api) -> None:
    nobody = Client(api.live.app)
    codes = {_name(operation): (await ask(nobody, operation)).code for operation in KEYED}
    assert codes == dict.fromkeys(map(_name, KEYED), "unauthorized")


async def test_without_the_scope_nothing_is_possible(api: Api) -> None:
    narrow = {scope: await api.client(scopes=[scope]) for scope in ("keys:read", "events:read")}
    codes = {}
    for operation in KEYED:
        scope = "keys:read" if operation.scope != "keys:read" else "events:read"
        codes[_name(operation)] = (await ask(narrow[scope], operation)).code
    assert codes == dict.fromkeys(map(_name, KEYED), "insufficient_scope")


@pytest.mark.parametrize("operation", NAMED, ids=_name)
async def test_what_is_not_there_is_not_found(api: Api, operation: Operation) -> None:
    assert (await ask(api.live, operation, inbox=api.inbox.id)).code == "not_found"


@pytest.mark.parametrize("operation", OF_INBOX, ids=_name)
async def test_somebody_elses_inbox_is_not_found(api: Api, operation: Operation) -> None:
    other = await api.mailbox("other@ours.test")
    bound = await api.client(mailbox=other)
    for name in (api.foreign_inbox.id, str(api.foreign_inbox.address)):
        assert (await ask(api.live, operation, inbox=name)).code == "not_found"
    assert (await ask(bound, operation, inbox=api.inbox.id)).code == "not_found"
