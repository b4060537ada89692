"""Let commands reach a running station: a UNIX socket in its data directory, mode 0600.

What was begun is finished when the caller hangs up, except streams. Nothing
that a caller sends can end the daemon: what is too long, too slow or no JSON
gets an error and the connection is closed.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from relay.control import address
from relay.control.context import Context, Hooks
from relay.control.registry import Operation, find
from relay.control.wire import (
    REQUEST_LIMIT,
    Answer,
    Request,
    result_line,
    socket_path,
    to_fault,
    to_line,
)
from relay.errors import InvalidInput, PosthouseError
from relay.station import Station

logger = logging.getLogger("posthouse.control")

REQUEST_TIME = timedelta(seconds=5)
DRAIN_TIME = timedelta(seconds=10)
CALLS = 32
CONNECTIONS = 4 * CALLS  # one that says nothing takes no place among the calls, and is closed soon

_read_request = msgspec.json.Decoder(Request).decode


@asynccontextmanager
async def control_server(
    station: Station, hooks: Hooks | None = None, *, request_time: timedelta = REQUEST_TIME
) -> AsyncIterator["ControlServer"]:
    """Answer at `<data_dir>/control.sock` for as long as the block lasts.

    Raises CannotListen. At the end calls may finish for `DRAIN_TIME`, streams end at once.
    """
    path = socket_path(station.config.server.data_dir)
    sock = address.listen(path)
    inode = path.stat().st_ino
    server = ControlServer(station, hooks or Hooks(), request_time)
    listener = await asyncio.start_unix_server(server.serve, sock=sock, limit=REQUEST_LIMIT)
    try:
        yield server
    finally:
        address.remove(path, inode)
        listener.close()
        await server.drain()


@dataclass(slots=True)
class ControlServer:
    """The connections of one control socket."""

    station: Station
    hooks: Hooks
    request_time: timedelta
    _calls: set["asyncio.Task[None]"] = field(default_factory=set)
    _streams: set["asyncio.Task[None]"] = field(default_factory=set)
    _connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one call."""
        self._connections += 1
        try:
            if self._connections > CONNECTIONS:
                raise PosthouseError("too many commands at once")
            request = await self._request(reader)
            if len(self._calls) + len(self._streams) >= CALLS:
                raise PosthouseError("too many commands at once")
            await self._call(find(request.call), request, reader, writer)
        except asyncio.CancelledError:
            raise
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it hung up
        except PosthouseError as error:
            _say(writer, to_line(Answer(error=to_fault(error))))
        except Exception as error:
            logger.exception("a control call failed")
            _say(writer, to_line(Answer(error=to_fault(error))))
        finally:
            self._connections -= 1
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def drain(self) -> None:
        """End the streams, wait for the calls, then end those that take too long."""
        for task in self._streams:
            task.cancel()
        waiting = self._calls | self._streams
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=DRAIN_TIME.total_seconds())
            for task in late:
                task.cancel()

    async def _request(self, reader: asyncio.StreamReader) -> Request:
        try:
            async with asyncio.timeout(self.request_time.total_seconds()):
                line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise InvalidInput(f"a request has at most {REQUEST_LIMIT} octets") from None
        except TimeoutError:
            raise InvalidInput("the request did not come in time") from None
        try:
            return _read_request(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidInput(f"not a request: {error}") from None

    async def _call(
        self,
        operation: Operation,
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        arguments = operation.read(request.arguments)
        logger.debug("%s", operation.name)
        loop = asyncio.get_running_loop()

        def progress(what: str, done: int, total: int) -> None:
            # Work in threads tells of itself, too.
            loop.call_soon_threadsafe(_say, writer, to_line(Answer(progress=(what, done, total))))

        context = Context(self.station, self.hooks, progress, has_daemon=True)
        if operation.stream is not None:
            task = asyncio.create_task(_pass_on(operation, context, arguments, writer))
            await self._until_hung_up(task, reader)
            return
        task = asyncio.create_task(_answer(operation, context, arguments, writer))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        await asyncio.shield(task)

    async def _until_hung_up(self, task: "asyncio.Task[None]", reader: asyncio.StreamReader) -> None:
        self._streams.add(task)
        hung_up = asyncio.create_task(_wait_for_end(reader))
        try:
            await asyncio.wait({task, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.discard(task)
            for each in (task, hung_up):
                each.cancel()
            results = await asyncio.gather(task, hung_up, return_exceptions=True)
        if isinstance(results[0], Exception):
            raise results[0]


async def _wait_for_end(reader: asyncio.StreamReader) -> None:
    while await reader.read(1024):
        pass  # nobody asks for more on this connection


async def _answer(
    operation: Operation, context: Context, arguments: msgspec.Struct, writer: asyncio.StreamWriter
) -> None:
    assert operation.run is not None
    result = await operation.run(context, arguments)
    # Progress that was told from a thread stands in the loop's queue before this.
    await asyncio.sleep(0)
    _say(writer, result_line(result))
    await writer.drain()


async def _pass_on(
    operation: Operation, context: Context, arguments: msgspec.Struct, writer: asyncio.StreamWriter
) -> None:
    assert operation.stream is not None
    async for item in operation.stream(context, arguments):
        _say(writer, to_line({"item": item}))
        await writer.drain()
    _say(writer, result_line(None))


def _say(writer: asyncio.StreamWriter, line: bytes) -> None:
    if not writer.is_closing():
        writer.write(line)
