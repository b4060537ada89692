"""Whoever listens keeps a connection, so nobody has so many that others find none."""

import asyncio

import pytest

from tests.api.conftest import Api

STREAM = "/v1/events/stream"
WAIT = "/v1/inboxes/app@ours.test/messages/wait?timeout=0"


async def test_a_key_has_only_so_many_streams(api: Api) -> None:
    api.house.lines.of_key = 2
    async with api.live.stream(STREAM) as one, api.live.stream(STREAM) as two:
        await one.piece()
        await two.piece()
        for target in (STREAM, WAIT):
            refused = await api.live.get(target)
            assert (refused.status, refused.code, refused.fields["retry-after"]) == (
                429,
                "rate_limited",
                "60",
            )
        assert (await api.test.get(WAIT)).status == 200
        assert (await api.live.get("/v1/account")).status == 200


async def test_all_keys_together_leave_room_for_short_questions(api: Api) -> None:
    api.house.lines.in_all = 1
    async with api.live.stream(STREAM) as streamed:
        await streamed.piece()
        assert (await api.foreign.get(STREAM)).code == "rate_limited"


@pytest.mark.parametrize("way", ["hung up", "ended", "waited"])
async def test_what_is_over_makes_room(api: Api, way: str) -> None:
    api.house.lines.of_key = 1
    if way == "waited":
        assert (await api.live.get(WAIT)).status == 200
    else:
        async with api.live.stream(STREAM) as streamed:
            await streamed.piece()
            if way == "ended":
                api.house.watch.close()
                async with asyncio.timeout(30):
                    await streamed.ended.wait()
    assert (await api.live.get(WAIT)).status == 200
