"""What an attacker would write in a body, over every kind of POST: refused with the place, never a fault."""

import json
from typing import Any

import pytest

from tests.api.client import Answer
from tests.api.conftest import Api

INBOX = "/v1/inboxes/app@ours.test"
MESSAGES = f"{INBOX}/messages"
ANN = "ann@far.example"
INJECTED = "x\r\nBcc: eve@far.example"


def letter(**fields: Any) -> bytes:
    """A message that is right but for these fields; `sender` is from."""
    named = {name.replace("sender", "from"): value for name, value in fields.items()}
    return json.dumps({"to": ANN, "text": "Hi", **named}).encode()


def attached(**fields: Any) -> bytes:
    """A message with one attachment that is right but for these fields."""
    return letter(attachments=[{"filename": "a.txt", "content": "aGk=", **fields}])


WRITING = ("reply", "reply-all", "forward", "thread", "drafts")
HEADER_BOUND = {
    "CRLF in an address": (letter(to=f"{ANN}\r\nBcc: eve@far.example"), "$.to"),
    "CRLF in a name": (letter(cc={"address": ANN, "name": INJECTED}), "$.cc.name"),
    "CRLF in the second of several": (
        letter(bcc=[ANN, {"address": "x\r\n@far.example"}]),
        "$.bcc[1].address",
    ),
    "two addresses in one text": (letter(to=f"{ANN}, eve@far.example"), "$.to"),
    "CRLF in Reply-To": (letter(reply_to=[INJECTED]), "$.reply_to[0]"),
    "CRLF in From": (letter(sender=f"app@ours.test\r\nBcc: {ANN}"), "$.from"),
    "CRLF in a field of one's own": (letter(headers={"X-A": INJECTED}), "$.headers"),
    "CRLF in a field's name": (letter(headers={"X-A: b\r\nBcc": ANN}), "$.headers"),
    "CRLF in a filename": (attached(filename=INJECTED), "$.attachments[0].filename"),
    "a path without a file": (attached(filename="..\\..\\"), "$.attachments[0].filename"),
    "CRLF in a content type": (attached(content_type="text/plain\r\nX: y"), "$.attachments[0].content_type"),
    "NUL in a content id": (attached(content_id="a\0b"), "$"),
    "CRLF in a label": (letter(labels=[INJECTED]), "$.labels[0]"),
}
SHAPES = {
    "NaN among persons": (MESSAGES, b'{"to": NaN}', None),
    "nested persons": (MESSAGES, b'{"to": ' + b"[" * 5000 + b"]" * 5000 + b"}", None),
    "persons within persons": (MESSAGES, letter(to=[[ANN]]), "$.to[0]"),
    "a crowd": (MESSAGES, letter(to=[ANN] * 1001), "$.to"),
    "two recipients fields": (MESSAGES, b'{"to": "ann@far.example", "to": "eve@far.example"}', None),
    "text that is a number": (MESSAGES, letter(text=7), "$.text"),
    "HTML that is an object": (MESSAGES, letter(html={"a": "b"}), "$.html"),
    "metadata in metadata": (MESSAGES, letter(metadata={"a": {"b": "c"}}), "$.metadata[...]"),
    "sent in the year 9999": (MESSAGES, letter(send_at="9999-12-31T23:59:59Z"), "$.send_at"),
    "sent in the year 0": (MESSAGES, letter(send_at="0000-01-01T00:00:00Z"), "$.send_at"),
    "sent at a number": (MESSAGES, letter(send_at=10**30), "$"),
    "sent beyond floats": (MESSAGES, b'{"to": "ann@far.example", "send_at": 1e400}', "$.send_at"),
    "sent at the edge of time zones": (MESSAGES, letter(send_at="9999-12-31T23:59:59-23:59"), "$.send_at"),
    "a draft of nothing known": (f"{INBOX}/drafts", b'{"subject": "x", "tenant_id": "ten_1"}', "$"),
    "a draft with half a character": (f"{INBOX}/drafts", b'{"subject": "\\udfff"}', None),
    "a draft in answer to an object": (f"{INBOX}/drafts", b'{"in_reply_to": {}}', "$.in_reply_to"),
    "CRLF in an inbox's address": ("/v1/inboxes", b'{"address": "a\\r\\nb@ours.test"}', "$.address"),
    "CRLF in an inbox's name": ("/v1/inboxes", b'{"address": "b@ours.test", "name": "a\\r\\nb"}', "$.name"),
    "a cap below nothing": ("/v1/inboxes", b'{"address": "b@ours.test", "daily_cap": -1}', "$.daily_cap"),
    "a cap beyond 64 bits": ("/v1/inboxes", b'{"daily_cap": 18446744073709551616}', "$"),
    "a cap that is no number": ("/v1/inboxes", b'{"daily_cap": NaN}', None),
    "a pattern of stars": ("/v1/inboxes", b'{"address": "b@ours.test", "senders": ["*@*"]}', "$.senders"),
    "an alias of CRLF": (
        "/v1/inboxes",
        b'{"address": "b@ours.test", "aliases": ["a\\r\\nb@ours.test"]}',
        "$.aliases",
    ),
    "aliases in an object": ("/v1/inboxes", b'{"aliases": {"a": 1}}', "$.aliases"),
    "a plan of wild numbers": (
        "/v1/inboxes",
        b'{"warmup": "start=1,factor=1e999,ceiling=9999999999999999999999"}',
        "$.warmup",
    ),
    "CRLF in a domain": ("/v1/domains", b'{"name": "a.test\\r\\nb.test"}', "$.name"),
    "dots alone": ("/v1/domains", b'{"name": ".."}', "$.name"),
    "a label of a thousand": ("/v1/domains", b'{"name": "%s.test"}' % (b"a" * 1000), "$.name"),
    "punycode of nothing": ("/v1/domains", b'{"name": "xn--\xc3\xbc.test"}', "$.name"),
    "a path in a domain": ("/v1/domains", b'{"name": "../../etc/passwd"}', "$.name"),
    "a script for a URL": ("/v1/webhooks", b'{"url": "javascript:alert(1)"}', "$.url"),
    "CRLF in a URL": ("/v1/webhooks", b'{"url": "https://a.example/\\r\\nX: y"}', "$.url"),
    "half an IPv6 address": ("/v1/webhooks", b'{"url": "http://[::1"}', "$.url"),
    "a port beyond ports": ("/v1/webhooks", b'{"url": "https://a.example:99999/"}', "$.url"),
    "a password in a URL": ("/v1/webhooks", b'{"url": "https://a:b@a.example/"}', "$.url"),
    "this machine": ("/v1/webhooks", b'{"url": "http://127.1/"}', "$.url"),
    "events that never happen": (
        "/v1/webhooks",
        b'{"url": "https://a.example/", "events": ["x"]}',
        "$.events",
    ),
    "an address of CRLF": ("/v1/suppressions", b'{"address": "a@far.example\\r\\nb"}', "$.address"),
    "kept until no time": (
        "/v1/suppressions",
        b'{"address": "a@far.example", "expires_at": "9999-12-31T23:59:59-23:59"}',
        "$.expires_at",
    ),
    "an entry of CRLF": ("/v1/lists/send/block", b'{"entry": "far.example\\r\\nb"}', "$.entry"),
    "an entry of stars": ("/v1/lists/send/block", b'{"entry": "*@*"}', "$.entry"),
}


def refused(answer: Answer, path: str | None) -> bool:
    """400 for what is no JSON, else 422 at the path or within it."""
    if path is None:
        return (answer.status, answer.code) == (400, "malformed_json")
    place = answer.json["errors"][0]["path"]
    return (answer.status, answer.code) == (422, "validation_error") and place.startswith(path)


def cases(table: dict[str, Any]) -> list[Any]:
    return [pytest.param(*case, id=name) for name, case in table.items()]


@pytest.mark.parametrize("what", WRITING)
@pytest.mark.parametrize(("body", "path"), cases(HEADER_BOUND))
async def test_nothing_gets_into_a_header(api: Api, what: str, body: bytes, path: str) -> None:
    sent = (await api.live.request("POST", MESSAGES, body=letter(subject="Hello"))).json
    target = {"drafts": f"{INBOX}/drafts", "thread": f"{INBOX}/threads/{sent['thread_id']}/reply"}
    answer = await api.live.request("POST", target.get(what, f"{MESSAGES}/{sent['id']}/{what}"), body=body)
    assert refused(answer, path), answer


@pytest.mark.parametrize(("target", "body", "path"), cases(SHAPES))
async def test_what_cannot_be_meant_is_refused(api: Api, target: str, body: bytes, path: str | None) -> None:
    answer = await api.live.request("POST", target, body=body)
    assert refused(answer, path), answer
