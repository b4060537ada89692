"""What a client asks twice under one Idempotency-Key is done once and answered the same."""

import asyncio
from datetime import timedelta

from relay.tenants import api_keys
from tests.api.conftest import Api

KEY = "order-7"


async def keys_called(api: Api, name: str) -> int:
    found = await api_keys.list_of_tenant(api.house.db, "ten_default")
    return sum(key.name == name for key in found)


async def test_a_replay_is_the_first_answer_without_the_secret(api: Api) -> None:
    first = await api.live.post("/v1/keys", {"name": "once"}, idempotency_key=KEY)
    again = await api.live.post("/v1/keys", {"name": "once"}, idempotency_key=KEY)
    assert (first.status, again.status) == (201, 201)
    assert first.json["key"].startswith("ph_live_")
    assert again.fields["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.fields
    document = first.json
    del document["key"]
    assert again.json == document
    third = await api.live.post("/v1/keys", {"name": "once"}, idempotency_key=KEY)
    assert third.body == again.body
    assert await keys_called(api, "once") == 1


async def test_five_hundred_at_once_make_one(api: Api) -> None:
    answers = await asyncio.gather(
        *(api.live.post("/v1/keys", {"name": "many"}, idempotency_key=KEY) for _ in range(500))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert sum("key" in answer.json for answer in answers) == 1
    assert await keys_called(api, "many") == 1


async def test_another_body_under_the_same_key_is_a_mismatch(api: Api) -> None:
    await api.live.post("/v1/keys", {"name": "once"}, idempotency_key=KEY)
    other = await api.live.post("/v1/keys", {"name": "twice"}, idempotency_key=KEY)
    assert (other.status, other.code) == (409, "idempotency_mismatch")
    assert await keys_called(api, "twice") == 0


async def test_a_refusal_is_not_kept(api: Api) -> None:
    refused = await api.live.post("/v1/keys", {"name": "x", "inbox": "later@ours.test"}, idempotency_key=KEY)
    assert refused.status == 404
    await api.mailbox("later@ours.test")
    done = await api.live.post("/v1/keys", {"name": "x", "inbox": "later@ours.test"}, idempotency_key=KEY)
    assert done.status == 201


async def test_a_replay_stands_whatever_has_changed_since(api: Api) -> None:
    later = api.clock.now() + timedelta(hours=1)
    document = {"name": "x", "expires_at": later.isoformat()}
    first = await api.live.post("/v1/keys", document, idempotency_key=KEY)
    api.clock.advance(hours=2)
    again = await api.live.post("/v1/keys", document, idempotency_key=KEY)
    assert again.json["id"] == first.json["id"]


async def test_after_a_day_the_key_is_free(api: Api) -> None:
    first = await api.live.post("/v1/keys", {"name": "x"}, idempotency_key=KEY)
    api.clock.advance(hours=24)
    again = await api.live.post("/v1/keys", {"name": "y"}, idempotency_key=KEY)
    assert again.status == 201
    assert again.json["id"] != first.json["id"]


async def test_others_do_not_share_a_key(api: Api) -> None:
    bound = await api.client(mailbox=api.inbox)
    answers = [
        await client.post("/v1/keys", {"name": "x"}, idempotency_key=KEY)
        for client in (api.live, api.test, api.foreign, bound)
    ]
    assert [answer.status for answer in answers] == [201] * 4
    assert len({answer.json["id"] for answer in answers}) == 4


async def test_a_key_is_printable_and_short(api: Api) -> None:
    for key in ("", "x" * 257, "a\x07b", "é"):
        answer = await api.live.post("/v1/keys", {"name": "x"}, idempotency_key=key)
        assert (answer.status, answer.code) == (422, "validation_error")
