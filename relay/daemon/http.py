"""The API's listeners. The one home of uvicorn, which here neither forks nor handles signals.

uvicorn waits for ever for a request that has begun; here its head has a
deadline, and so has a body that nobody reads any more. A body that is read
has one by `limits.body_timeout`. How many connections there may be is said
by `crowd`. What is no HTTP is answered by us: uvicorn would warn of each, and
fall over a request whose body turns out to be none.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeAlias, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.problems import Problem
from relay.daemon.crowd import Crowd
from relay.daemon.unread import whole_answer

logger = logging.getLogger("posthouse.http")
# Its warnings are about what strangers send.
logging.getLogger("uvicorn.error").setLevel(logging.ERROR)

ASGIApp: TypeAlias = Callable[..., Awaitable[None]]

KEEP_ALIVE_SECONDS = 15
HEAD_SECONDS = 30.0
_NO_HTTP = Problem(400, "malformed_request", "This is no HTTP request, or its body is not framed as one.")


class _WholeAnswers(h11.Connection):
    """Gives the head of an answer out with its body, in one call of the kernel; of a stream, at once."""

    _head = b""

    def send(self, event: h11.Event) -> bytes | None:  # type: ignore[override]
        octets = super().send(event)
        if octets is None:
            return None
        if isinstance(event, h11.Response) and any(name == b"content-length" for name, _ in event.headers):
            self._head = octets
            return b""
        head, self._head = self._head, b""
        return head + octets


class _ImpatientProtocol(H11Protocol):
    """Hangs up on a client that is too slow with what no handler waits for."""

    head_seconds = HEAD_SECONDS
    crowd: Crowd
    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _WholeAnswers(h11.SERVER)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        refusal = self.crowd.enter(self, self.client[0] if self.client else "")
        if refusal is not None:
            self.transport.write(refusal)
            self.transport.close()
        self._watch_the_time()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_the_time()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._only_waits():
            self.crowd.waits(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        self.crowd.leave(self)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP; whatever is under way on this connection has nobody to answer any more."""
        host = self.client[0] if self.client else "somebody"
        logger.info("what %s sent is no HTTP request", host)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(whole_answer(_NO_HTTP))
        self.transport.close()

    def make_room(self) -> None:
        self.transport.close()

    def _only_waits(self) -> bool:
        """For a head that has not come whole, or the rest of a request that has been answered."""
        return self.conn.their_state is h11.IDLE or self.conn.our_state is h11.DONE

    def _watch_the_time(self) -> None:
        if not self._only_waits():
            self.crowd.works(self)
            self._stop_watching()
            return
        self.crowd.waits(self)
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _QuietServer(uvicorn.Server):
    """Leaves SIGTERM and SIGINT to the process that it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves one application on given sockets until it is stopped."""

    def __init__(
        self,
        app: ASGIApp,
        sockets: Sequence[socket.socket],
        crowd: Crowd,
        *,
        head_seconds: float = HEAD_SECONDS,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=type("Protocol", (_ImpatientProtocol,), {"head_seconds": head_seconds, "crowd": crowd}),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
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
