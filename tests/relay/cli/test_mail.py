"""send, queue, explain, tail and stats, each through the real command line without a daemon."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from relay.cli.main import build
from tests.relay.cli.line import Line

RECIPIENT_FIELDS = {"address", "status", "reason", "mx", "reply", "attempts", "next_attempt_at"}


def send(line: Line, *to: str) -> dict[str, Any]:
    words = [word for address in to for word in ("--to", address)]
    sent: dict[str, Any] = line.json("send", "--from", "app@example.test", *words, "--text", "hello")
    return sent


def test_a_message_is_sent_and_waits_for_a_daemon(house: Line) -> None:
    sent = send(house, "bob@far.test", "ann@far.test")

    assert sent["id"].startswith("msg_")
    assert (sent["status"], sent["daemon"]) == ("queued", False)
    assert [set(each) for each in sent["recipients"]] == [RECIPIENT_FIELDS] * 2
    assert house.json("mailbox", "show", "app@example.test")["used_today"] == 2


def test_the_text_may_come_from_stdin_in_any_script(house: Line) -> None:
    words = ("send", "--from", "app@example.test", "--to", "bob@far.test", "--subject", "Grüße 👋")

    sent = house.json(*words, stdin="Zeile\n.\n.punkt\n" + "x" * 2000)

    assert sent["subject"] == "Grüße 👋"


def test_text_that_is_no_unicode_is_sent_as_near_as_can_be(house: Line) -> None:
    words = ["--config", str(house.config), "send", "--from", "app@example.test", "--to", "bob@far.test"]

    result = CliRunner().invoke(build(), words, input=b"caf\xe9\n")

    assert result.exit_code == 0
    assert "queued" in result.stdout


def test_a_text_that_is_too_long_is_refused(house: Line) -> None:
    words = ("send", "--from", "app@example.test", "--to", "bob@far.test")

    assert "submit it over SMTP" in house.fails(*words, stdin="x" * 600_000, code=2)


def test_a_sender_that_is_nobodys_is_refused(house: Line) -> None:
    told = house.fails("send", "--from", "eve@example.test", "--to", "bob@far.test", "--text", "x")
    assert "no mailbox may send from eve@example.test" in told
    house.fails(
        "send", "--from", "app@example.test", "--to", "b@far.test", "--subject", "a\nBcc: x", "--text", "x",
        code=2,
    )  # fmt: skip


def test_the_cap_holds_for_send(house: Line) -> None:
    house.does("mailbox", "set", "app@example.test", "--daily-cap", "1")
    send(house, "bob@far.test")

    told = house.fails("send", "--from", "app@example.test", "--to", "ann@far.test", "--text", "x")

    assert "1 of 1 recipients used" in told


def test_the_queue_is_listed_by_destination_mailbox_and_state(house: Line) -> None:
    house.does("mailbox", "add", "other@example.test")
    first = send(house, "bob@far.test", "ann@near.test")

    listed = house.json("queue", "list")
    assert [(each["message_id"], each["address"]) for each in listed] == [
        (first["id"], "bob@far.test"),
        (first["id"], "ann@near.test"),
    ]
    assert set(listed[0]) >= RECIPIENT_FIELDS | {"destination", "inbox_id", "subject"}
    assert [each["address"] for each in house.json("queue", "list", "--destination", "NEAR.test")] == [
        "ann@near.test"
    ]
    assert house.json("queue", "list", "--mailbox", "other@example.test") == []
    assert house.json("queue", "list", "--state", "held") == []
    assert "nothing waits" in house.does("queue", "list", "--state", "held")
    assert "1 more" in house.does("queue", "list", "-n", "1")


def test_mail_is_held_and_released_by_message(house: Line) -> None:
    sent = send(house, "bob@far.test")

    held = house.json("queue", "hold", sent["id"])
    assert (held["changed"], held["recipients"][0]["status"]) == (1, "held")
    assert house.json("queue", "show", sent["id"])["recipients"][0]["reason"] == "operator"
    assert "0 recipients held" in house.does("queue", "hold", sent["id"])
    released = house.json("queue", "release", sent["id"])
    assert (released["changed"], released["recipients"][0]["status"]) == (1, "queued")
    assert "queue.held" in (told := house.does("audit", "--action", "queue"))
    assert "1 recipient" in told


def test_canceled_mail_gives_its_allowance_back(house: Line) -> None:
    send(house, "bob@far.test", "ann@near.test")

    canceled = house.json("queue", "cancel", "--destination", "far.test")

    assert [each["address"] for each in canceled["recipients"]] == ["bob@far.test"]
    assert house.json("mailbox", "show", "app@example.test")["used_today"] == 1
    house.does("queue", "cancel", "--mailbox", "app@example.test")
    assert house.json("mailbox", "show", "app@example.test")["used_today"] == 0
    assert house.json("queue", "list") == []


def test_nothing_is_changed_where_nothing_is_meant(house: Line) -> None:
    assert "no message msg_none" in house.fails("queue", "cancel", "msg_none")
    assert "no message msg_none" in house.fails("queue", "show", "msg_none")
    assert house.json("queue", "retry", "--destination", "far.test")["changed"] == 0


def test_explain_tells_every_decision_in_order(house: Line) -> None:
    sent = send(house, "bob@far.test")
    house.does("queue", "hold", sent["id"])

    told = house.does("explain", sent["id"])
    document = house.json("explain", sent["id"])

    assert [event["kind"] for event in document["events"]] == ["message.accepted", "message.held"]
    assert document["message"]["status"] == "held"
    assert told.index("allowance: 1 of 75 used") < told.index("signed for example.test")
    assert told.index("signed for example.test") < told.index("held        bob@far.test by operator")
    assert f"posthouse queue release {sent['id']}" in told
    assert "no message" in house.fails("explain", "msg_none")


def test_tail_shows_the_last_events_as_lines_of_json(house: Line) -> None:
    sent = send(house, "bob@far.test")

    result = house.types("tail", "--json", "-n", "2")
    events = [json.loads(row) for row in result.stdout.splitlines()]

    assert result.exit_code == 0
    assert [event["kind"] for event in events] == ["mailbox.created", "message.accepted"]
    assert events[1]["message_id"] == sent["id"]
    assert set(events[1]) == {"id", "kind", "at", "inbox_id", "message_id", "data"}
    assert "no daemon is running" in result.stderr


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (("--kind", "message.accepted"), ["message.accepted"]),
        (("--kind", "domain"), ["domain.created", "domain.verified"]),
        (("--mailbox", "app@example.test"), ["mailbox.created", "message.accepted"]),
    ],
)
def test_tail_shows_what_is_asked_for(house: Line, options: tuple[str, ...], kinds: list[str]) -> None:
    send(house, "bob@far.test")

    told = house.does("tail", "--json", "--no-follow", *options)

    assert [json.loads(row)["kind"] for row in told.splitlines()] == kinds


def test_tail_knows_the_names_of_events(house: Line) -> None:
    assert "did you mean message.accepted?" in house.fails("tail", "--kind", "message.acepted", code=2)


def test_stats_count_what_happened_and_what_waits(house: Line) -> None:
    send(house, "bob@far.test", "ann@far.test")

    found = house.json("stats")

    assert (found["today"]["accepted"], found["last_hour"]["accepted"]) == (1, 1)
    assert (found["today"]["delivered"], found["queue"]["recipients"]) == (0, 2)
    assert found["queue"]["by_state"]["queued"] == 2
    assert found["queue"]["destinations"][0]["destination"] == "far.test"
    assert found["store"]["size"] > 0
    assert (found["store"]["accepting"], found["store"]["trouble"]) == (True, None)
    assert "2 queued" in house.does("stats")


def test_the_configuration_is_checked_and_shown_with_its_sources(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTHOUSE__POLICY__DEFAULT_DAILY_CAP", "7")

    checked = line.json("config", "check")
    assert checked == {"file": str(line.config), "valid": True}
    shown = {each["key"]: each for each in line.json("config", "show")}
    assert shown["server.hostname"]["source"] == f"{line.config}:2"
    assert shown["policy.default_daily_cap"] == {
        "key": "policy.default_daily_cap",
        "value": 7,
        "source": "POSTHOUSE__POLICY__DEFAULT_DAILY_CAP",
    }
    assert shown["delivery.port"]["source"] == "default"
    changed = line.does("config", "show", "--changed").splitlines()
    assert [row.split()[0] for row in changed] == [
        "server.hostname",
        "store.min_free",
        "policy.default_daily_cap",
    ]


def test_stats_of_a_period_are_figures_and_can_be_counted_anew(house: Line) -> None:
    house.does("send", "--from", "app@example.test", "--to", "ann@gmail.com", "--subject", "s", "--text", "t")
    (all_mail,) = house.json("stats", "--period", "7d")["data"]
    assert (all_mail["value"], all_mail["accepted"], all_mail["bounce_rate"]) == (None, 1, None)
    assert house.json("stats", "--by", "domain")["data"][0]["value"] == "example.test"
    assert house.json("stats", "--count-anew") == {"is_done": True}
    assert house.json("stats", "--period", "7d")["data"] == [all_mail]
    assert "example.test" in house.does("stats", "--by", "domain")
    assert "say 24h or 7d" in house.fails("stats", "--period", "week", code=2)
