"""HTTP said octet by octet, as no client library would, and its answers taken apart."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer on the wire: `fields` has each field's lines, by lower-case name."""

    status: int
    fields: dict[str, list[str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def say(port: int, *pieces: bytes) -> list[Answer]:
    """Send the pieces, each when the answer to the one before has begun; all answers until it hangs up.

    The server must hang up, and nothing may stand between or behind its answers.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        async with asyncio.timeout(30):
            for number, piece in enumerate(pieces):
                writer.write(piece)
                if number + 1 < len(pieces):
                    heard += await reader.readuntil(b"\r\n\r\n")
            heard += await reader.read()
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        heard += getattr(error, "partial", b"")
    finally:
        writer.close()
    return list(_parted(heard))


def _parted(octets: bytes) -> list[Answer]:
    answers = []
    while octets:
        head, _, rest = octets.partition(b"\r\n\r\n")
        found = _HEAD.match(head + b"\r\n")
        assert found, octets[:200]
        fields: dict[str, list[str]] = {}
        for line in head.decode("latin-1").split("\r\n")[1:]:
            name, colon, value = line.partition(": ")
            assert colon, line
            fields.setdefault(name.lower(), []).append(value)
        size = int(fields.get("content-length", ["0"])[0])
        answers.append(Answer(int(found[1]), fields, rest[:size]))
        octets = rest[size:]
    return answers
