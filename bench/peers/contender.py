"""What each server of the comparison is to the rest: started fresh for one load, then stopped."""

import asyncio
import os
import shutil
import socket
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from relay.signing.keys import KeyRing

SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs: where it listens, the processes all others of it descend from, and its signatures.

    `algorithms` are those of the DKIM signatures that each message must carry, with keys of `keys`.
    """

    port: int
    roots: tuple[int, ...]
    keys: KeyRing | None = None
    algorithms: tuple[str, ...] = ()


class Contender(Protocol):
    """A server that can be started any number of times."""

    @property
    def name(self) -> str: ...

    def missing(self) -> str | None:
        """Why it cannot run here and what installs it; None when it can."""
        ...

    def tuning(self) -> list[str]:
        """What differs from a plain installation, for the reader of the table."""
        ...

    def running(self, directory: Path, sink_port: int, sessions: int) -> AbstractAsyncContextManager[Server]:
        """A fresh one that passes everything on to the sink; its files stay below `directory`."""
        ...


def find(program: str) -> str | None:
    """Its path, also where only root's PATH leads."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SBIN}")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def listens(port: int, limit: float = 30) -> None:
    """Wait until somebody greets there; TimeoutError after `limit` seconds."""
    async with asyncio.timeout(limit):
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                greeting = await reader.readline()
                writer.close()
                if greeting.startswith(b"220"):
                    return
            await asyncio.sleep(0.05)
