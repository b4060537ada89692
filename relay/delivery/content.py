"""Send what follows 354, as fast as the server takes it, and never finish what it has answered already."""

import asyncio
from collections.abc import Iterable

from relay.delivery.dots import in_blocks
from relay.delivery.protocol import ReplyReader


async def send_pieces(protocol: ReplyReader, pieces: Iterable[bytes], patience: float) -> bool:
    """Whether everything was written; False as soon as the server answers early.

    The last of `pieces` must hold the final dot. Raises TimeoutError when the
    server takes nothing for `patience` seconds.
    """
    waiting: bytes | None = None
    for block in in_blocks(pieces):
        if waiting is not None:
            await _write(protocol, waiting, patience)
            if protocol.has_answered:
                return False
        waiting = block
    await asyncio.sleep(0)  # read what is there before the dot makes it final
    if protocol.has_answered:
        return False
    protocol.write(waiting or b"")
    return True


async def _write(protocol: ReplyReader, block: bytes, patience: float) -> None:
    protocol.write(block)
    await asyncio.sleep(0)  # others have work too while this server takes all we give
    if not protocol.may_write.is_set():
        async with asyncio.timeout(patience):
            await protocol.may_write.wait()
