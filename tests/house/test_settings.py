"""A setting has an effect."""

import ast
from collections.abc import Iterator
from pathlib import Path

from relay.config.load import KEYS

ROOT = Path(__file__).parents[2]
READERS = ("relay", "inbound", "api")


def test_a_key_is_read_somewhere() -> None:
    assert set(KEYS) - set(_reads()) == set()


def test_a_read_is_an_attribute_of_its_section() -> None:
    text = "station.config.dns.timeout; self._limits.body_size; timeout; message.body_size"
    assert set(_attributes(text)) >= {"dns.timeout", "limits.body_size", "message.body_size"}
    assert "limits.timeout" not in set(_attributes(text))


def _reads() -> Iterator[str]:
    """`section.key` of every attribute that is read; in the configuration itself, by its properties."""
    own = ROOT / "relay" / "config"
    files = [file for top in READERS for file in (ROOT / top).rglob("*.py") if own not in file.parents]
    for file in [*files, own / "sections.py"]:
        yield from _attributes(file.read_text())


def _attributes(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            yield f"{_last_name(node.value)}.{node.attr}"


def _last_name(node: ast.expr) -> str:
    """`limits` of `limits`, `self._limits` and `config.limits`."""
    if isinstance(node, ast.Attribute):
        return node.attr.lstrip("_")
    return node.id.lstrip("_") if isinstance(node, ast.Name) else ""
