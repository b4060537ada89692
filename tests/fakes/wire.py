"""A wire between nodes and their PostgreSQL that can be cut, mended, and made slow.

wire = await Wire.start(server.socket)      # listens on 127.0.0.1
wire.url(database)                          # what `store.url` says
wire.cut(); wire.mend(); wire.slow_down(0.05)
"""

import asyncio
from pathlib import Path
from typing import Self


class Wire:
    """Each connection goes to the server's socket; cut ones are reset, and new ones refused."""

    def __init__(self, socket: Path) -> None:
        self.port = 0
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._is_cut = False
        self._delay = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, socket: Path) -> Self:
        self = cls(socket)
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def url(self, database: str, user: str = "posthouse") -> str:
        """The address of a database of that name at the other end."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    @property
    def carries(self) -> int:
        """How many connections there are."""
        return len(self._writers) // 2

    def cut(self) -> None:
        """Break all connections off, and let no new one through."""
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    def slow_down(self, seconds: float) -> None:
        """From now on whatever passes waits so long, in either direction; 0 is no wait."""
        self._delay = seconds

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_unix_connection(str(self._socket))
        except OSError:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        ends = {writer, there_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if self._delay:
                    await asyncio.sleep(self._delay)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()
