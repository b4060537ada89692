"""A small parent process in the place of systemd: holds listeners, starts the service, hears how it is.

Listeners outlive the child, as they do with socket units, so a test can
restart the service under load and see that no connection is refused.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO

# Puts the listeners at descriptor 3 and up, writes its own pid down, and becomes the service.
_LAUNCHER = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",") if fd]
high = [os.dup(fd) for fd in fds]
while high and min(high) < 3 + len(fds):
    high = [os.dup(fd) for fd in high]
for number, fd in enumerate(high, start=3):
    os.dup2(fd, number, inheritable=True)
os.environ["LISTEN_PID"] = os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
"""


class FakeServiceManager:
    """Holds `listeners` (name → sockets) and reads NOTIFY_SOCKET below `directory`.

    Only for use within a running event loop; `close` ends every child.
    """

    def __init__(self, directory: Path, *, watchdog: timedelta | None = None, abstract: bool = False) -> None:
        self.listeners: dict[str, list[socket.socket]] = {}
        self.heard: list[dict[str, str]] = []
        self._watchdog = watchdog
        self._address = f"@posthouse-test-{os.getpid()}-{id(self)}" if abstract else str(directory / "notify")
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.setblocking(False)
        self._notify.bind(self._address.replace("@", "\0") if abstract else self._address)
        self._children: list[subprocess.Popen[bytes]] = []

    def listen(self, name: str, host: str = "127.0.0.1") -> int:
        """Hold one more listener of that name; its port."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.bind((host, 0))
        listener.listen(1024)
        self.listeners.setdefault(name, []).append(listener)
        port: int = listener.getsockname()[1]
        return port

    @property
    def environment(self) -> dict[str, str]:
        """What the service finds in its environment, apart from its own pid."""
        named = [name for name, sockets in self.listeners.items() for _ in sockets]
        found = {"NOTIFY_SOCKET": self._address}
        if named:
            found |= {"LISTEN_FDS": str(len(named)), "LISTEN_FDNAMES": ":".join(named)}
        if self._watchdog:
            found["WATCHDOG_USEC"] = str(self._watchdog // timedelta(microseconds=1))
        return found

    def start(
        self,
        command: Sequence[str],
        environ: Mapping[str, str] | None = None,
        output: IO[bytes] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start the service as a child with the listeners at descriptor 3 and up."""
        fds = [listener.fileno() for sockets in self.listeners.values() for listener in sockets]
        child = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, ",".join(map(str, fds)), *command],
            env={**os.environ, **(environ or {}), **self.environment},
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        self._children.append(child)
        return child

    async def hears(self, wanted: str, limit: float = 30) -> dict[str, str]:
        """The next notification that holds the line `wanted` (`READY=1`), or the name alone (`STATUS`).

        TimeoutError after `limit` seconds. All that was heard is in `heard`, oldest first.
        """
        name, _, value = wanted.partition("=")
        async with asyncio.timeout(limit):
            while True:
                data = await asyncio.get_running_loop().sock_recv(self._notify, 65536)
                heard = dict(line.split("=", 1) for line in data.decode().splitlines())
                self.heard.append(heard)
                if name in heard and value in ("", heard[name]):
                    return heard

    def forget(self) -> None:
        """Drop the notifications that nobody has read yet: they are of an earlier life."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._notify.recv(65536)

    def close(self) -> None:
        for child in self._children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for listener in (self._notify, *(one for many in self.listeners.values() for one in many)):
            listener.close()

    def __enter__(self) -> "FakeServiceManager":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
