"""Posts messages over HTTP; the key comes on standard input.

    python -m bench.poster PORT CONNECTIONS FIRST MESSAGES SIZE

A process of its own, so that its work is not the server's. Kept connections,
one request at a time on each, every request with an Idempotency-Key.
"""

import asyncio
import json
import sys
from collections.abc import Iterator

from tests.fakes.daemon import APPLICATION

RECIPIENT = "ann@far.example"


async def post(port: int, key: str, numbers: Iterator[int], size: int) -> None:
    """One connection, until no number is left; RuntimeError for any answer but 201."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    text = f"{'X' * 78}\r\n" * (size // 80)
    for number in numbers:
        body = json.dumps({"to": [RECIPIENT], "subject": f"Order {number}", "text": text}).encode()
        head = (
            f"POST /v1/inboxes/{APPLICATION}/messages HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            f"Idempotency-Key: order-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        content = await reader.readexactly(length)
        if b" 201 " not in answer[:20]:
            raise RuntimeError(f"{answer.decode()}{content.decode()}")
    writer.close()
    await writer.wait_closed()


async def main(port: int, connections: int, first: int, messages: int, size: int) -> None:
    """All connections take from one count, until the last 201."""
    key = sys.stdin.readline().strip()
    numbers = iter(range(first, first + messages))
    await asyncio.gather(*(post(port, key, numbers, size) for _ in range(connections)))


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:6])))
