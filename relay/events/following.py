"""Go on in rounds while the daemon runs: what is found to do is done, then the next call is waited for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from relay.errors import StoreUnavailable


async def follow(
    step: Callable[[], Awaitable[int | None]],
    woken: asyncio.Event,
    *,
    again: float,
    waits: str,
    logger: logging.Logger,
    ends: tuple[type[Exception], ...] = (),
) -> None:
    """Take steps until one finds nothing, whenever `woken` and every `again` seconds, until cancelled.

    A step that returns None has done all there was. A store that cannot be used
    only makes it wait, and a fault of one step is logged; the next round tries
    again. `waits` says so in the log ("notices wait"). What a step raises of
    `ends` ends it as well.
    """
    while True:
        woken.clear()
        try:
            while await step():
                pass
        except ends:
            return
        except StoreUnavailable as trouble:
            logger.warning("%s for the store: %s", waits, trouble)
        except Exception:
            logger.exception("%s after a fault; it is tried again", waits)
        try:
            async with asyncio.timeout(again):
                await woken.wait()
        except TimeoutError:
            pass
