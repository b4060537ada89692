"""No text of a request ends a line of a header, names a field or adds a recipient: each payload, each place.

What is taken is read as it is kept, octet by octet: whatever was put in, the
header has our fields once each, and the message goes to whom it was written.
"""

import email
import email.policy
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest

from api.mail.batch_shapes import NewBatch
from api.mail.draft_shapes import CreateDraft
from api.mail.emails import NewEmail
from api.mail.wishes import NewForward, NewReply
from api.routes.brands import NewBrand
from relay.queue import records as queue
from relay.spool import records as spool
from tests.api.client import Answer
from tests.api.conftest import OURS, MakeApi
from tests.api.mail.desk import FAR, Desk, mail, sit_down
from tests.attacks.injections import PAYLOADS, Path, documents, places

ANN = f"ann@{FAR}"
OWN = {
    *("received", "message-id", "from", "reply-to", "to", "cc", "subject", "thread-index", "in-reply-to"),
    *("references", "mime-version", "content-type", "content-transfer-encoding"),
}
OF_A_PART = {"content-type", "content-transfer-encoding", "content-disposition", "content-id", "mime-version"}
_NAME = re.compile(rb"([!-9;-~]+):")
_TOKEN = re.compile(r"[!-9;-~]{1,76}\Z")


@pytest.fixture
async def desk(make_api: MakeApi) -> Desk:
    many = {"policy.default_daily_cap": 1_000_000, "limits.replies_per_thread_per_hour": 1_000_000}
    return await sit_down(make_api, many)


def test_every_place_is_tried() -> None:
    assert len(set(PAYLOADS)) == 40
    named = {path[0] for path in places(NewEmail)}
    texts = {
        *("from", "to", "cc", "bcc", "reply_to", "subject", "text", "html", "attachments", "headers"),
        *("labels", "tags", "metadata", "pool", "inbox_id", "send_at", "send_at_local", "timezone"),
    }
    assert texts <= named
    assert {
        ("headers", "{name}"),
        ("headers", "{value}"),
        ("to", "name"),
        ("bcc", "[]", "email"),
        ("attachments", "[]", "content_id"),
        ("tags", "{name}"),
    } <= set(places(NewEmail))


async def test_none_gets_through_an_email(desk: Desk) -> None:
    taken = 0
    for payload in PAYLOADS:
        for path, document in documents(NewEmail, payload):
            whole = {"from": f"app@{OURS}", "to": ANN, "text": "Hi", **document}
            answer = await _post(desk, "/v1/emails", whole)
            taken += await _is_harmless(desk, answer, path, payload)
    assert taken > 200  # a text that nothing is wrong with goes as it is


async def test_none_gets_through_a_batch(desk: Desk) -> None:
    halves = [payload for payload in PAYLOADS if "\ud800" in payload]  # no JSON at all
    assert (await _post(desk, "/v1/emails/batch", {"emails": [{"subject": halves[0]}]})).status == 400
    payloads = [payload for payload in PAYLOADS if payload not in halves]
    tried = [(path, payload, doc) for payload in payloads for path, doc in documents(NewEmail, payload)]
    taken = 0
    for start in range(0, len(tried), 1000):
        part = tried[start : start + 1000]
        emails = [{"from": f"app@{OURS}", "to": ANN, "text": "Hi", **document} for _, _, document in part]
        answer = await _post(desk, "/v1/emails/batch", {"emails": emails})
        assert answer.status == 201, answer
        for (path, payload, _), result in zip(part, answer.json["results"], strict=True):
            if "id" in result:
                await _check(desk, result["id"], path, payload)
                taken += 1
    assert taken > 200


async def test_none_gets_through_what_a_bulk_says_to_all(desk: Desk) -> None:
    taken = 0
    for payload in PAYLOADS:
        for path, document in _for_the_header(documents(NewBatch, payload)):
            whole = {"from": f"app@{OURS}", "text": "Hi", "recipients": [{"email": ANN}], **document}
            answer = await _post(desk, "/v1/emails/batch", whole)
            assert answer.status in (201, 400, 413, 422), (path, payload, answer)
            results = answer.json["results"] if answer.status == 201 else []
            for result in results:
                if "id" in result:
                    await _check(desk, result["id"], path, payload)
                    taken += 1
    assert taken > 50


async def test_none_gets_through_what_is_filled_in(desk: Desk) -> None:
    """A recipient's name and variables, in the subject, a field of the caller's and the sender's template."""
    payloads = [payload for payload in PAYLOADS if "\ud800" not in payload]
    template = {"name": "t", "publish": True, "subject": "{{ v }} {{ name }}", "text": "{{ v }}"}
    assert (await desk.api.live.post("/v1/templates", template)).status == 201
    recipients = [{"email": ANN, "name": payload, "variables": {"v": "x"}} for payload in payloads]
    recipients += [{"email": ANN, "variables": {"v": payload, "name": "x"}} for payload in payloads]
    recipients += [{"email": payload, "variables": {"v": "x", "name": "x"}} for payload in payloads]
    common = {"from": f"app@{OURS}", "headers": {"K": "{{ v }}"}, "recipients": recipients}
    for own in ({"template": "t"}, {"subject": "{{ v }} {{ name }}", "text": "{{ v }}"}):
        answer = await _post(desk, "/v1/emails/batch", {**common, **own})
        assert answer.status == 201, answer
        ids = [result.get("id") for result in answer.json["results"]]
        assert sum(map(bool, ids)) > 10
        for id_, recipient in zip(ids, recipients, strict=True):
            if id_ is not None:
                await _check(desk, id_, ("headers", "{value}"), str(recipient))


async def test_none_gets_through_a_forward(desk: Desk) -> None:
    letter = await desk.arrives(mail("Message-ID: <1@far.example>"))
    taken = 0
    for payload in PAYLOADS:
        for path, document in _for_the_header(documents(NewForward, payload)):
            target = f"{desk.path}/messages/{letter.message_id}/forward"
            answer = await _post(desk, target, {"to": ANN, "text": "Hi", **document})
            taken += await _is_harmless(desk, answer, path, payload)
    assert taken > 100


async def test_none_gets_through_a_brand(desk: Desk) -> None:
    """What a brand cannot have is refused; what it has stands in the mail that names it."""
    taken = 0
    for number, payload in enumerate(PAYLOADS):
        for path, document in documents(NewBrand, payload):
            name = f"{number} {'.'.join(path)}"
            made = await _post(desk, "/v1/brands", {"name": name, **document})
            assert made.status in (201, 400, 409, 422), (path, payload, made)
            if made.status == 201:
                whole = {"brand": made.json["id"], "inbox_id": desk.api.inbox.id, "to": ANN, "html": "<p>Hi"}
                taken += await _is_harmless(desk, await _post(desk, "/v1/emails", whole), path, payload)
    assert taken > 50


async def test_none_gets_through_an_answer(desk: Desk) -> None:
    letter = await desk.arrives(mail("Message-ID: <1@far.example>"))
    taken = 0
    for payload in PAYLOADS:
        for path, document in documents(NewReply, payload):
            target = f"{desk.path}/messages/{letter.message_id}/reply"
            answer = await _post(desk, target, {"text": "Hi", **document})
            taken += await _is_harmless(desk, answer, path, payload)
    assert taken > 100


async def test_none_gets_through_a_draft(desk: Desk) -> None:
    taken = 0
    for payload in PAYLOADS:
        for path, document in documents(CreateDraft, payload):
            made = await _post(desk, f"{desk.path}/drafts", {"to": ANN, "text": "Hi", **document})
            if made.status >= 300:
                assert made.status in (400, 404, 422), (path, payload, made)
                continue
            answer = await _post(desk, f"{desk.path}/drafts/{made.json['id']}/send", {})
            taken += await _is_harmless(desk, answer, path, payload)
    assert taken > 100


def _for_the_header(tried: Iterable[tuple[Path, Any]]) -> Iterator[tuple[Path, Any]]:
    """What else there is goes the way that an email's does."""
    fields = {"from", "to", "cc", "bcc", "reply_to", "subject", "headers", "unsubscribe"}
    return ((path, document) for path, document in tried if path[0] in fields)


async def _post(desk: Desk, target: str, document: Any) -> Answer:
    body = json.dumps(document).encode()  # lone surrogates as \ud800
    return await desk.api.live.request("POST", target, body=body, content_type="application/json")


async def _is_harmless(desk: Desk, answer: Answer, path: Path, payload: str) -> bool:
    """Refused as somebody's mistake; or taken as what it is, which is true."""
    if answer.status != 201:
        assert answer.status in (400, 403, 404, 422), (path, payload, answer)
        return False
    await _check(desk, answer.json["id"], path, payload)
    return True


async def _check(desk: Desk, message_id: str, path: Path, payload: str) -> None:
    about = (path, payload)
    loaded = await spool.load(desk.api.house.db, message_id)
    assert loaded is not None
    message, content = loaded
    assert content.body is not None
    recipients = await queue.of_message(desk.api.house.db, message_id)
    assert all(str(each.address).endswith(f"@{FAR}") for each in recipients), about
    assert str(message.reverse_path) == f"app@{OURS}", about
    _check_header(content.header, path, payload)
    parsed = email.message_from_bytes(content.header + b"\r\n" + content.body, policy=email.policy.HTTP)
    parts: Sequence[Any] = [part for part in parsed.walk() if part is not parsed]
    for part in parts:
        assert {name.lower() for name in part} <= OF_A_PART, about
    assert parsed.get_content_type() in ("text/plain", "multipart/alternative", "multipart/mixed"), about


def _check_header(header: bytes, path: Path, payload: str) -> None:
    about = (path, payload, header)
    lines = header.removesuffix(b"\r\n").split(b"\r\n")
    assert not any(octet in line for line in lines for octet in (b"\r", b"\n", b"\0")), about
    assert all(0 < len(line) <= 998 and line.strip() for line in lines), about
    names = Counter(
        found[1].decode().lower()
        for line in lines
        if not line.startswith((b" ", b"\t"))
        for found in [_name(line)]
    )
    callers = {"k"} if path[0] == "headers" else set()
    if path[0] == "unsubscribe":
        callers = {"list-unsubscribe", "list-unsubscribe-post"}
    if path == ("headers", "{name}"):
        assert _TOKEN.match(payload), about
        callers = {payload.lower()}
    assert set(names) - OWN <= callers, about
    assert "bcc" not in names, about
    assert max(names.values()) == 1, about


def _name(line: bytes) -> re.Match[bytes]:
    found = _NAME.match(line)
    assert found is not None, line
    return found


def test_the_check_sees_what_it_is_for() -> None:
    header = b"From: a@b.test\r\nTo: c@d.test\r\n"
    _check_header(header, ("subject",), "x")
    for bad in (
        b"Bcc: x@y.test\r\n",
        b"X-Injected: 1\r\n",
        b"To: again@y.test\r\n",
        b"a\nb: c\r\n",
        b" \r\n",
    ):
        with pytest.raises(AssertionError):
            _check_header(header + bad, ("subject",), "x")
