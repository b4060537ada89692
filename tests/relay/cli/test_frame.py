"""Options, errors and exit codes that all commands share."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from relay.cli import text
from relay.cli.main import COMMANDS, build
from tests.relay.cli.line import Line


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_tells_what_it_does(name: str) -> None:
    result = CliRunner().invoke(build(), [name, "--help"], prog_name="posthouse")

    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: posthouse {name} ")


def test_the_overview_names_every_command(line: Line) -> None:
    overview = line.does("--help")

    assert [name for name in COMMANDS if f"\n  {name} " not in overview] == []


def test_the_configuration_may_be_named_before_or_after_the_command(line: Line, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('[server]\nhostname = "other.example.test"\n')

    before = CliRunner().invoke(build(), ["--config", str(other), "config", "show", "--json"])
    between = CliRunner().invoke(build(), ["config", "--config", str(other), "show", "--json"])
    after = CliRunner().invoke(build(), ["config", "show", "--config", str(other), "--json"])

    assert '"other.example.test"' in before.output
    assert before.output == between.output == after.output


def test_a_configuration_error_names_file_key_and_nearest_key(line: Line) -> None:
    line.config.write_text('[server]\nhostnam = "a.test"\n')

    for words in (("config", "check"), ("mailbox", "list"), ("serve",)):
        told = line.fails(*words, code=78)
        assert "config.toml:2" in told
        assert "server.hostnam" in told
        assert "did you mean server.hostname?" in told


def test_a_configuration_file_that_was_named_must_be_there(line: Line) -> None:
    line.config.unlink()

    assert "config.toml" in line.fails("config", "check", code=78)


@pytest.mark.parametrize(
    "words",
    [
        ("mailbox", "add"),
        ("mailbox", "add", "a@example.test", "--daily-cap", "-1"),
        ("mailbox", "add", "not an address"),
        ("domain", "add", "-nope-.test"),
        ("no-such-command",),
        ("queue", "retry"),
        ("queue", "list", "--state", "delivered"),
        ("key", "create"),
    ],
)
def test_wrong_usage_exits_2(line: Line, words: tuple[str, ...]) -> None:
    assert line.fails(*words, code=2)


def test_what_is_not_there_exits_1_with_one_line(line: Line) -> None:
    told = line.fails("mailbox", "show", "nobody@example.test")

    assert told == "error: no mailbox nobody@example.test\n"


def test_a_fault_of_ours_is_one_line_and_a_traceback_only_on_request(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr("relay.cli.stats.ask", broken)

    assert line.fails("stats") == (
        "error: a fault of ours: RuntimeError: no such luck (--debug shows where)\n"
    )
    debugged = line.types("stats", "--debug")
    assert (debugged.exit_code, "Traceback" in debugged.stderr) == (1, True)


def test_text_of_others_cannot_steer_a_terminal() -> None:
    assert text.plain("a\x1b[31mb\r\nc\x9b\u202e\u200f") == "a?[31mb??c???"


def test_nor_does_json_that_says_the_same() -> None:
    said = {"a": "\x1b\x07\x7f\x9b31m\u202e\u200f\u2028\u061c", "b": ["é", "\U0001f600"]}
    for octets in (msgspec.json.encode(said), msgspec.json.format(msgspec.json.encode(said), indent=2)):
        shown = text.document(octets)
        assert shown.replace("\n", "").isprintable()
        assert json.loads(shown) == said


def test_a_table_is_aligned_also_where_it_is_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    text.table(("name", "n", "status"), [("a", 5, text.status("active")), ("long name", 12, "x")])

    assert capsys.readouterr().out.splitlines() == [
        "name        n  status",
        "a           5  active",
        "long name  12  x",
    ]


@pytest.mark.parametrize(
    ("octets", "told"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 30, "5.0 GiB")]
)
def test_sizes_are_short(octets: int, told: str) -> None:
    assert text.size(octets) == told


def test_no_colour_where_somebody_asks_for_none(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.does("domain", "add", "example.test")
    words = ["--config", str(line.config), "domain", "list"]

    coloured = CliRunner().invoke(build(), words, color=True)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = CliRunner().invoke(build(), words, color=True)

    assert "\x1b[" in coloured.output
    assert "\x1b[" not in plain.output
