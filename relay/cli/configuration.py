"""posthouse config: is it right, and what holds."""

from typing import Any

import click

from relay.cli.frame import Group, json_option, loaded_config, print_json
from relay.cli.text import dim, plain
from relay.config import effective


@click.group(cls=Group)
def config() -> None:
    """The configuration: is it right, and what holds."""


@config.command()
@json_option
def check(as_json: bool) -> None:
    """Read and check everything; exit 78 with every problem when it cannot be used."""
    loaded = loaded_config()
    file = str(loaded.file) if loaded.file else None
    if as_json:
        return print_json({"file": file, "valid": True})
    return click.echo(f"{file or 'the defaults (no file was found)'}: right")


@config.command()
@click.option("--changed", is_flag=True, help="Only what is not at its default.")
@json_option
def show(changed: bool, as_json: bool) -> None:
    """Every setting as it holds, and who set it. Passwords are left out."""
    settings = [
        each for each in effective(loaded_config()) if not (changed and each.source.kind == "default")
    ]
    if as_json:
        return print_json(
            [{"key": each.key, "value": each.value, "source": str(each.source)} for each in settings]
        )
    width = max((len(each.key) for each in settings), default=0)
    for each in settings:
        line = f"{each.key.ljust(width)}  {_toml(each.value)}"
        is_default = each.source.kind == "default"
        click.echo(dim(line) if is_default else f"{plain(line)}  {dim(f'# {each.source}')}")
    return None


def _toml(value: Any) -> str:
    """A value as the file would hold it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(part)}" for key, part in value.items()) + " }"
    return str(value)
