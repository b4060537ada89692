"""Files that go with a message: their size together, their names and types, what a scanner says of them."""

import asyncio
import base64
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.mail import files
from tests.api.client import Answer
from tests.api.conftest import OURS, MakeApi
from tests.api.mail.desk import FAR, Desk, problem, sit_down
from tests.fakes.clamd import EICAR, NEEDED, clamd_is_installed, running_clamd

needs_clamd = pytest.mark.skipif(not clamd_is_installed(), reason=NEEDED)


def file(content: bytes = b"x", **wish: Any) -> dict[str, Any]:
    return {"filename": "a.bin", "content": base64.b64encode(content).decode(), **wish}


async def ask(desk: Desk, *given: dict[str, Any], **wish: Any) -> Answer:
    document = {"from": f"app@{OURS}", "to": f"ann@{FAR}", "text": "See there.", "attachments": given}
    return await desk.api.live.post("/v1/emails", {**document, **wish})


async def test_a_file_without_a_type_has_that_of_its_octets(desk: Desk) -> None:
    png = b"\x89PNG\r\n\x1a\n\0"
    given = [
        file(png, filename="logo", disposition="inline", content_id="<logo@ours>"),
        file(b"a;b\r\n", filename="sums.csv"),
        file(b"%PDF-1.7", filename="own.pdf", content_type="application/x-own"),
    ]
    sent = (await ask(desk, *given, html='<img src="cid:logo@ours">')).json
    told = [(each["filename"], each["content_type"], each["disposition"]) for each in sent["attachments"]]
    assert told == [
        ("logo", "image/png", "inline"),
        ("sums.csv", "text/csv", "attachment"),
        ("own.pdf", "application/x-own", "attachment"),
    ]
    draft = await desk.post("/drafts", {"attachments": given[:1]})
    assert draft["attachments"][0]["content_type"] == "image/png"


async def test_a_file_with_a_content_id_is_shown_in_the_html_unless_it_says_otherwise(desk: Desk) -> None:
    given = [file(content_id="logo"), file(content_id="sums", disposition="attachment"), file()]
    sent = (await ask(desk, *given, html='<img src="cid:logo">')).json
    assert [each["disposition"] for each in sent["attachments"]] == ["inline", "attachment", "attachment"]
    draft = await desk.post("/drafts", {"attachments": given[:1]})
    assert draft["attachments"][0]["disposition"] == "inline"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\sums.csv", "sums.csv"),
        ("/a/b/", None),
        ("..", None),
        ("a/..", None),
        (" ", None),
    ],
)
async def test_of_a_path_the_name_is_left(desk: Desk, name: str, expected: str | None) -> None:
    answer = await ask(desk, file(filename=name))
    if expected is None:
        assert problem(answer) == (422, "validation_error", "$.attachments[0].filename")
    else:
        assert [each["filename"] for each in answer.json["attachments"]] == [expected]


async def test_files_together_have_a_bound(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.MOST_OCTETS == 18 * 1024 * 1024
    monkeypatch.setattr(files, "MOST_OCTETS", 1000)
    assert (await ask(desk, file(b"x" * 600), file(b"y" * 400))).status == 201
    answer = await ask(desk, file(b"x" * 600), file(b"y" * 401))
    assert (answer.status, answer.code) == (413, "payload_too_large")
    assert answer.json["errors"][0]["path"] == "$.attachments"


async def test_the_most_that_may_be_attached_fits_into_a_message(desk: Desk) -> None:
    answer = await ask(desk, file(bytes(files.MOST_OCTETS)))
    assert answer.status == 201
    assert answer.json["attachments"][0]["size"] == files.MOST_OCTETS


@needs_clamd
async def test_what_a_real_scanner_finds_is_not_sent(make_api: MakeApi, tmp_path: Path) -> None:
    async with running_clamd(tmp_path) as socket:
        desk = await sit_down(make_api, {"clamav.socket": str(socket)})
        assert (await ask(desk, file(b"harmless" * 50_000), file(b""))).status == 201
        answer = await ask(desk, file(), file(EICAR))
        assert problem(answer) == (422, "validation_error", "$.attachments[1]")
        assert "Test.File" in answer.json["detail"]
        bulk = {
            "from": f"app@{OURS}",
            "attachments": [file(EICAR)],
            "recipients": [{"email": f"ann@{FAR}"}],
        }
        (result,) = (await desk.api.live.post("/v1/emails/batch", bulk)).json["results"]
        assert result["problem"]["errors"][0]["path"] == "$.attachments[0]"
        assert await desk.count("messages") == 1


async def test_without_a_scanner_a_message_waits_or_goes_unseen(make_api: MakeApi, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nobody.ctl")
    desk = await sit_down(make_api, {"clamav.socket": nowhere})
    answer = await ask(desk, file())
    assert (answer.status, answer.code, answer.fields["retry-after"]) == (503, "not_accepting", "30")
    assert (await ask(desk)).status == 201


async def test_a_scanner_that_is_away_may_be_done_without(make_api: MakeApi, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nobody.ctl")
    desk = await sit_down(make_api, {"clamav.socket": nowhere, "clamav.when_away": "accept"})
    assert (await ask(desk, file())).status == 201


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"stream: OK",
        b"INSTREAM size limit exceeded. ERROR\0",
        b"stream: OK\r\nFOUND\0",
        b"x" * 5000 + b"\0",
    ],
)
async def test_what_is_no_verdict_lets_nothing_pass(make_api: MakeApi, tmp_path: Path, answer: bytes) -> None:
    async with scanner(tmp_path, lambda _: answer) as asked:
        desk = await sit_down(make_api, {"clamav.socket": str(tmp_path / "clamd.ctl")})
        assert (await ask(desk, file())).code == "not_accepting"
    assert len(asked) == 1


async def test_a_file_that_many_get_is_looked_at_once(make_api: MakeApi, tmp_path: Path) -> None:
    async with scanner(tmp_path, lambda _: b"stream: OK\0") as asked:
        desk = await sit_down(make_api, {"clamav.socket": str(tmp_path / "clamd.ctl")})
        bulk = {
            "from": f"app@{OURS}",
            "attachments": [file(b"for all" * 20_000)],
            "recipients": [{"email": f"ann{number}@{FAR}"} for number in range(3)],
        }
        assert (await desk.api.live.post("/v1/emails/batch", bulk)).json["accepted"] == 3
        assert asked == [b"for all" * 20_000]
        desk.api.clock.advance(minutes=5)
        assert (await ask(desk, file(b"for all" * 20_000))).status == 201
    assert len(asked) == 2


@asynccontextmanager
async def scanner(directory: Path, judge: Callable[[bytes], bytes]) -> AsyncIterator[list[bytes]]:
    """What speaks as clamd does, on a socket there; the files that it was asked about."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
        content = b""
        while length := struct.unpack("!I", await reader.readexactly(4))[0]:
            content += await reader.readexactly(length)
        asked.append(content)
        writer.write(judge(content))
        writer.close()

    server = await asyncio.start_unix_server(serve, directory / "clamd.ctl")
    async with server:
        yield asked
