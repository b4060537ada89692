"""docs/operations.md speaks of commands, options, settings and metrics that exist."""

import re
from pathlib import Path

import click
import pytest

from relay.cli.main import build
from relay.config.load import KEYS, SECTIONS
from relay.telemetry.metrics import Metrics

TEXT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
# What stands in code: blocks, and between back-ticks.
CODE = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", TEXT, re.DOTALL))
COMMANDS = sorted(set(re.findall(r"(?<!-u )posthouse ([a-z][^\n`#&|…]*)", CODE)))
KEY = re.compile(rf"(?<![\w./-])(?:{'|'.join(SECTIONS)})\.[a-z_]+(?![\w/(])")


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_and_its_options_exist(line: str) -> None:
    command: click.Command = build()
    context = click.Context(command)
    words = line.split()
    while words and isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    known = {option for parameter in command.params for option in parameter.opts} | {"--json"}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_metrics_are_those_of_the_registry() -> None:
    named = set(re.findall(r"\| `(posthouse_\w+)` \|", TEXT))
    told = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in Metrics().registry.collect()
        if family.name.startswith("posthouse_")
    }
    assert named == told


def test_the_settings_exist() -> None:
    named = {name for name in KEY.findall(CODE) if not name.endswith((".socket", ".service"))}
    assert named
    assert named - set(KEYS) == set()


def test_links_within_the_page_lead_somewhere() -> None:
    titles = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= titles
