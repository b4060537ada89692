"""However many large bodies come at once, memory holds a bounded part of them; small ones always pass."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Message

from tests.api.client import Client
from tests.api.conftest import Api

PATH = "/v1/keys"
LARGE = b'{"name": "x"}' + b" " * 200_000


@asynccontextmanager
async def under_way(client: Client) -> AsyncIterator[None]:
    """A large body of which the end does not come; leaving the block hangs up."""
    pieces: list[Message] = [{"type": "http.request", "body": LARGE, "more_body": True}]
    taken, gone = asyncio.Event(), asyncio.Event()

    async def receive() -> Message:
        if pieces:
            return pieces.pop()
        taken.set()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    task = asyncio.ensure_future(client.app(client.scope("POST", PATH, {}), receive, send))
    await taken.wait()
    try:
        yield
    finally:
        gone.set()
        await task


async def test_large_bodies_share_their_room(api: Api) -> None:
    api.house.body_room.octets = 300_000
    async with under_way(api.live), under_way(api.live):
        refused = await api.live.request("POST", PATH, body=LARGE)
        assert (refused.status, refused.code, refused.fields["retry-after"]) == (503, "not_accepting", "5")
        assert (await api.live.post(PATH, {"name": "small"})).status == 201
    assert (await api.live.request("POST", PATH, body=LARGE)).status == 201


async def test_whatever_came_of_it_the_room_is_free_again(api: Api) -> None:
    api.house.body_room.octets = 150_000
    for body, status in ((LARGE, 201), (LARGE[1:], 400), (LARGE, 201)):
        assert (await api.live.request("POST", PATH, body=body)).status == status
