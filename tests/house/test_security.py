"""docs/security.md names tests that are there, and every family of attacks."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()


def test_what_it_names_is_there() -> None:
    named = re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+(?:\.py)?|\.ci/[a-z]+)`", TEXT)
    assert len(named) > 40
    assert [name for name in named if not any((top / name).exists() for top in (ROOT / "tests", ROOT))] == []


def test_every_row_of_attacks_names_tests_that_are_there_or_says_why_not() -> None:
    section = TEXT[TEXT.index("## Attack by attack") : TEXT.index("## What does not apply")]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)
    rows = [(name, shown) for name, shown in rows if name != "attack or fault"]
    assert len(rows) == len({name for name, _ in rows}) >= 95
    silent = [name for name, shown in rows if "::" not in shown and not re.match("– .{10}", shown)]
    assert silent == []
    missing = []
    for _, shown in rows:
        file = ""
        for path, test in re.findall(r"`([\w/]+\.py)?::(\w+)`", shown):
            file = path or file
            if test not in _tests_of(file):
                missing.append(f"{file}::{test}")
    assert missing == []


@cache
def _tests_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def test_every_family_of_attacks_is_named() -> None:
    families = {f"attacks/{file.name}" for file in (ROOT / "tests" / "attacks").glob("test_*.py")}
    assert {family for family in families if f"`{family}`" not in TEXT} == set()
