"""Suppressions over HTTP: who is not written to, why, and until when."""

from datetime import timedelta
from typing import Any

import pytest

from relay.address import parse_address
from relay.suppressions import records
from tests.api.conftest import Api

PATH = "/v1/suppressions"
ANN = "ann@far.example"


async def suppressed(api: Api, address: str) -> bool:
    parsed = parse_address(address)
    found = await records.suppressed_among(api.house.db, "ten_default", [parsed], None, api.clock.now())
    return parsed in found


async def test_an_address_is_suppressed_until_it_is_let_go(api: Api) -> None:
    made = await api.live.post(PATH, {"address": "Ann@FAR.example"})
    assert made.status == 201
    entry = made.json
    assert (entry["address"], entry["reason"], entry["stream"]) == (ANN, "manual", None)
    assert await suppressed(api, ANN)
    for name in (entry["id"], ANN, "ANN@far.example"):
        assert (await api.live.get(f"{PATH}/{name}")).json == entry
    assert (await api.live.get(PATH)).json["data"] == [entry]
    assert (await api.live.delete(f"{PATH}/{ANN}")).status == 204
    assert not await suppressed(api, ANN)
    assert (await api.live.delete(f"{PATH}/{entry['id']}")).status == 404


async def test_it_may_run_out(api: Api) -> None:
    until = api.clock.now() + timedelta(days=1)
    wanted = {"address": ANN, "reason": "complaint", "expires_at": until.isoformat()}
    made = (await api.live.post(PATH, wanted)).json
    assert (made["reason"], made["expires_at"]) == ("complaint", until.strftime("%Y-%m-%dT%H:%M:%SZ"))
    api.clock.advance(days=2)
    assert not await suppressed(api, ANN)


async def test_what_holds_for_longer_stays(api: Api) -> None:
    first = (await api.live.post(PATH, {"address": ANN, "reason": "bounce"})).json
    assert (await api.live.post(PATH, {"address": ANN})).json == first


async def test_that_of_one_stream_is_removed_by_its_id(api: Api) -> None:
    await api.house.db.transact(
        lambda tx: records.add(
            tx,
            api.clock,
            tenant_id="ten_default",
            address=parse_address(ANN),
            reason="unsubscribe",
            stream="news",
        )
    )
    (entry,) = (await api.live.get(PATH)).json["data"]
    assert entry["stream"] == "news"
    assert (await api.live.delete(f"{PATH}/{ANN}")).status == 404
    assert (await api.live.delete(f"{PATH}/{entry['id']}")).status == 204
    assert (await api.live.get(PATH)).json["data"] == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"address": "nobody"},
        {"address": ANN, "reason": "because"},
        {"address": ANN, "expires_at": "2020-01-01T00:00:00Z"},
        {"address": ANN, "expires_at": "2099-01-01T00:00:00"},
        {"address": ANN, "expires_at": "9999-12-31T23:59:59-14:00"},
        {"address": ANN, "expires_at": "0001-01-01T00:00:00+14:00"},
        {},
    ],
)
async def test_what_cannot_be_meant_is_refused(api: Api, wanted: dict[str, Any]) -> None:
    assert (await api.live.post(PATH, wanted)).code == "validation_error"
    assert (await api.live.get(PATH)).json["data"] == []


async def test_nobody_sees_or_lifts_the_suppressions_of_another_tenant(api: Api) -> None:
    entry = (await api.foreign.post(PATH, {"address": ANN})).json
    assert (await api.live.get(PATH)).json["data"] == []
    for name in (entry["id"], ANN):
        assert (await api.live.get(f"{PATH}/{name}")).status == 404
        assert (await api.live.delete(f"{PATH}/{name}")).status == 404
    assert (await api.foreign.get(f"{PATH}/{ANN}")).status == 200


async def test_they_are_not_for_a_key_of_one_inbox(api: Api) -> None:
    bound = await api.client(mailbox=api.inbox)
    for answer in (
        await bound.get(PATH),
        await bound.post(PATH, {"address": ANN}),
        await bound.delete(f"{PATH}/{ANN}"),
    ):
        assert (answer.status, answer.code) == (403, "insufficient_scope")
