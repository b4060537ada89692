"""Who may call: a key that works, for what it may do, from where it may be used, and how often."""

from datetime import timedelta

import pytest

from relay.tenants import api_keys
from tests.api.client import Client
from tests.api.conftest import Api, MakeApi

NO_KEYS = [None, "", "ph_live_" + "0" * 40, "ph_live_short", "nothing", "ph_live_" + "x" * 5000, "é"]


@pytest.mark.parametrize("secret", NO_KEYS)
async def test_without_a_key_that_works_nothing_is_told(api: Api, secret: str | None) -> None:
    answer = await Client(api.live.app, secret).get("/v1/keys")
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.fields["www-authenticate"].startswith("Bearer")


async def test_other_schemes_are_no_key(api: Api) -> None:
    client = Client(api.live.app)
    assert (await client.get("/v1/keys", authorization=f"Basic {api.live.key}")).status == 401
    assert (await client.get("/v1/keys", authorization=f"bearer  {api.live.key}")).status == 200
    assert (await client.get(f"/v1/keys?access_token={api.live.key}")).status == 401


async def test_a_revoked_key_stops_at_once(api: Api) -> None:
    doomed = await api.client(name="doomed")
    id_ = (await doomed.get("/v1/account")).json["key"]["id"]
    assert (await api.live.delete(f"/v1/keys/{id_}")).status == 204
    assert (await doomed.get("/v1/account")).status == 401


async def test_a_key_ends_when_it_expires(api: Api) -> None:
    short = await api.client(expires_at=api.clock.now() + timedelta(minutes=1))
    assert (await short.get("/v1/account")).status == 200
    api.clock.advance(minutes=1)
    assert (await short.get("/v1/account")).status == 401


async def test_a_key_does_what_its_scopes_say(api: Api) -> None:
    narrow = await api.client(scopes=["keys:read", "events:*"])
    assert (await narrow.get("/v1/keys")).status == 200
    assert (await narrow.get("/v1/events")).status == 200
    refused = await narrow.post("/v1/keys", {"name": "x"})
    assert (refused.status, refused.code) == (403, "insufficient_scope")
    assert "keys:write" in refused.json["detail"]


async def test_a_key_works_from_its_networks_only(api: Api) -> None:
    client = await api.client(cidrs=["192.0.2.0/24", "2001:db8::/32"])
    answer = await client.get("/v1/keys")
    assert (answer.status, answer.code) == (403, "ip_not_allowed")
    for address in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"):
        client.address = address
        assert (await client.get("/v1/keys")).status == 200


async def test_a_key_may_have_a_pace_of_its_own(api: Api) -> None:
    slow = await api.client(requests_per_minute=6, burst=2)
    for remaining in (1, 0):
        answer = await slow.get("/v1/account")
        assert answer.status == 200
        assert answer.fields["ratelimit-limit"] == "2"
        assert answer.fields["ratelimit-remaining"] == str(remaining)
        assert answer.fields["ratelimit-reset"] == str(10 * (2 - remaining))
    limits = answer.json["limits"]
    assert (limits["requests_per_minute"], limits["burst"]) == (6, 2)
    refused = await slow.get("/v1/account")
    assert (refused.status, refused.code, refused.fields["retry-after"]) == (429, "rate_limited", "10")
    api.clock.advance(seconds=10)
    assert (await slow.get("/v1/account")).status == 200
    assert (await slow.get("/v1/account")).status == 429
    assert (await api.live.get("/v1/account")).status == 200


async def test_use_is_noted(api: Api) -> None:
    made = await api.key()
    client = Client(api.live.app, made.secret)
    for minutes, noted in ((0, 0), (0.5, 0), (1, 1.5)):
        api.clock.advance(minutes=minutes)
        await client.get("/v1/account")
        used = (await api_keys.get(api.house.db, "ten_default", made.key.id)).last_used_at
        assert used is not None
        assert used == made.key.created_at + timedelta(minutes=noted)


async def test_a_key_may_ask_so_often_a_minute(make_api: MakeApi) -> None:
    api = await make_api({"limits.api_requests_per_minute": 3})
    for remaining in (2, 1, 0):
        answer = await api.live.get("/v1/account")
        assert answer.status == 200
        assert answer.fields["ratelimit-limit"] == "3"
        assert answer.fields["ratelimit-remaining"] == str(remaining)
        assert answer.fields["ratelimit-reset"] == str(20 * (3 - remaining))
    refused = await api.live.get("/v1/account")
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert refused.fields["retry-after"] == "20"
    assert (await api.test.get("/v1/account")).status == 200
    api.clock.advance(seconds=20)
    assert (await api.live.get("/v1/account")).status == 200
    assert (await api.live.get("/v1/account")).status == 429


async def test_failures_are_counted_by_network_and_shut_no_good_key_out(make_api: MakeApi) -> None:
    api = await make_api({"limits.auth_failures_per_minute": 2})
    guess = Client(api.live.app, "ph_live_" + "0" * 40, "2001:db8::1")
    assert [(await guess.get("/v1/keys")).status for _ in range(3)] == [401, 401, 429]
    guess.address = "2001:db8::ffff"
    refused = await guess.get("/v1/keys")
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert int(refused.fields["retry-after"]) == 30
    assert refused.fields["ratelimit-remaining"] == "0"
    api.live.address = guess.address
    assert (await api.live.get("/v1/keys")).status == 200
    guess.address = "2001:db8:0:1::1"
    assert (await guess.get("/v1/keys")).status == 401


async def test_every_answer_has_an_id_and_what_is_left(api: Api) -> None:
    for path in ("/health", "/nowhere", "/v1/keys", "/openapi.json"):
        answer = await Client(api.live.app).get(path)
        assert answer.fields["x-request-id"].startswith("req_")
        assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= set(answer.fields)
        assert answer.fields["x-content-type-options"] == "nosniff"
    mine = await api.live.get("/v1/keys/key_none", x_request_id="mine-1")
    assert mine.fields["x-request-id"] == mine.json["request_id"] == "mine-1"
    poisoned = await api.live.get("/v1/keys", x_request_id='a"b')
    assert poisoned.fields["x-request-id"].startswith("req_")
