"""The API's listeners. The one home of uvicorn, which here neither forks nor handles signals."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from typing import TypeAlias

import uvicorn

ASGIApp: TypeAlias = Callable[..., Awaitable[None]]

KEEP_ALIVE_SECONDS = 15
CONNECTIONS = 1000


class _QuietServer(uvicorn.Server):
    """Leaves SIGTERM and SIGINT to the process that it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves one application on given sockets until it is stopped."""

    def __init__(self, app: ASGIApp, sockets: Sequence[socket.socket]) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            limit_concurrency=CONNECTIONS,
            backlog=2048,
        )
        self._server = _QuietServer(config)
        self._sockets = list(sockets)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Accept requests; returns when it does."""
        self._task = asyncio.create_task(self._server.serve(self._sockets), name="http")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError("the HTTP listener did not start")
            await asyncio.sleep(0.01)

    async def stop(self, patience: timedelta) -> None:
        """Finish requests under way within `patience`, then close."""
        if self._task is None:
            return
        self._server.should_exit = True
        done, _ = await asyncio.wait([self._task], timeout=patience.total_seconds())
        if not done:
            self._server.force_exit = True
            await self._task


def bind(host: str, port: int) -> socket.socket:
    """A listening-to-be socket for one address. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
