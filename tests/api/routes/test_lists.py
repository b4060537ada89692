"""Allow and block lists over HTTP: they hold at once, each for its own tenant and inbox."""

import pytest

from relay.address import parse_address
from relay.lists import RecipientNotAllowed
from tests.api.conftest import OURS, Api

BLOCK = "/v1/lists/send/block"
ANN = parse_address("ann@mail.far.example")


async def test_what_is_listed_holds_at_once_until_it_is_taken_off(api: Api) -> None:
    gate = api.house.station.lists
    await gate.check(api.inbox, [ANN])
    added = await api.live.post(BLOCK, {"entry": "@FAR.example"})
    assert (added.status, added.json["entry"], added.json["inbox_id"]) == (201, "far.example", None)
    with pytest.raises(RecipientNotAllowed):
        await gate.check(api.inbox, [ANN])
    await gate.check(api.foreign_inbox, [ANN])
    assert (await api.live.delete(f"{BLOCK}?entry=%40far.example")).status == 204
    await gate.check(api.inbox, [ANN])
    assert (await api.live.delete(f"{BLOCK}?entry=far.example")).status == 404


async def test_an_entry_stands_once_and_pages_are_newest_first(api: Api) -> None:
    first = (await api.live.post(BLOCK, {"entry": "Ann@far.example"})).json
    assert (await api.live.post(BLOCK, {"entry": "ann@FAR.example"})).json == first
    api.clock.advance(seconds=1)
    second = (await api.live.post(BLOCK, {"entry": "b.example"})).json
    page = (await api.live.get(f"{BLOCK}?limit=1")).json
    rest = (await api.live.get(f"{BLOCK}?limit=1&cursor={page['next_cursor']}")).json
    assert [*page["data"], *rest["data"]] == [second, first]
    for other in ("receive/block", "send/allow", "receive/allow"):
        assert (await api.live.get(f"/v1/lists/{other}")).json["data"] == []


async def test_a_list_of_one_inbox_is_its_own(api: Api) -> None:
    entry = {"entry": "far.example", "inbox": f"app@{OURS}"}
    listed = (await api.live.post(BLOCK, entry)).json
    assert listed["inbox_id"] == api.inbox.id
    assert (await api.live.get(f"{BLOCK}?inbox={api.inbox.id}")).json["data"] == [listed]
    assert (await api.live.delete(f"{BLOCK}?entry=far.example")).status == 404
    assert (await api.live.delete(f"{BLOCK}?entry=far.example&inbox=app@{OURS}")).status == 204


@pytest.mark.parametrize("entry", ["", "not an address", "*", "a@b@c", "x" * 401])
async def test_what_is_neither_address_nor_domain_is_refused(api: Api, entry: str) -> None:
    refused = await api.live.post(BLOCK, {"entry": entry})
    assert (refused.status, refused.json["errors"][0]["path"]) == (422, "$.entry")


@pytest.mark.parametrize("path", ["send/deny", "both/allow", "SEND/allow"])
async def test_there_are_four_lists(api: Api, path: str) -> None:
    assert (await api.live.get(f"/v1/lists/{path}")).code == "not_found"
    assert (await api.live.post(f"/v1/lists/{path}", {"entry": "a.example"})).code == "not_found"


async def test_nobody_sees_or_changes_the_lists_of_another_tenant(api: Api) -> None:
    await api.foreign.post(BLOCK, {"entry": "far.example"})
    assert (await api.live.get(BLOCK)).json["data"] == []
    assert (await api.live.delete(f"{BLOCK}?entry=far.example")).status == 404
    foreign = {"entry": "far.example", "inbox": api.foreign_inbox.id}
    assert (await api.live.post(BLOCK, foreign)).status == 404
    assert (await api.live.get(f"{BLOCK}?inbox={api.foreign_inbox.id}")).status == 404
    assert len((await api.foreign.get(BLOCK)).json["data"]) == 1


async def test_a_key_of_one_inbox_has_the_lists_of_its_inbox(api: Api) -> None:
    bound = await api.client(mailbox=api.inbox)
    other = await api.mailbox(f"ann@{OURS}")
    assert (await bound.post(BLOCK, {"entry": "far.example"})).status == 403
    assert (await bound.get(BLOCK)).status == 403
    assert (await bound.post(BLOCK, {"entry": "far.example", "inbox": other.id})).status == 404
    assert (await bound.post(BLOCK, {"entry": "far.example", "inbox": api.inbox.id})).status == 201
    assert len((await bound.get(f"{BLOCK}?inbox={api.inbox.id}")).json["data"]) == 1
