"""DATA streams: it ends at CRLF.CRLF alone, in bounded memory, and whoever hangs up cancels nothing."""

import asyncio
import itertools
import socket
import struct
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.message.content import Content, ContentWriter
from relay.smtp_server import SmtpListener
from relay.smtp_server.inlet import Inlet
from tests.relay.smtp_server.client import Client
from tests.relay.smtp_server.conftest import Connect, StartListener
from tests.relay.smtp_server.recording_door import RecordingDoor

MIB = 1024 * 1024
END = b"\r\n.\r\n"
EVIL = b"MAIL FROM:<evil@b.test>\r\nRCPT TO:<evil@b.test>\r\nDATA\r\nA: evil\r\n\r\nevil\r\n.\r\n"

_LINE_ENDS = [b"\n", b"\r", b"\r\n", b"\r\r\n", b"\n\r", b"\r\x00\n"]
LOOKALIKES = [
    before + b"." + after
    for before, after in itertools.product(_LINE_ENDS, repeat=2)
    if END not in before + b"." + after
] + [
    b"\r\n..\r\n",
    b"\r\n. \r\n",
    b"\r\n.\x85",
    b"\r\n.\x0b",
    b"\r\n.\xe2\x80\xa8",
    b"\n\n.\n\n",
    b"\r\n.\r",
    b".",
]


def test_there_are_enough_lookalikes() -> None:
    assert len(LOOKALIKES) >= 40


@pytest.mark.parametrize("fixes", [True, False])
@pytest.mark.parametrize("end", LOOKALIKES)
async def test_nothing_but_crlf_dot_crlf_ends_a_message(
    end: bytes, fixes: bool, client: Client, door: RecordingDoor
) -> None:
    door.fixes = fixes
    await client.start_mail()
    reply = await client.data(b"A: b\r\n\r\none" + end + EVIL)
    assert reply[:9] in ("250 2.0.0", "554 5.6.0")
    assert (await client.say("NOOP")).startswith("250")
    assert [str(envelope.reverse_path) for envelope in door.envelopes] == ["ann@example.test"]
    assert len(door.taken) == reply.startswith("250")
    for mail in door.mail_bytes:
        assert mail.count(b"\n") == mail.count(b"\r") == mail.count(b"\r\n")
        assert b"MAIL FROM:<evil@b.test>" in mail


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b""),
        (b"\r\n..\r\n.\r\n", b".\r\n"),
        (b"\r\n...\r\n..x\r\n.y\r\n.\r\n", b"..\r\n.x\r\ny\r\n"),
        (b"\r\n\r\n\r\n.\r\n", b"\r\n\r\n"),
        (b"\r\n" + b"x" * 70_000 + b"\r\n.\r\n", b"x" * 70_000 + b"\r\n"),
    ],
)
async def test_dots(sent: bytes, body: bytes, client: Client, door: RecordingDoor) -> None:
    await client.start_mail()
    assert (await client.data(sent)).startswith("250")
    assert (door.taken[0].header, door.taken[0].body) == (b"", body)


async def chunked(octets: bytes, sizes: Iterator[int]) -> tuple[bytes, bytes]:
    """What an inlet makes of content in such pieces, and what it leaves for the next line."""
    rest = octets

    async def receive(timeout: float) -> bytes:
        nonlocal rest
        size = next(sizes)
        piece, rest = rest[:size], rest[size:]
        assert piece, "read beyond the end"
        return piece

    inlet = Inlet(receive)
    content = b"".join([piece async for piece in inlet.content(lambda octets: 1.0)])
    return content, bytes(inlet._buffer) + rest


@given(
    middle=st.lists(
        st.sampled_from([b"\r\n", b"\n", b"\r", b".", b"..", b"a", b"\r\n.", b"\n.\r\n"]), max_size=30
    ),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=10),
)
async def test_packets_make_no_difference(middle: list[bytes], sizes: list[int]) -> None:
    sent = b"".join(middle) + END + b"QUIT\r\n"
    whole = b"\r\n" + sent
    end = whole.index(END)
    lines = whole[2 : end + 2].split(b"\r\n")
    expected = b"\r\n".join(line.removeprefix(b".") for line in lines)
    content, rest = await chunked(sent, itertools.cycle(sizes))
    assert content == expected
    assert rest == whole[end + 5 :]


async def test_too_large_is_said_after_the_dot_and_kept_nowhere(
    start: StartListener, connect: Connect, door: RecordingDoor, spool: Path
) -> None:
    client = await connect(await start(message_size=100_000, memory_limit=10_000))
    await client.start_mail(parameters=" SIZE=1")
    assert (await client.data(b"A: b\r\n\r\n" + b"x\r\n" * 100_000 + b".\r\n")).startswith("552 5.3.4")
    assert door.taken == []
    assert list(spool.iterdir()) == []
    await client.start_mail()
    assert (await client.data(b"A: b\r\n\r\nsmall\r\n.\r\n")).startswith("250")


async def test_large_bodies_come_as_files_that_are_gone_afterwards(
    start: StartListener, connect: Connect, door: RecordingDoor, spool: Path
) -> None:
    client = await connect(await start(memory_limit=1000))
    await client.start_mail()
    body = b"some line\r\n" * 50_000
    assert (await client.data(b"A: b\r\n\r\n" + body + b".\r\n")).startswith("250")
    assert door.taken[0].body == body
    assert door.taken[0].content.body.file is not None
    assert list(spool.iterdir()) == []


async def test_a_spool_that_cannot_be_written_is_temporary(
    start: StartListener, connect: Connect, spool: Path
) -> None:
    spool.write_bytes(b"in the way")
    client = await connect(await start(memory_limit=1000))
    await client.start_mail()
    assert (await client.data(b"A: b\r\n\r\n" + b"x\r\n" * 9000 + b".\r\n")).startswith("451 4.3.0")
    assert (await client.say("DATA")).startswith("503")


async def test_a_fault_before_the_content_is_temporary(client: Client, door: RecordingDoor) -> None:
    def broken(*_: Any) -> bool:
        raise RuntimeError("secret")

    door.fixes_bare_lf = broken  # type: ignore[method-assign, assignment]
    await client.start_mail()
    assert (await client.say("DATA")).startswith("451 4.3.0")
    assert (await client.say("DATA")).startswith("503")


def hang_up_with_reset(client: Client) -> None:
    linger = struct.pack("ii", 1, 0)
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client.writer.transport.abort()


@pytest.mark.parametrize(
    "hang_up",
    [hang_up_with_reset, lambda client: client.writer.close(), lambda client: client.writer.write_eof()],
    ids=["reset", "close", "half-close"],
)
async def test_who_hangs_up_after_the_dot_cancels_nothing(
    hang_up: Any, listener: SmtpListener, connect: Connect, door: RecordingDoor
) -> None:
    client = await connect(listener)
    door.content_may_end.clear()
    await client.start_mail()
    await client.say("DATA")
    client.send(b"A: b\r\n\r\nhi\r\n.\r\n")
    await door.content_began.wait()
    hang_up(client)
    await (await connect(listener)).say("NOOP")  # by now the listener has noticed
    door.content_may_end.set()
    await door.content_ended.wait()
    assert len(door.taken) == 1


async def take(chunk: bytes, count: int, spool: Path) -> Content:
    """The way of a message of `count` equal chunks through inlet and writer."""
    chunks = itertools.chain([b"A: b\r\n\r\n"], itertools.repeat(chunk, count), [b"\r\n.\r\n"])

    async def receive(timeout: float) -> bytes:
        return next(chunks)

    writer = ContentWriter(spool, size_limit=64 * MIB)
    try:
        async for piece in Inlet(receive).content(lambda octets: 1.0):
            writer.feed(piece)
        return writer.finish()
    finally:
        writer.discard()


@pytest.mark.parametrize(
    "chunk", [b"\r\n" * 32768, b"x" * 65536, b"\r\n.." * 16384], ids=["empty", "endless", "dots"]
)
async def test_memory_is_bounded_whatever_the_lines(chunk: bytes, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        content = await take(chunk, 25 * MIB // len(chunk), tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert content.size > 16 * MIB
    assert peak < 4 * MIB


async def test_empty_lines_cost_no_more_steps_than_other_mail(tmp_path: Path) -> None:
    normal = (b"x" * 76 + b"\r\n") * 840
    steps = [await count_steps(chunk, tmp_path) for chunk in (normal, b"\r\n" * 32768, b"x" * 65536)]
    assert max(steps) <= 1.5 * min(steps)


async def count_steps(chunk: bytes, spool: Path) -> int:
    """Calls, of Python and of C, that a message of 64 chunks takes."""
    steps = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        await take(chunk, 64, spool)
    finally:
        sys.setprofile(None)
    return steps


async def test_a_client_that_sends_octet_by_octet_is_understood(client: Client, door: RecordingDoor) -> None:
    client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await client.start_mail()
    await client.say("DATA")
    for octet in b"A: b\r\n\r\n..\r\n.\r\n":
        client.send(bytes([octet]))
        await asyncio.sleep(0)
    assert (await client.hear()).startswith("250")
    assert door.taken[0].body == b".\r\n"
