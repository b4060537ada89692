"""Frames over a stream socket: four octets of length, then msgpack."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from relay.delivery.processes.frames import Frame, encode

LENGTH_OCTETS = 4
_LONGEST = 64 << 20  # a frame that claims more is none


class Channel(asyncio.Protocol):
    """One end. `hear` is called with each frame that comes, `end` once when no more will.

    What is sent in one round of the loop goes out in one write.
    """

    def __init__(
        self, decode: Callable[[memoryview], Any], hear: Callable[[Any], None], end: Callable[[], None]
    ) -> None:
        self._decode = decode
        self._hear = hear
        self._end = end
        self._transport: asyncio.Transport | None = None
        self._going_out: list[bytes] = []
        self._came = bytearray()

    def send(self, frame: Frame) -> None:
        """Have `frame` sent; once the channel has ended it goes nowhere."""
        octets = encode(frame)
        if not self._going_out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._going_out += (len(octets).to_bytes(LENGTH_OCTETS, "big"), octets)

    def close(self) -> None:
        """Send what is to be sent, then end; the other end hears of it."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._came += data
        view, at = memoryview(self._came), 0
        try:
            while len(view) - at >= LENGTH_OCTETS:
                length = int.from_bytes(view[at : at + LENGTH_OCTETS], "big")
                if length > _LONGEST:
                    raise ValueError(f"a frame of {length} octets")
                if len(view) - at < LENGTH_OCTETS + length:
                    break
                at += LENGTH_OCTETS
                frame = self._decode(view[at : at + length])
                at += length
                self._hear(frame)
        finally:
            view.release()
            del self._came[:at]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end()

    def _flush(self) -> None:
        octets, self._going_out = b"".join(self._going_out), []
        if self._transport is not None and octets:
            self._transport.write(octets)
