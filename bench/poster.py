"""Hands messages in over HTTP, singly or in batches, or over SMTP; the key comes on standard input.

    python -m bench.poster WAY PORT CONNECTIONS FIRST MESSAGES SIZE     WAY is email, batch or smtp

A process of its own, so that its work is not the server's. Kept connections,
one request at a time on each, every HTTP request with an Idempotency-Key. The
requests are made and the connections open when it says `ready`; it begins at the
next line of its input, and prints how long each took until its answer, in
seconds, as JSON.
"""

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator
from typing import Any

from relay.clock import SystemClock
from tests.fakes.daemon import APPLICATION

RECIPIENT = "ann@far.example"
AT_ONCE = 500
CLOCK = SystemClock()
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def email(number: int, size: int) -> dict[str, Any]:
    """One message of so many octets of text."""
    text = f"{'X' * 78}\r\n" * (size // 80)
    return {"from": APPLICATION, "to": [RECIPIENT], "subject": f"Order {number}", "text": text}


def request(port: int, key: str, path: str, document: Any, number: int) -> bytes:
    """The octets of one POST."""
    body = json.dumps(document).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: order-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def post(streams: Streams, octets: bytes) -> float:
    """Seconds to the 201; RuntimeError for any other answer."""
    reader, writer = streams
    began = CLOCK.monotonic()
    writer.write(octets)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    content = await reader.readexactly(length)
    took = CLOCK.monotonic() - began
    if b" 201 " not in answer[:20] or b'"status":"refused"' in content:
        raise RuntimeError(f"{answer.decode()}{content.decode()[:2000]}")
    return took


def content(number: int, size: int) -> bytes:
    """The octets of one message, with the dot."""
    body = f"{'X' * 78}\r\n" * (size // 80)
    fields = f"From: <{APPLICATION}>\r\nTo: <{RECIPIENT}>\r\nSubject: Order {number}\r\n"
    return f"{fields}Message-ID: <{number}@load.test>\r\n\r\n{body}.\r\n".encode()


async def submit(streams: Streams, octets: bytes) -> float:
    """Seconds from MAIL to the 250 behind the dot; the envelope goes in one piece."""
    reader, writer = streams
    began = CLOCK.monotonic()
    writer.write(f"MAIL FROM:<{APPLICATION}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n".encode())
    for expected in (b"250", b"250", b"354"):
        await _reply(reader, expected)
    writer.write(octets)
    await _reply(reader, b"250")
    return CLOCK.monotonic() - began


async def _reply(reader: asyncio.StreamReader, expected: bytes) -> None:
    while (line := await reader.readline())[3:4] == b"-":
        pass
    if not line.startswith(expected):
        raise RuntimeError(f"{expected!r} was expected: {line!r}")


def made(way: str, port: int, key: str, numbers: range, size: int) -> bytes:
    """What is sent at once: one message, or a batch of these numbers."""
    if way == "smtp":
        return content(numbers[0], size)
    if way == "email":
        return request(port, key, "/v1/emails", email(numbers[0], size), numbers[0])
    document = {"emails": [email(number, size) for number in numbers]}
    return request(port, key, "/v1/emails/batch", document, numbers[0])


async def connect(way: str, port: int) -> Streams:
    """A connection on which the next message may be handed in."""
    streams = await asyncio.open_connection("127.0.0.1", port)
    if way == "smtp":
        await _reply(streams[0], b"220")
        streams[1].write(b"EHLO load.test\r\n")
        await _reply(streams[0], b"250")
    return streams


async def work(way: str, streams: Streams, sent: Iterator[bytes]) -> list[float]:
    """One connection, until nothing is left."""
    hand_in = submit if way == "smtp" else post
    took = [await hand_in(streams, octets) for octets in sent]
    streams[1].close()
    await streams[1].wait_closed()
    return took


async def main(way: str, port: int, connections: int, first: int, messages: int, size: int) -> None:
    """All connections take from one pile, until the last answer."""
    key = sys.stdin.readline().strip()
    step = AT_ONCE if way == "batch" else 1
    last = first + messages
    parts = [range(start, min(start + step, last)) for start in range(first, last, step)]
    sent = iter([made(way, port, key, part, size) for part in parts])
    opened = [await connect(way, port) for _ in range(connections)]
    print("ready", flush=True)
    sys.stdin.readline()
    took = await asyncio.gather(*(work(way, streams, sent) for streams in opened))
    print(json.dumps(list(itertools.chain.from_iterable(took))))


if __name__ == "__main__":
    _way, *_numbers = sys.argv[1:7]
    asyncio.run(main(_way, *map(int, _numbers)))
