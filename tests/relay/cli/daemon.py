"""A process that owns the store and answers at the control socket until its stdin ends."""

import asyncio
import sys
from pathlib import Path

from relay.config import load_config
from relay.control.server import control_server
from relay.station import open_station


async def run(file: Path) -> None:
    async with open_station(load_config(file).config) as station, control_server(station):
        sys.stdout.write("up\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        station.directory.close()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
