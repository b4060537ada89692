"""A far side that takes everything and lets each answer wait, as one on another continent does.

    python -m bench.cluster.sink DELAY

Prints its port, then how many messages it has taken, whenever that changes.
What came together is answered together (RFC 2920), so a message costs two
waits: for its commands and for its final dot.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self, cast

import uvloop

_EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 52428800\r\n"
_TOLD_EVERY = 0.02


class Session(asyncio.Protocol):
    """One connection; `taken` is called for each message, before it is answered."""

    def __init__(self, delay: float, taken: Callable[["Session"], None]) -> None:
        self.delay = delay
        self.reverse_path = ""
        self.recipients: list[str] = []
        self.content = b""
        self._taken = taken
        self._held = bytearray()
        self._in_data = False
        self._answers: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's only look like one
        self._answer_later(b"220 sink.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._held += data
        while self._take_part():
            pass
        if self._answers:
            answers, self._answers = b"".join(self._answers), []
            self._answer_later(answers)

    def _take_part(self) -> bool:
        """One command or one content, if it has come wholly."""
        if self._in_data:
            return self._take_content()
        line, found, rest = self._held.partition(b"\r\n")
        if found:
            self._held = rest
            self._answers.append(self._answer(bytes(line)))
        return bool(found)

    def _take_content(self) -> bool:
        end = self._held.find(b"\r\n.\r\n")
        if end < 0:
            return False
        self.content = bytes(self._held[: end + 2])
        del self._held[: end + 5]
        self._in_data = False
        self._taken(self)
        self._answers.append(b"250 2.0.0 Ok\r\n")
        return True

    def _answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"MAIL":
            self.reverse_path, self.recipients = _path(line), []
        elif verb == b"RCPT":
            self.recipients.append(_path(line))
        elif verb == b"DATA":
            self._in_data = True
            return b"354 End with a dot\r\n"
        elif verb == b"RSET":
            self.recipients = []
        elif verb == b"QUIT":
            return b"221 2.0.0 Bye\r\n"
        return _EHLO if verb == b"EHLO" else b"250 2.0.0 Ok\r\n"

    def _answer_later(self, answer: bytes) -> None:
        asyncio.get_running_loop().call_later(self.delay, self._say, answer)

    def _say(self, answer: bytes) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        if answer.endswith(b"221 2.0.0 Bye\r\n"):
            self._transport.close()


def _path(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode()


async def listen(delay: float, taken: Callable[[Session], None]) -> asyncio.Server:
    """Sessions on 127.0.0.1, at a port of the system's choice."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Session(delay, taken), "127.0.0.1", 0, backlog=4096)


@dataclass(slots=True)
class SlowSink:
    """One in a process of its own, so that its work is not the servers'."""

    port: int
    process: asyncio.subprocess.Process
    taken: int = 0

    @classmethod
    async def start(cls, delay: float) -> Self:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.cluster.sink", str(delay)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        return cls(int(await process.stdout.readline()), process)

    async def takes(self, count: int, limit: float) -> None:
        """Wait until it has taken `count` in all; TimeoutError after `limit` seconds."""
        assert self.process.stdout is not None
        async with asyncio.timeout(limit):
            while self.taken < count:
                line = await self.process.stdout.readline()
                if not line:
                    raise EOFError("the sink has ended")
                self.taken = int(line)

    async def stop(self) -> None:
        with suppress(ProcessLookupError):
            self.process.terminate()
        await self.process.communicate()


async def _main(delay: float) -> None:
    taken = told = 0

    def take(_: Session) -> None:
        nonlocal taken
        taken += 1

    server = await listen(delay, take)
    print(server.sockets[0].getsockname()[1], flush=True)
    while True:
        await asyncio.sleep(_TOLD_EVERY)
        if taken > told:
            told = taken
            print(told, flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(_main(float(sys.argv[1])))
