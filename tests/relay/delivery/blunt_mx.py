"""A far server that answers by the piece: what came as one write, with whatever octets the test says.

Where `FarMx` reads line by line, this one shows what travelled together, and
answers too much, too little or out of turn.
"""

import asyncio
from collections.abc import Sequence
from typing import cast

Answers = Sequence[bytes | None]


class BluntMx:
    """Each connection plays the next conversation: an answer for each piece after EHLO, None to hang up.

    A conversation that is over gets no more answers, a connection without one
    is turned away. `pieces` holds what came, connection by connection.
    """

    def __init__(self, *conversations: Answers, offers: Sequence[bytes] = (b"PIPELINING",)) -> None:
        self.pieces: list[list[bytes]] = []
        self._conversations = list(conversations)
        self._hello = (
            b"".join(b"250-" + line + b"\r\n" for line in (b"mx.example.net", *offers)) + b"250 OK\r\n"
        )
        self._server: asyncio.Server | None = None

    async def listen(self, port: int) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Conversation(self), "127.0.0.1", port
        )

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def begin(self) -> tuple[list[bytes], list[bytes | None] | None]:
        """Where the next connection puts its pieces, and what it answers."""
        self.pieces.append([])
        answers = [self._hello, *self._conversations.pop(0)] if self._conversations else None
        return self.pieces[-1], answers


class _Conversation(asyncio.Protocol):
    def __init__(self, mx: BluntMx) -> None:
        self._pieces, self._answers = mx.begin()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._answers is None:
            self._transport.write(b"421 4.3.2 not again\r\n")
            self._transport.close()
        else:
            self._transport.write(b"220 mx.example.net ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._pieces.append(data)
        if not self._answers:
            return
        answer = self._answers.pop(0)
        if answer is None or answer.endswith(HANG_UP):
            self._transport.write((answer or b"").removesuffix(HANG_UP))
            self._transport.close()
        else:
            self._transport.write(answer)


HANG_UP = b"<hang up>"
