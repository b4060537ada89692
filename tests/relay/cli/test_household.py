"""Domains, mailboxes, keys and suppressions, added, shown, changed and removed."""

import stat
from pathlib import Path
from typing import Any

import pytest

from tests.relay.cli.line import Line

MAILBOX_FIELDS = {
    *("id", "address", "name", "daily_cap", "used_today", "resets_at", "warmup", "senders", "aliases"),
    *("pool", "status", "created_at", "left", "next_step"),
}


def test_a_domain_comes_with_keys_and_records(line: Line) -> None:
    added = line.json("domain", "add", "Example.TEST")

    assert added["id"].startswith("dom_")
    assert (added["name"], added["status"], added["verified_at"]) == ("example.test", "pending", None)
    assert {key["algorithm"] for key in added["dkim_keys"]} == {"ed25519", "rsa"}
    names = {(record["type"], record["name"]) for record in added["records"]}
    assert {("TXT", "example.test"), ("MX", "example.test"), ("TXT", "_dmarc.example.test")} < names
    keys = list((line.config.parent / "dkim_keys" / "example.test").iterdir())
    assert [stat.S_IMODE(key.stat().st_mode) for key in keys] == [0o600, 0o600]


def test_a_domain_that_is_vouched_for_is_verified_at_once(line: Line) -> None:
    added = line.json("domain", "add", "example.test", "--assume-verified")

    assert (added["status"], added["assumed"], added["receives_at"]) == ("verified", True, None)
    assert [each["name"] for each in line.json("domain", "list")] == ["example.test"]
    other = line.json("domain", "add", "two.test", "--assume-verified", "--receives")
    assert other["receives_at"].endswith("Z")


def test_records_come_as_text_and_as_a_zone_file(line: Line) -> None:
    told = line.does("domain", "add", "example.test")
    zone = line.does("domain", "show", "example.test", "--zone")

    assert "v=DKIM1; k=rsa; p=" in told
    records = [row for row in zone.splitlines() if not row.startswith(";")]
    assert records
    assert all(row.split()[1:3] == ["3600", "IN"] for row in records)


def test_a_domain_is_added_once_and_its_keys_stay(house: Line) -> None:
    before = house.json("domain", "show", "example.test")

    assert "example.test is here already" in house.fails("domain", "add", "EXAMPLE.test")
    assert house.json("domain", "show", "example.test") == before
    assert len(list((house.config.parent / "dkim_keys" / "example.test").iterdir())) == 2


def test_keys_can_be_prepared_published_and_then_rotated(house: Line) -> None:
    before = _signing(house.json("domain", "show", "example.test"))
    prepared = house.json("domain", "rotate", "example.test", "--prepare")

    assert _signing(prepared) == before
    published = {record["name"].partition(".")[0] for record in prepared["records"]}
    assert before | set(prepared["new_selectors"]) < published
    rotated = house.json("domain", "rotate", "example.test")
    assert _signing(rotated) == set(prepared["new_selectors"])
    assert {key["status"] for key in rotated["dkim_keys"]} == {"active", "retired"}


def _signing(domain: dict[str, Any]) -> set[str]:
    return {key["selector"] for key in domain["dkim_keys"] if key["status"] == "active"}


def test_a_domain_goes_with_its_keys_when_nothing_stands_on_it(house: Line) -> None:
    assert "has 1 mailboxes" in house.fails("domain", "remove", "example.test")
    house.does("mailbox", "remove", "app@example.test")
    house.does("domain", "remove", "example.test")

    assert house.json("domain", "list") == []
    assert list((house.config.parent / "dkim_keys" / "example.test").iterdir()) == []


def test_a_domain_names_a_catch_all_and_takes_it_away(house: Line) -> None:
    assert house.json("domain", "show", "example.test")["catch_all"] is None
    house.does("mailbox", "add", "all@example.test")
    told = house.does("domain", "set", "example.test", "--catch-all", "ALL@example.test")
    assert "catch-all" in told
    assert "all@example.test" in told
    assert house.json("domain", "show", "example.test")["catch_all"] == "all@example.test"
    assert "no mailbox" in house.fails("domain", "set", "example.test", "--catch-all", "no@example.test")
    assert house.json("domain", "set", "example.test", "--no-catch-all")["catch_all"] is None


def test_answers_are_known_by_a_signed_address_only_where_asked(line: Line) -> None:
    line.does("domain", "add", "example.test", "--assume-verified")
    assert line.json("mailbox", "add", "one@example.test")["signed_replies"] is False
    two = line.json("mailbox", "add", "two@example.test", "--signed-replies")
    assert two["signed_replies"] is True
    assert line.json("mailbox", "set", "two@example.test", "--no-signed-replies")["signed_replies"] is False
    assert line.json("mailbox", "set", "one@example.test", "--signed-replies")["signed_replies"] is True


def test_a_mailbox_tells_its_password_once(line: Line) -> None:
    line.does("domain", "add", "example.test", "--assume-verified")
    added = line.json("mailbox", "add", "App@example.test", "--name", "Billing")

    assert set(added) >= MAILBOX_FIELDS
    assert added["smtp_password"].startswith("phs_")
    assert (added["address"], added["name"], added["daily_cap"]) == ("app@example.test", "Billing", 75)
    assert (added["used_today"], added["left"], added["warmup"]) == (0, 75, None)
    shown = line.json("mailbox", "show", "app@example.test")
    assert "smtp_password" not in shown
    assert added["smtp_password"] not in line.does("mailbox", "show", "app@example.test")


def test_a_mailbox_takes_every_setting(line: Line) -> None:
    line.does("domain", "add", "example.test", "--assume-verified")
    options = ["--daily-cap", "40", "--warmup", "gentle", "--senders", "*@example.test", "--pool", "news"]
    added = line.json("mailbox", "add", "a@example.test", "--alias", "b@example.test", *options)

    assert (added["daily_cap"], added["cap"], added["left"]) == (40, 10, 10)
    assert (added["warmup"]["plan"], added["warmup"]["step"]) == ("gentle", 1)
    assert added["next_step"] == {"step": 2, "cap": 12}
    assert (added["senders"], added["aliases"]) == (["*@example.test"], ["b@example.test"])
    assert added["pool"] == "news"


def test_a_mailbox_changes_only_where_asked(house: Line) -> None:
    house.does("mailbox", "set", "app@example.test", "--daily-cap", "5", "--pool", "news")
    changed = house.json("mailbox", "set", "app@example.test", "--status", "paused")

    assert (changed["daily_cap"], changed["pool"], changed["status"]) == (5, "news", "paused")
    assert "smtp_password" not in changed
    reset = house.json("mailbox", "set", "app@example.test", "--default-cap", "--no-pool")
    assert (reset["daily_cap"], reset["pool"]) == (75, None)
    assert "nothing to change" in house.fails("mailbox", "set", "app@example.test", code=2)


def test_a_new_password_replaces_the_old(house: Line) -> None:
    renewed = house.json("mailbox", "set", "app@example.test", "--new-password")

    assert renewed["smtp_password"].startswith("phs_")
    chosen = house.json("mailbox", "set", "app@example.test", "--password-stdin", stdin="correct horse!\n")
    assert chosen["smtp_password"] is None


def test_a_chosen_password_comes_from_stdin_and_is_not_told(line: Line) -> None:
    line.does("domain", "add", "example.test")
    result = line.does("mailbox", "add", "a@example.test", "--password-stdin", stdin="correct horse!\n")

    assert "correct horse" not in result
    line.fails("mailbox", "add", "b@example.test", "--password-stdin", stdin="short\n", code=2)
    line.fails("mailbox", "add", "b@example.test", "--password-stdin", stdin="", code=1)


def test_the_cap_in_force_is_printed(line: Line) -> None:
    line.does("domain", "add", "example.test")

    assert "0 used, 75 left of 75" in line.does("mailbox", "add", "a@example.test")
    assert "domain verify example.test" in line.does("mailbox", "show", "a@example.test")
    assert "0 used, 10 left of 10" in line.does("mailbox", "add", "b@example.test", "--warmup", "gentle")


def test_an_api_key_is_told_once_and_can_be_revoked(house: Line) -> None:
    options = ["--scope", "emails:send", "--cidr", "192.0.2.0/24", "--inbox", "app@example.test"]
    made = house.json("key", "create", "--name", "ci", "--test", "--expires", "90d", *options)

    assert made["key"].startswith("ph_test_")
    assert (made["scopes"], made["cidrs"], made["mode"]) == (["emails:send"], ["192.0.2.0/24"], "test")
    assert made["inbox_id"].startswith("inb_")
    [listed] = house.json("key", "list")
    assert {**listed, "key": made["key"]} == made
    assert house.json("key", "revoke", made["id"])["revoked_at"] is not None
    assert "revoked" in house.does("key", "list")
    assert "no key" in house.fails("key", "revoke", "key_none")


def test_a_key_is_changed_in_what_is_given(house: Line) -> None:
    house.does("mailbox", "add", "two@example.test")
    options = ["--inbox", "app@example.test", "--cidr", "192.0.2.0/24", "--burst", "5"]
    made = house.json("key", "create", "--name", "ci", *options)
    secret = made.pop("key")

    changed = house.json("key", "update", made["id"], "--name", "ci 2", "--rate", "60", "--default-burst")
    assert changed == {**made, "name": "ci 2", "requests_per_minute": 60, "burst": None}
    both = ["--domain", "Example.test", "--inbox", "two@example.test"]
    changed = house.json("key", "update", made["id"], *both, "--no-cidrs")
    two = house.json("mailbox", "show", "two@example.test")["id"]
    assert (changed["inboxes"], changed["domains"], changed["cidrs"]) == ([two], ["example.test"], [])
    changed = house.json("key", "update", made["id"], "--no-inboxes")
    assert (changed["inboxes"], changed["domains"]) == ([], ["example.test"])

    assert "nothing to change" in house.fails("key", "update", made["id"], code=2)
    for wrong in (["--cidr", "x"], ["--rate", "0"], ["--name", ""], ["--cidr", "::/0", "--no-cidrs"]):
        house.fails("key", "update", made["id"], *wrong, code=2)
    assert "no key" in house.fails("key", "update", "key_none", "--name", "x")
    assert "key.updated" in house.does("audit", "--target", made["id"])
    assert secret not in house.does("audit", "--json")


def test_a_tenants_keys_are_listed_changed_and_revoked(house: Line) -> None:
    theirs = house.json("tenant", "add", "Theirs")["id"]
    made = house.json("key", "create", "--name", "app", "--tenant", theirs)

    assert house.json("key", "list") == []
    assert [each["id"] for each in house.json("key", "list", "--tenant", theirs)] == [made["id"]]
    assert house.json("key", "update", made["id"], "--name", "web")["name"] == "web"
    house.fails("key", "update", made["id"], "--inbox", "app@example.test")
    assert house.json("key", "revoke", made["id"])["revoked_at"]


def test_a_tenants_footer_is_set_shown_and_taken_away(house: Line) -> None:
    tenant = house.json("tenant", "add", "Acme")["id"]
    words = ["--footer-text", "Acme\nunsubscribe: {{unsubscribe_url}}", "--postal-address", "1 High St"]
    house.does("tenant", "set", tenant, *words)

    shown = house.does("tenant", "set", tenant, "--footer-html", "<b>Acme</b>")
    assert "Acme unsubscribe: {{unsubscribe_url}}" in shown
    settings = house.json("tenant", "set", tenant, "--postal-address", "", "--paused")["settings"]
    assert settings == {"footer_text": words[1], "footer_html": "<b>Acme</b>"}
    assert house.json("tenant", "show", tenant)["settings"] == settings
    refused = house.fails("tenant", "set", tenant, "--footer-text", "a\x1bb", code=2)
    assert "settings.footer_text: has up to" in refused
    house.fails("tenant", "set", tenant, code=2)


@pytest.mark.parametrize("expires", ["yesterday", "2001-01-01T00:00:00Z", "2099-01-01T00:00:00"])
def test_a_key_expires_at_an_instant_to_come(line: Line, expires: str) -> None:
    line.fails("key", "create", "--name", "ci", "--expires", expires, code=2)


def test_a_suppressed_address_is_not_written_to(house: Line) -> None:
    added = house.json("suppression", "add", "Bob@far.test")
    assert (added["address"], added["reason"], added["added"]) == ("bob@far.test", "manual", True)
    assert house.json("suppression", "add", "bob@far.test")["added"] is False

    sent = house.json("send", "--from", "app@example.test", "--to", "bob@far.test", "--text", "hi")

    assert sent["recipients"][0]["status"] == "suppressed"
    assert [each["address"] for each in house.json("suppression", "list")] == ["bob@far.test"]
    house.does("suppression", "remove", "bob@far.test")
    assert "is not suppressed" in house.fails("suppression", "remove", "bob@far.test")


def test_a_mailbox_is_guarded_and_freed_again(house: Line) -> None:
    set_ = ("mailbox", "set", "app@example.test")
    found = house.json(
        *set_, "--allow-recipient", "far.test", "--approval", "always", "--new-recipients", "3"
    )
    assert found["guards"]["allowed_recipients"] == ["far.test"]
    found = house.json(*set_, "--only-who-wrote-first", "--approver", "boss@example.test")
    assert (found["guards"]["approval"], found["guards"]["only_who_wrote_first"]) == ("always", True)
    assert "approval: always" in house.does("mailbox", "show", "app@example.test")
    assert "--no-guards" in house.fails(*set_, "--no-guards", "--links", "known", code=2)
    assert house.json(*set_, "--no-guards")["guards"] is None


def test_what_waits_for_approval_is_decided_on_the_machine(house: Line) -> None:
    house.does("mailbox", "set", "app@example.test", "--approval", "always")
    for to in ("bob@far.test", "ann@far.test"):
        house.does("send", "--from", "app@example.test", "--to", to, "--subject", "Hi", stdin="Hello.")
    second, first = house.json("approval", "list")
    assert "bob@far.test" in house.does("approval", "show", first["id"])
    assert first["message_id"] in house.does("approval", "approve", first["id"])
    assert house.json("approval", "reject", second["id"], "--reason", "no")["reason"] == "no"
    assert "approved already by operator" in house.fails("approval", "reject", first["id"])
    assert house.json("approval", "list") == []
    told = house.does("explain", second["message_id"])
    assert "guards: approval: always" in told
    assert f"approval {second['id']}" in told
    assert "no approval" in house.fails("approval", "show", "apr_0")


def test_a_domain_says_what_its_mail_tells_and_where_links_lead(house: Line) -> None:
    shown = house.json("domain", "show", "example.test")
    assert (shown["track_opens"], shown["track_clicks"], shown["tracking_host"]) == (False, False, None)
    words = ("domain", "set", "example.test", "--track-clicks", "--tracking-host", "links.example.test")
    assert "links.example.test" in house.does(*words)
    shown = house.json("domain", "show", "example.test")
    assert (shown["track_opens"], shown["track_clicks"]) == (False, True)
    assert shown["tracking_verified_at"] is not None  # its owner vouches for the DNS
    (record,) = [each for each in shown["records"] if each["type"] == "CNAME"]
    assert record["name"] == "links.example.test"
    assert "links.example.test. 3600 IN CNAME " in house.does("domain", "show", "example.test", "--zone")
    stranger = ("domain", "set", "example.test", "--tracking-host", "a.other.test")
    assert "below no domain" in house.fails(*stranger, code=2)
    assert house.json("domain", "set", "example.test", "--tracking-host", "")["tracking_host"] is None
    assert "give a setting" in house.fails("domain", "set", "example.test", code=2)


def test_suppressions_come_from_a_file_and_go_into_one(house: Line, tmp_path: Path) -> None:
    house.does("suppression", "add", "zoe@far.example", "--stream", "news", "--reason", "unsubscribe")
    file = tmp_path / "list.csv"
    rows = [f"user{number}@far.example,bounce,,\n" for number in range(1001)]
    file.write_text("address,reason,stream,expires_at\n" + "".join(rows) + "wrong\n")
    tried = house.json("suppression", "import", str(file), "--dry-run")
    assert tried["added"] == 1001
    assert len(house.json("suppression", "list")) == 1
    assert house.json("suppression", "import", str(file)) == tried
    assert [fault["row"] for fault in tried["errors"]] == [1003]
    told = house.does("suppression", "export").splitlines()
    assert told[0] == "address,reason,stream,expires_at"
    assert len(told) == 1003
    assert "zoe@far.example,unsubscribe,news," in told
    house.does("suppression", "remove", "zoe@far.example", "--stream", "news")
    assert house.json("suppression", "list", "--stream", "news") == []
