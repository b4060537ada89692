"""A program that speaks to the daemon's API over HTTP with one key.

async with api_client(daemon, key) as api:
    sent = await api.post("/v1/inboxes/app@ours.test/messages", {...})     # 201, or the test fails
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from relay.control.operations.keys import CreateKey
from tests.fakes.daemon import Daemon


@dataclass(frozen=True, slots=True)
class ApiClient:
    """Good answers are decoded; every other one fails the test with its document."""

    http: httpx2.AsyncClient

    async def get(self, path: str, **query: str) -> Any:
        return _good(await self.http.get(path, params=query))

    async def post(self, path: str, document: Any = None, **fields: str) -> Any:
        return _good(await self.http.post(path, json=document or {}, headers=_named(fields)))

    async def patch(self, path: str, document: Any) -> Any:
        return _good(await self.http.patch(path, json=document))


@asynccontextmanager
async def api_client(daemon: Daemon, key: str, connections: int = 10) -> AsyncIterator[ApiClient]:
    """A client of the running daemon, with at most so many connections."""
    async with http_client(daemon, key, connections) as http:
        yield ApiClient(http)


@asynccontextmanager
async def http_client(daemon: Daemon, key: str, connections: int = 10) -> AsyncIterator[httpx2.AsyncClient]:
    """The same for answers of every kind."""
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{daemon.ports['http']}",
        headers={"Authorization": f"Bearer {key}"},
        limits=httpx2.Limits(max_connections=connections),
        timeout=120,
        trust_env=False,
    ) as http:
        yield http


async def make_key(daemon: Daemon, **wanted: Any) -> str:
    """A key of the default tenant, as the command line makes it."""
    made = await daemon.do("key.create", CreateKey(**{"name": "made", **wanted}))
    key: str = made["key"]
    return key


def _good(answer: httpx2.Response) -> Any:
    assert answer.is_success, (answer.request.method, answer.request.url, answer.status_code, answer.text)
    return answer.json() if answer.content else None


def _named(fields: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in fields.items()}
