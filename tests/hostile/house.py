"""The daemon that hostile clients and letters meet, and what they are held against afterwards."""

import asyncio
import sqlite3
import ssl
from collections.abc import Callable
from contextlib import closing

from tests.fakes.daemon import APPLICATION, Daemon
from tests.hostile.sentences import HEADER_LIMIT, LARGEST
from tests.hostile.session import Doors, Session

SETTINGS = {
    "inbound.uncounted_networks": ["127.0.0.0/8"],
    "inbound.greeting_delay": "0s",
    "limits.message_size": f"{LARGEST}B",
    "limits.header_size": f"{HEADER_LIMIT}B",
    "limits.connections_per_ip": 1000,
    "limits.auth_failures_per_minute": 1_000_000,
    "limits.auth_failures_per_day": 1_000_000,
    "log.level": "warning",
}
AT_ONCE = 8


def doors_of(daemon: Daemon) -> Doors:
    tls = ssl.create_default_context(cafile=str(daemon.ca_file))
    ports = {name: daemon.ports[name] for name in ("submission", "submissions", "inbound")}
    return Doors(ports, tls, (APPLICATION, daemon.password))


def _nobody(commands: int) -> None:
    """Is not told how far it has come."""


async def sessions(
    doors: Doors, seed: int, numbers: range, tell: Callable[[int], None] = _nobody
) -> tuple[int, list[str]]:
    """How many commands were said in these sessions, and the ids that were promised.

    `tell` hears after each session how many commands it had.
    """
    said, taken, left = 0, list[str](), iter(numbers)

    async def one_after_the_other() -> None:
        nonlocal said
        for number in left:
            session = Session(doors, seed, number)
            await session.run()
            said += session.commands
            taken.extend(session.taken)
            tell(session.commands)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())
    return said, taken


def kept(daemon: Daemon) -> set[str]:
    """The ids of the messages in the store."""
    file = f"file:{daemon.config.server.data_dir}/posthouse.db?mode=ro"
    with closing(sqlite3.connect(file, uri=True)) as store:
        return {id_ for (id_,) in store.execute("select id from messages")}
