"""Whatever is sent, the answer is the client's mistake or a success: never a fault of ours."""

import json
import random
import re
from typing import Any

import pytest

from api.app import OPERATIONS
from api.operations import Operation
from tests.api.conftest import Api

VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 2**63, 10**30, [], {}, [[]], {"a": {"b": []}}, ["a", 1], [""]),
    *("", "x" * 5000, "é", "\0", "😀", "\r\nX: y", "../../x", "'; drop table x; --", "%", "*", "NEAR("),
    *("@", "a@b", "<a@b>", "ann@far.example", "192.0.2.0/24", "http://127.0.0.1/"),
    *("2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
)
PARAMETERS = (
    *("", "0", "-1", "201", "x", "true", "%00", "%ff", "a=b", "99999999999999999999", "%F0%9F%98%80", "eA"),
    *("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "%22unclosed", "a%20OR%20b", "NEAR(", "-"),
)
NAMES = ("x", "%00", "a@b", "..%2f", "%20", "msg_0" * 50, "send", "receive", "block")
# They wait for what happens, or take away what the others ask about.
LEFT_OUT = frozenset({"stream_events", "wait_for_message", "revoke_key", "delete_inbox"})
ASKED = [operation for operation in OPERATIONS if operation.scope and operation.operation_id not in LEFT_OUT]


def _name(operation: Operation) -> str:
    return operation.operation_id


@pytest.mark.parametrize("operation", ASKED, ids=_name)
@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_that_is_sent_is_a_fault_of_ours(api: Api, operation: Operation, seed: int) -> None:
    chance = random.Random(f"{operation.operation_id} {seed}")
    for _ in range(25):
        target, document = _target(chance, operation, api.inbox.id), _document(chance, operation)
        body = json.dumps(document).encode() if operation.body else b""
        answer = await api.live.request(operation.method, target, body=body)
        assert answer.status < 500, (target, document, answer)


def _target(chance: random.Random, operation: Operation, inbox: str) -> str:
    def fill(place: re.Match[str]) -> str:
        return inbox if place[1] == "inbox" and chance.random() < 0.8 else chance.choice(NAMES)

    path = re.sub(r"\{(\w+)\}", fill, operation.path)
    if operation.query is None:
        return path
    names = chance.sample(operation.query.__struct_fields__, 1)
    return path + "?" + "&".join(f"{name}={chance.choice(PARAMETERS)}" for name in names)


def _document(chance: random.Random, operation: Operation) -> dict[str, Any]:
    """The example with a few fields put wrong, or those fields alone."""
    if operation.body is None:
        return {}
    fields = operation.body.__struct_fields__
    wrong = {name: chance.choice(VALUES) for name in chance.sample(fields, min(len(fields), 2))}
    return {**dict(operation.example or {}), **wrong} if chance.random() < 0.7 else wrong
