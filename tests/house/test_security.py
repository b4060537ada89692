"""docs/security.md names tests that are there, and every family of attacks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()


def test_what_it_names_is_there() -> None:
    named = re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+(?:\.py)?|\.ci/[a-z]+)`", TEXT)
    assert len(named) > 40
    assert [name for name in named if not any((top / name).exists() for top in (ROOT / "tests", ROOT))] == []


def test_every_family_of_attacks_is_named() -> None:
    families = {f"attacks/{file.name}" for file in (ROOT / "tests" / "attacks").glob("test_*.py")}
    assert {family for family in families if f"`{family}`" not in TEXT} == set()
