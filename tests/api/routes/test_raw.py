"""The octets of messages: raw as they are kept, attachments to be saved and never run."""

import base64
from urllib.parse import unquote

import pytest

from api.routes.raw import download_headers
from tests.api.mail.desk import Desk, mail

HOSTILE = [
    'a"; filename="b.exe',
    "a\r\nSet-Cookie: x=1",
    "../../etc/passwd",
    "..\\..\\boot.ini",
    "photo\u202egnp.exe",
    "\u0441\u0447\u0451\u0442.pdf",
    "名前.txt",
    "\U0001f4ce.bin",
    "x" * 4000 + ".pdf",
    "",
    "..",
    ".",
    "   ",
    "nul\0byte",
    "con",
    "%2e%2e%2fx",
    "a;b=c,d",
    "half\ud800surrogate",
]


@pytest.mark.parametrize("filename", HOSTILE)
def test_no_file_name_gets_out_of_its_field(filename: str) -> None:
    headers = download_headers(filename)
    disposition = headers["Content-Disposition"]
    assert disposition.isascii()
    assert disposition.isprintable()
    kind, _, rest = disposition.partition('; filename="')
    plain, _, full = rest.partition('"')
    assert kind == "attachment"
    assert plain
    assert full == "" or full.startswith("; filename*=UTF-8''")
    said = unquote(full.removeprefix("; filename*=UTF-8''")) or plain
    assert not set(said) & set('/\\"\r\n\0\u202e')
    assert said not in (".", "..")
    assert len(disposition) < 4000


def test_a_harmless_name_stays() -> None:
    assert download_headers("map 7.pdf")["Content-Disposition"] == 'attachment; filename="map 7.pdf"'
    assert download_headers("möbel.pdf")["Content-Disposition"] == (
        "attachment; filename=\"m_bel.pdf\"; filename*=UTF-8''m%C3%B6bel.pdf"
    )


TYPES = {
    "text/html": "application/octet-stream",
    "image/svg+xml": "application/octet-stream",
    "application/xhtml+xml": "application/octet-stream",
    "text/xml": "application/octet-stream",
    "text/javascript": "application/octet-stream",
    "application/x-shockwave-flash": "application/octet-stream",
    "message/rfc822": "application/octet-stream",
    "x y/\tz": "application/octet-stream",
    "image/png": "image/png",
    "application/pdf": "application/pdf",
    "text/plain": "text/plain",
}


async def test_what_a_browser_could_run_has_no_type(desk: Desk) -> None:
    for kind, served in TYPES.items():
        await _is_served_as(desk, kind, served)


async def _is_served_as(desk: Desk, kind: str, served: str) -> None:
    body = (
        f"--b\r\nContent-Type: text/plain\r\n\r\nHi\r\n--b\r\nContent-Type: {kind}\r\n"
        "Content-Disposition: attachment; filename=x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(b"<script>alert(1)</script>\xff\0").decode()
        + "\r\n--b--\r\n"
    )
    came = await desk.arrives(mail("Content-Type: multipart/mixed; boundary=b", body=body))
    (attachment,) = (await desk.get(f"/messages/{came.message_id}"))["attachments"]
    target = f"{desk.path}/messages/{came.message_id}/attachments/{attachment['id']}"
    answer = await desk.api.live.get(target)
    assert answer.fields["content-type"] == served, kind
    assert answer.fields["content-disposition"].startswith("attachment;")
    assert answer.fields["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.fields["content-security-policy"]
    assert "default-src 'none'" in answer.fields["content-security-policy"]
    if kind != "message/rfc822":
        assert answer.body == b"<script>alert(1)</script>\xff\0"


async def test_raw_is_what_is_kept(desk: Desk) -> None:
    content = mail("X-Odd:   kept as\r\n\tit is", body="\xe4\xf6\r\n" * 100_000)
    came = await desk.arrives(content)
    answer = await desk.api.live.get(f"{desk.path}/messages/{came.message_id}/raw")
    assert answer.body.endswith(content)
    assert answer.body.count(b"\r\nReceived:") == 1
    assert answer.fields["content-type"] == "message/rfc822"
    assert answer.fields["content-disposition"] == f'attachment; filename="{came.message_id}.eml"'
    sent = await desk.send()
    raw = await desk.raw(sent["id"])
    assert len(raw) == sent["size"]
    assert raw.endswith(b"\r\n\r\nPlease pay.\r\n")


@pytest.mark.parametrize("part", ["att_0", "att_7", "att_x", "att_-1", "att_\u0661", "1", "att_0000000001"])
async def test_what_is_no_attachment_is_not_found(desk: Desk, part: str) -> None:
    content = base64.b64encode(b"x").decode()
    sent = await desk.send(attachments=[{"filename": "a", "content": content}])
    answer = await desk.api.live.get(f"{desk.path}/messages/{sent['id']}/attachments/{part}")
    assert answer.code == "not_found"


async def test_what_was_forgotten_is_not_found(desk: Desk) -> None:
    content = base64.b64encode(b"x").decode()
    sent = await desk.send(attachments=[{"filename": "a", "content": content}])
    await desk.api.house.db.transact(
        lambda tx: tx.execute("update contents set body = null where message_id = $1", sent["id"])
    )
    for path in ("raw", f"attachments/{sent['attachments'][0]['id']}"):
        assert (await desk.api.live.get(f"{desk.path}/messages/{sent['id']}/{path}")).code == "not_found"
