"""A small client that speaks ASGI to the application in process, as uvicorn would."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

HOST = "127.0.0.1:8025"
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `fields` are lower-case names."""

    status: int
    fields: Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem code."""
        assert self.fields["content-type"] == "application/problem+json", self
        return str(self.json["code"])


@dataclass(slots=True)
class Client:
    """Speaks to `app` with one API key, from one address."""

    app: ASGIApp
    key: str | None = None
    address: str = "127.0.0.1"
    fields: dict[str, str] = field(default_factory=dict)

    def scope(self, method: str, target: str, fields: Headers) -> Scope:
        path, _, query = target.partition("?")
        sent = {"host": HOST, **self.fields, **{name.lower(): value for name, value in fields.items()}}
        if self.key is not None:
            sent = {"authorization": f"Bearer {self.key}", **sent}
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()],
            "client": (self.address, 40000),
            "server": ("127.0.0.1", 8025),
        }

    async def request(
        self,
        method: str,
        target: str,
        document: Any = None,
        *,
        body: bytes | Sequence[bytes] | None = None,
        **fields: str,
    ) -> Answer:
        """One request; `document` is sent as JSON, `body` as it is, in pieces where it is several.

        Keyword arguments are header fields, with `_` for `-`.
        """
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        if document is not None:
            body = json.dumps(document).encode()
            named.setdefault("content-type", "application/json")
        pieces = [body] if isinstance(body, bytes) else list(body or [b""])
        started: list[Message] = []
        answer = bytearray()

        async def receive() -> Message:
            if pieces:
                piece = pieces.pop(0)
                return {"type": "http.request", "body": piece, "more_body": bool(pieces)}
            await asyncio.Event().wait()  # the client stays
            raise AssertionError

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
            else:
                answer.extend(message.get("body", b""))

        await self.app(self.scope(method, target, named), receive, send)
        (start,) = started
        return Answer(start["status"], _fields(start), bytes(answer))

    async def get(self, target: str, **fields: str) -> Answer:
        return await self.request("GET", target, None, body=None, **fields)

    async def post(self, target: str, document: Any = None, **fields: str) -> Answer:
        return await self.request("POST", target, {} if document is None else document, body=None, **fields)

    async def patch(self, target: str, document: Any, **fields: str) -> Answer:
        return await self.request("PATCH", target, document, body=None, **fields)

    async def delete(self, target: str, **fields: str) -> Answer:
        return await self.request("DELETE", target, None, body=None, **fields)

    @asynccontextmanager
    async def stream(self, target: str, **fields: str) -> AsyncIterator["StreamedAnswer"]:
        """An answer that is read while it comes; leaving the block hangs up."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        streamed, gone = StreamedAnswer(), asyncio.Event()
        sent_request = False

        async def receive() -> Message:
            nonlocal sent_request
            if not sent_request:
                sent_request = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        task = asyncio.ensure_future(_run(self.app, self.scope("GET", target, named), receive, streamed))
        try:
            yield streamed
        finally:
            gone.set()
            await task


class StreamedAnswer:
    """Pieces of an answer as they come; `ended` when there will be no more."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._started: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started.set_result(message)
        elif message.get("body"):
            self._pieces.put_nowait(message["body"])

    async def start(self) -> Answer:
        """Status and fields."""
        message = await self._started
        return Answer(message["status"], _fields(message), b"")

    @property
    def is_empty(self) -> bool:
        return self._pieces.empty()

    async def piece(self) -> bytes:
        """The next piece; fails when none comes for long."""
        async with asyncio.timeout(30):
            return await self._pieces.get()

    async def event(self) -> dict[str, str]:
        """The next server-sent event, comments passed over."""
        while (piece := await self.piece()).startswith(b":"):
            pass
        return dict(line.split(": ", 1) for line in piece.decode().strip().split("\n"))


async def _run(app: ASGIApp, scope: Scope, receive: Any, streamed: StreamedAnswer) -> None:
    try:
        await app(scope, receive, streamed.take)
    finally:
        streamed.ended.set()


def _fields(start: Message) -> Headers:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
