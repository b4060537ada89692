"""Domains over HTTP: what to publish, what was found, and whose they are."""

import pytest

from relay.estate import mailboxes as estate
from tests.api.conftest import OURS, THEIRS, Api, MakeApi
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import dns

__all__ = ["dns"]

NEW = "new.example"


@pytest.fixture
async def seen(make_api: MakeApi, dns: FakeDns) -> Api:
    """An API that asks the test's own DNS."""
    return await make_api({"dns.nameservers": [dns.nameserver], "dns.timeout": "2s"})


async def test_a_new_domain_says_what_to_publish(api: Api) -> None:
    made = await api.live.post("/v1/domains", {"name": "NEW.example."})
    assert made.status == 201
    domain = made.json
    assert (domain["name"], domain["status"], domain["verified_at"]) == (NEW, "pending", None)
    assert (domain["receives"], domain["bounces"], domain["catch_all"]) == (False, False, None)
    (required,) = [record for record in domain["records"] if record["required"]]
    (rsa,) = [key["selector"] for key in domain["keys"] if key["algorithm"] == "rsa"]
    assert required["name"] == f"{rsa}._domainkey.{NEW}"
    assert all(record["found"] == [] and record["ok"] is None for record in domain["records"])
    assert "new_selectors" not in domain
    for name in (NEW, "New.Example", domain["id"]):
        assert (await api.live.get(f"/v1/domains/{name}")).json == domain


async def test_what_was_found_stands_beside_what_is_expected(seen: Api, dns: FakeDns) -> None:
    domain = (await seen.live.post("/v1/domains", {"name": NEW})).json
    (key,) = [record for record in domain["records"] if record["required"]]
    dns.txt(key["name"], key["value"])
    dns.txt(NEW, "v=spf1 -all")
    verified = await seen.live.post(f"/v1/domains/{NEW}/verify")
    assert verified.status == 200
    assert verified.json["status"] == "verified"
    found = {(record["type"], record["name"]): record for record in verified.json["records"]}
    assert found["TXT", key["name"]]["found"] == [key["value"]]
    assert found["TXT", key["name"]]["ok"] is True
    spf = found["TXT", NEW]
    assert (spf["found"], spf["ok"]) == (["v=spf1 -all"], False)
    assert "add" in spf["note"]
    assert found["MX", NEW]["ok"] is False
    assert (await seen.live.get(f"/v1/domains/{NEW}")).json == verified.json


async def test_a_silent_dns_says_nothing_of_a_record(seen: Api, dns: FakeDns) -> None:
    domain = (await seen.live.post("/v1/domains", {"name": NEW})).json
    for record in domain["records"]:
        dns.fails(record["name"])
    looked = (await seen.live.post(f"/v1/domains/{NEW}/verify")).json
    assert looked["status"] == "pending"
    assert {record["ok"] for record in looked["records"]} == {None}


async def test_a_domain_is_added_once_and_a_replay_is_the_first_answer(api: Api) -> None:
    first = await api.live.post("/v1/domains", {"name": NEW}, idempotency_key="n")
    again = await api.live.post("/v1/domains", {"name": NEW}, idempotency_key="n")
    assert (again.status, again.body) == (201, first.body)
    other = await api.live.post("/v1/domains", {"name": NEW})
    assert (other.status, other.code) == (409, "already_exists")
    keys = api.house.station.keys.selectors(NEW)
    assert sorted(keys) == sorted(key["selector"] for key in first.json["keys"])


@pytest.mark.parametrize("name", ["", "no domain", "[192.0.2.1]", "a..b", "-x.example", "x" * 301])
async def test_what_can_be_no_domain_is_named(api: Api, name: str) -> None:
    refused = await api.live.post("/v1/domains", {"name": name})
    assert (refused.status, refused.code) == (422, "validation_error")
    assert refused.json["errors"][0]["path"] == "$.name"
    assert (await api.live.get("/v1/domains/a..b")).status == 404


async def test_prepared_keys_sign_after_the_rotation(api: Api) -> None:
    before = (await api.live.post("/v1/domains", {"name": NEW})).json
    prepared = (await api.live.post(f"/v1/domains/{NEW}/rotate", {"prepare": True})).json
    assert prepared["keys"] == before["keys"]
    published = {record["name"].split(".")[0] for record in prepared["records"]}
    assert set(prepared["new_selectors"]) <= published
    rotated = (await api.live.post(f"/v1/domains/{NEW}/rotate")).json
    assert sorted(rotated["new_selectors"]) == sorted(prepared["new_selectors"])
    status = {key["selector"]: key["status"] for key in rotated["keys"]}
    assert {name for name, each in status.items() if each == "active"} == set(prepared["new_selectors"])


async def test_a_rotation_asked_for_twice_is_done_once(api: Api) -> None:
    await api.live.post("/v1/domains", {"name": NEW})
    first = await api.live.post(f"/v1/domains/{NEW}/rotate", idempotency_key="r")
    again = await api.live.post(f"/v1/domains/{NEW}/rotate", idempotency_key="r")
    assert again.body == first.body
    assert len((await api.live.get(f"/v1/domains/{NEW}")).json["keys"]) == 4


async def test_the_zone_file_holds_every_record(api: Api) -> None:
    domain = (await api.live.post("/v1/domains", {"name": NEW})).json
    zone = await api.live.get(f"/v1/domains/{NEW}/zone-file")
    assert zone.fields["content-type"] == "text/plain; charset=utf-8"
    lines = [line for line in zone.body.decode().splitlines() if not line.startswith(";")]
    assert [line.split()[0].rstrip(".") for line in lines] == [record["name"] for record in domain["records"]]


async def test_domains_are_listed_newest_first_in_pages(api: Api) -> None:
    for number in range(3):
        api.clock.advance(seconds=1)
        await api.live.post("/v1/domains", {"name": f"d{number}.example"})
    first = (await api.live.get("/v1/domains?limit=2")).json
    rest = (await api.live.get(f"/v1/domains?limit=2&cursor={first['next_cursor']}")).json
    names = [each["name"] for each in (*first["data"], *rest["data"])]
    assert names == ["d2.example", "d1.example", "d0.example", OURS]
    assert (first["has_more"], rest["has_more"]) == (True, False)


async def test_a_domain_goes_with_its_keys_but_not_under_its_inboxes(api: Api) -> None:
    await api.live.post("/v1/domains", {"name": NEW})
    assert (await api.live.delete(f"/v1/domains/{NEW}")).status == 204
    assert api.house.station.keys.selectors(NEW) == []
    assert (await api.live.get(f"/v1/domains/{NEW}")).status == 404
    used = await api.live.delete(f"/v1/domains/{OURS}")
    assert (used.status, used.code) == (409, "already_exists")


async def test_a_catch_all_is_one_of_the_tenants_inboxes(api: Api) -> None:
    chosen = await api.live.patch(f"/v1/domains/{OURS}", {"catch_all": f"app@{OURS}"})
    assert chosen.json["catch_all"] == api.inbox.id
    assert (await api.live.patch(f"/v1/domains/{OURS}", {})).json["catch_all"] == api.inbox.id
    foreign = await api.live.patch(f"/v1/domains/{OURS}", {"catch_all": api.foreign_inbox.id})
    assert (foreign.status, foreign.code) == (404, "not_found")
    taken = await api.live.patch(f"/v1/domains/{OURS}", {"catch_all": None})
    assert taken.json["catch_all"] is None


async def test_a_catch_all_that_is_removed_catches_nothing(api: Api) -> None:
    await api.live.patch(f"/v1/domains/{OURS}", {"catch_all": api.inbox.id})
    await estate.remove(api.house.station, api.inbox)
    assert (await api.live.get(f"/v1/domains/{OURS}")).json["catch_all"] is None


async def test_nobody_sees_or_changes_the_domains_of_another_tenant(api: Api) -> None:
    theirs = (await api.foreign.get(f"/v1/domains/{THEIRS}")).json["id"]
    for name in (THEIRS, theirs):
        assert (await api.live.get(f"/v1/domains/{name}")).status == 404
        assert (await api.live.get(f"/v1/domains/{name}/zone-file")).status == 404
        assert (await api.live.patch(f"/v1/domains/{name}", {"catch_all": None})).status == 404
        assert (await api.live.post(f"/v1/domains/{name}/verify")).status == 404
        assert (await api.live.post(f"/v1/domains/{name}/rotate")).status == 404
        assert (await api.live.delete(f"/v1/domains/{name}")).status == 404
    assert [each["name"] for each in (await api.live.get("/v1/domains")).json["data"]] == [OURS]
    assert (await api.live.post("/v1/domains", {"name": THEIRS})).code == "already_exists"


async def test_a_key_of_one_inbox_changes_no_domain(api: Api) -> None:
    bound = await api.client(mailbox=api.inbox)
    assert (await bound.get(f"/v1/domains/{OURS}")).status == 200
    for answer in (
        await bound.post("/v1/domains", {"name": NEW}),
        await bound.patch(f"/v1/domains/{OURS}", {"catch_all": api.inbox.id}),
        await bound.post(f"/v1/domains/{OURS}/rotate"),
        await bound.delete(f"/v1/domains/{OURS}"),
    ):
        assert (answer.status, answer.code) == (403, "insufficient_scope")
