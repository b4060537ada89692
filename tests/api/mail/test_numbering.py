"""The numbers of attachments that we sent are those that a reader of the message counts."""

import base64
import itertools
from typing import Any

import pytest

from inbound.reading.parse import parse
from tests.api.mail.desk import Desk


def file(name: str = "map.pdf", kind: str = "application/pdf", **more: str) -> dict[str, str]:
    content = base64.b64encode(f"octets of {name}".encode()).decode()
    return {"filename": name, "content_type": kind, "content": content, **more}


SHOWN = file("logo.png", "image/png", disposition="inline", content_id="logo")
BRACKETED = file("sign.png", "image/png", disposition="inline", content_id="<sign@app>")
WITHOUT_ID = file("photo.png", "image/png", disposition="inline")
LETTER = base64.b64encode(b"Subject: inner\r\n\r\nHi\r\n").decode()
WHOLE = {"filename": "inner.eml", "content_type": "message/rfc822", "content": LETTER}
BINARY = {**WHOLE, "filename": "b.eml", "content": base64.b64encode(b"Subject: x\r\n\r\n\xff\x00").decode()}

TEXTS: list[dict[str, Any]] = [
    {"text": "Hello."},
    {"text": ..., "html": "<p>Hello.</p>"},
    {"text": "Hello.", "html": '<p>Hello. <img src="cid:logo"></p>'},
    {"text": ...},
    {"text": "Hello.", "html": ""},
    {"text": "", "html": "<p>Hello.</p>"},
    {"text": "", "html": ""},
]
FILES: list[list[dict[str, str]]] = [
    [],
    [file()],
    [file(), file("notes.txt", "text/plain")],
    [SHOWN],
    [file(), SHOWN, BRACKETED, WITHOUT_ID],
    [WHOLE, file(), SHOWN],
    [BINARY, file("page.html", "text/html; charset=utf-8")],
    [file("a:b/../c".replace("/", "_"), "IMAGE/PNG"), file("ä" * 100 + ".pdf")],
]


@pytest.mark.parametrize(("text", "files"), list(itertools.product(range(len(TEXTS)), range(len(FILES)))))
async def test_whatever_it_is_made_of(desk: Desk, text: int, files: int) -> None:
    sent = await desk.send(**TEXTS[text], attachments=FILES[files])
    header, _, body = (await desk.raw(sent["id"])).partition(b"\r\n\r\n")
    read = [
        {
            "id": f"att_{each.part}",
            "filename": each.filename,
            "content_type": each.content_type,
            "disposition": each.disposition,
            "content_id": each.content_id,
            "size": each.size,
        }
        for each in parse(header + b"\r\n", body).attachments
    ]
    assert sent["attachments"] == read
    assert len(read) == len(FILES[files])


async def test_each_can_be_fetched_by_its_number(desk: Desk) -> None:
    sent = await desk.send(html='<img src="cid:logo">', attachments=[file(), SHOWN, WHOLE])
    for each in sent["attachments"]:
        target = f"{desk.path}/messages/{sent['id']}/attachments/{each['id']}"
        answer = await desk.api.live.get(target)
        name = each["filename"]
        wanted = base64.b64decode(LETTER) if name == "inner.eml" else f"octets of {name}".encode()
        assert (answer.status, answer.body.strip()) == (200, wanted.strip())
        assert len(answer.body) == each["size"]
