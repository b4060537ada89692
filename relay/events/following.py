"""Go on in rounds while the daemon runs: what is found to do is done, then the next call is waited for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from relay.errors import StoreUnavailable


async def follow(
    step: Callable[[], Awaitable[int]],
    woken: asyncio.Event,
    *,
    again: float,
    what: str,
    logger: logging.Logger,
) -> None:
    """Take steps until one finds nothing, whenever `woken` and every `again` seconds, until cancelled.

    A store that cannot be used only makes it wait, and a fault of one step is
    logged; the next round tries again. `what` is it about, in the plural.
    """
    while True:
        woken.clear()
        try:
            while await step():
                pass
        except StoreUnavailable as trouble:
            logger.warning("%s wait for the store: %s", what, trouble)
        except Exception:
            logger.exception("%s could not be looked after; that is tried again", what)
        try:
            async with asyncio.timeout(again):
                await woken.wait()
        except TimeoutError:
            pass
