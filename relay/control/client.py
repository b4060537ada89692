"""Ask a running daemon over its control socket."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from relay.control.address import short_name
from relay.control.context import Progress, nobody_watches
from relay.control.wire import ANSWER_LIMIT, Answer, RemoteFault, Request, from_fault, socket_path, to_line
from relay.errors import PosthouseError

_read_answer = msgspec.json.Decoder(Answer).decode


class NoDaemon(PosthouseError):
    """Nobody answers at the control socket."""


async def call(
    data_dir: Path, name: str, arguments: msgspec.Struct, progress: Progress = nobody_watches
) -> Any:
    """The operation's result; raises what it raised, NoDaemon, or RemoteFault when the daemon went away."""
    async with _asked(data_dir, name, arguments) as reader:
        async for answer in _answers(reader):
            if answer.progress is not None:
                progress(*answer.progress)
            if bytes(answer.result):
                return msgspec.json.decode(answer.result)
    raise RemoteFault("the daemon went away before it answered")


async def stream(data_dir: Path, name: str, arguments: msgspec.Struct) -> AsyncGenerator[Any, None]:
    """What the operation yields, until it ends or the daemon stops."""
    async with _asked(data_dir, name, arguments) as reader, aclosing(_answers(reader)) as answers:
        async for answer in answers:
            if bytes(answer.result):
                return
            yield answer.item


@asynccontextmanager
async def _asked(data_dir: Path, name: str, arguments: msgspec.Struct) -> AsyncIterator[asyncio.StreamReader]:
    reader, writer = await _connect(data_dir)
    try:
        writer.write(to_line(Request(name, msgspec.to_builtins(arguments))))
        yield reader
    finally:
        writer.close()


async def _connect(data_dir: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    path = socket_path(data_dir)
    try:
        with short_name(path) as name:
            return await asyncio.open_unix_connection(name, limit=ANSWER_LIMIT)
    except (FileNotFoundError, ConnectionError) as error:
        raise NoDaemon(f"no daemon answers at {path}") from error
    except PermissionError as error:
        raise PosthouseError(f"{path}: not yours to use; run this as the user of the daemon") from error


async def _answers(reader: asyncio.StreamReader) -> AsyncGenerator[Answer, None]:
    """Line after line; raises the error that one of them tells of."""
    while line := await _line(reader):
        answer = _read_answer(line)
        if answer.error is not None:
            raise from_fault(answer.error)
        yield answer


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ConnectionError:
        return b""
