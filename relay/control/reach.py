"""Do an operation where the store is: in the daemon that owns it, or in a station opened here.

Two commands at once, or a command beside a daemon that is starting, wait for
each other for a few seconds; then the owner of the store is named.
"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import msgspec

from relay.clock import Clock, SystemClock
from relay.config import Config
from relay.control import client
from relay.control.client import NoDaemon
from relay.control.context import Context, Progress, nobody_watches
from relay.control.registry import find
from relay.station import open_station
from relay.store.faults import StoreOwned

PATIENCE = timedelta(seconds=5)
_PAUSE_SECONDS = 0.05


async def perform(
    config: Config,
    name: str,
    arguments: msgspec.Struct,
    progress: Progress = nobody_watches,
    *,
    clock: Clock | None = None,
    patience: timedelta = PATIENCE,
) -> Any:
    """The result of the operation; raises what it raises, or StoreOwned by somebody who does not answer."""
    clock = clock or SystemClock()
    give_up_at = clock.monotonic() + patience.total_seconds()
    while True:
        try:
            return await client.call(config.server.data_dir, name, arguments, progress)
        except NoDaemon:
            pass
        try:
            return await perform_here(config, name, arguments, progress, clock=clock)
        except StoreOwned:
            if clock.monotonic() >= give_up_at:
                raise
        await asyncio.sleep(_PAUSE_SECONDS)


async def perform_here(
    config: Config,
    name: str,
    arguments: msgspec.Struct,
    progress: Progress = nobody_watches,
    *,
    clock: Clock | None = None,
) -> Any:
    """The same in a station of our own; raises StoreOwned while somebody has the store."""
    operation = find(name)
    assert operation.run is not None
    async with open_station(config, clock) as station:
        try:
            result = await operation.run(Context(station, progress=progress), arguments)
        finally:
            station.directory.close()
    # As it would have come over the socket.
    return msgspec.to_builtins(result)


def follow(config: Config, name: str, arguments: msgspec.Struct) -> AsyncGenerator[Any, None]:
    """What a stream of the daemon yields; raises NoDaemon: without one, nothing happens."""
    return client.stream(config.server.data_dir, name, arguments)
