"""The spam filter sees the message as it came and is believed; when it is not there, nobody waits for it."""

from datetime import timedelta
from pathlib import Path

import pytest

from inbound.screening import SpamVerdict
from inbound.spam_filter import SpamFilter
from relay.address import NULL_PATH, parse_address
from relay.message.content import Content, ContentWriter
from relay.message.envelope import Envelope, EnvelopeRecipient
from tests.inbound.http_fake import http_fake, json_answer

HEADER, BODY = b"Subject: x\r\nFrom: a@b.test\r\n", b"one\r\n.two\r\n"
HAM = json_answer('{"action": "no action", "score": 0.5}')


def content(tmp_path: Path, body: bytes = BODY, memory_limit: int = 1 << 20) -> Content:
    writer = ContentWriter(tmp_path / "incoming", size_limit=1 << 25, memory_limit=memory_limit)
    writer.feed(HEADER + b"\r\n" + body)
    return writer.finish()


def envelope(path: str = "ann@far.example", count: int = 2) -> Envelope:
    recipients = [EnvelopeRecipient(parse_address(f"p{number}@ours.test")) for number in range(count)]
    return Envelope(parse_address(path) if path else NULL_PATH, recipients)


async def judge(
    url: str, message: Content, about: Envelope | None = None, *, seconds: float = 5
) -> SpamVerdict | None:
    return await SpamFilter(url, timedelta(seconds=seconds)).judge(
        about or envelope(), message, client="198.51.100.7", helo="mx.far.example", session_id="ses_1"
    )


async def test_it_is_told_of_the_session_and_sees_the_message_as_it_came(tmp_path: Path) -> None:
    async with http_fake(HAM) as fake:
        await judge(f"{fake.url}/base", content(tmp_path))
    assert fake.fields[0] == "POST /base/checkv2 HTTP/1.1"
    for line in (
        "IP: 198.51.100.7",
        "Helo: mx.far.example",
        "From: ann@far.example",
        "Rcpt: p0@ours.test",
        "Rcpt: p1@ours.test",
        "Queue-Id: ses_1",
    ):
        assert line in fake.fields
    assert fake.body == HEADER + b"\r\n" + BODY


async def test_a_large_message_streams_from_its_file(tmp_path: Path) -> None:
    body = b"0123456789\r\n" * 100_000
    message = content(tmp_path, body, memory_limit=1000)
    assert message.body.file is not None
    async with http_fake(HAM) as fake:
        assert await judge(fake.url, message) is not None
    assert fake.body == HEADER + b"\r\n" + body


async def test_the_null_path_and_crowds_fit_into_the_request(tmp_path: Path) -> None:
    async with http_fake(HAM) as fake:
        await judge(fake.url, content(tmp_path), envelope("", 1000))
    assert "From: " in [line.rstrip() + " " for line in fake.fields]
    assert sum(line.startswith("Rcpt: ") for line in fake.fields) == 50


@pytest.mark.parametrize(
    ("action", "is_spam"),
    [
        ("no action", False),
        ("greylist", False),
        ("soft reject", False),
        ("add header", True),
        ("rewrite subject", True),
        ("reject", True),
        ("something new", False),
    ],
)
async def test_what_it_advises_is_kept(action: str, is_spam: bool, tmp_path: Path) -> None:
    symbols = '{"ZZ": {"score": 1}, "AA": {"score": 6.5, "options": ["x"]}}'
    text = f'{{"action": "{action}", "score": 7.5, "required_score": 15, "symbols": {symbols}}}'
    async with http_fake(json_answer(text)) as fake:
        verdict = await judge(fake.url, content(tmp_path))
    assert verdict == SpamVerdict(action, 7.5, ("AA", "ZZ"), is_spam)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01 no HTTP",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        json_answer('{"error": "broken"}', "500 Oh"),
        json_answer('{"action": "reject"}', "302 Elsewhere"),
        json_answer("no JSON"),
        json_answer("[]"),
        json_answer("{}"),
        json_answer('{"action": 7}'),
        json_answer('{"action": "reject", "score": "high"}'),
        json_answer('{"action": "\xff"}'),
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 3_000_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3_000_000,
    ],
    ids=range(13),
)
async def test_an_answer_that_is_none_is_no_verdict(answer: bytes, tmp_path: Path) -> None:
    async with http_fake(answer) as fake:
        assert await judge(fake.url, content(tmp_path)) is None


async def test_nobody_waits_for_a_filter_that_is_silent_or_gone(tmp_path: Path) -> None:
    async with http_fake(None) as fake:
        assert await judge(fake.url, content(tmp_path), seconds=0.05) is None
    assert await judge(fake.url, content(tmp_path)) is None
