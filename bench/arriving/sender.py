"""Hands mail in as fast as the server takes it: `python -m bench.arriving.sender PORT SESSIONS FILE`.

A process of its own, so that its work is not the server's. FILE holds
conversations as MessagePack; each goes over one connection, in its order, so
that no answer overtakes its question. Every message is one transaction on a
kept connection, its commands pipelined (RFC 2920).
"""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.arriving.mail import Mail


async def hand_in(port: int, conversations: Iterator[list[Mail]]) -> None:
    """One session, until nothing is left; RuntimeError for any answer but yes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await _expect(reader, b"220")
    writer.write(b"EHLO load.test\r\n")
    await _expect(reader, b"250")
    for conversation in conversations:
        for mail in conversation:
            writer.write(f"MAIL FROM:<{mail.sender}>\r\nRCPT TO:<{mail.recipient}>\r\nDATA\r\n".encode())
            for code in (b"250", b"250", b"354"):
                await _expect(reader, code)
            writer.write(mail.content + b".\r\n")
            await _expect(reader, b"250")
    writer.write(b"QUIT\r\n")
    await _expect(reader, b"221")
    writer.close()
    await writer.wait_closed()


async def _expect(reader: asyncio.StreamReader, code: bytes) -> None:
    while (line := await reader.readline())[3:4] == b"-":
        pass
    if not line.startswith(code):
        raise RuntimeError(f"{line!r} instead of {code.decode()}")


async def main(port: int, sessions: int, file: Path) -> None:
    """All sessions take from one list, until the last 250."""
    conversations = iter(msgspec.msgpack.decode(file.read_bytes(), type=list[list[Mail]]))
    await asyncio.gather(*(hand_in(port, conversations) for _ in range(sessions)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
