"""Guards over the API: set, changed, shown, and refused where they cannot be meant."""

from typing import Any

import pytest

from tests.api.conftest import OURS, Api

NOTHING = {
    "allowed_recipients": [],
    "only_who_wrote_first": False,
    "new_recipients_per_day": None,
    "links": "any",
    "link_domains": [],
    "attachments": "any",
    "approval": "never",
    "approver": None,
}


@pytest.fixture
def path(api: Api) -> str:
    return f"/v1/inboxes/{api.inbox.id}/guards"


async def test_put_is_all_and_patch_what_it_names(api: Api, path: str) -> None:
    assert (await api.live.get(path)).json == NOTHING
    wanted = {"allowed_recipients": ["*@Far.Example", "Bob@else.example"], "approval": "always"}
    put = await api.live.request("PUT", path, wanted)
    assert put.json == {
        **NOTHING,
        "allowed_recipients": ["bob@else.example", "far.example"],
        "approval": "always",
    }
    patched = await api.live.patch(path, {"new_recipients_per_day": 5, "approver": f"Boss@{OURS}"})
    assert patched.json == {**put.json, "new_recipients_per_day": 5, "approver": f"boss@{OURS}"}
    assert (await api.live.get(path)).json == patched.json
    assert (await api.live.request("PUT", path, {})).json == NOTHING


async def test_a_key_is_guarded_alike(api: Api) -> None:
    made = (await api.live.post("/v1/keys", {"name": "agent"})).json
    path = f"/v1/keys/{made['id']}/guards"
    assert (await api.live.patch(path, {"links": "known", "link_domains": ["Ours.test."]})).status == 200
    assert (await api.live.get(path)).json == {**NOTHING, "links": "known", "link_domains": ["ours.test"]}
    assert (await api.foreign.get(path)).code == "not_found"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "entry": ({"allowed_recipients": ["fine.example", "no such thing"]}, "$.allowed_recipients"),
    "domain": ({"link_domains": ["https://x.example"]}, "$.link_domains"),
    "number": ({"new_recipients_per_day": -1}, "$.new_recipients_per_day"),
    "approver": ({"approver": "nobody"}, "$.approver"),
    "word": ({"approval": "sometimes"}, "$.approval"),
    "name": ({"approvall": "always"}, "$.approvall"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_cannot_be_meant_is_named(api: Api, path: str, wrong: str) -> None:
    body, place = WRONG[wrong]
    answer = await api.live.request("PUT", path, body)
    assert (answer.status, answer.json["errors"][0]["path"]) == (422, place)
    assert (await api.live.get(path)).json == NOTHING


async def test_a_key_of_one_inbox_does_not_guard_it(api: Api, path: str) -> None:
    bound = await api.client(mailbox=api.inbox)
    assert (await bound.get(path)).status == 200
    assert (await bound.request("PUT", path, {})).code == "insufficient_scope"


async def test_changes_are_told(api: Api, path: str) -> None:
    await api.live.request("PUT", path, {"approval": "always"})
    newest = (await api.live.get("/v1/events?limit=1")).json["data"][0]
    assert (newest["kind"], newest["data"]["changed"]) == ("mailbox.updated", ["guards"])
