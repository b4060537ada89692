"""docs/api.md names what there is."""

import re
from pathlib import Path

from api.refusals import STATUS
from api.scopes import SCOPES, is_scope

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def test_every_scope_stands_in_the_docs_with_its_meaning() -> None:
    written = re.findall(r"^\| `([a-z]+:[a-z]+)` \| (.+) \|$", TEXT, re.MULTILINE)
    assert written == list(SCOPES.items())


def test_every_problem_stands_in_the_docs() -> None:
    assert {code for code in STATUS if f"`{code}`" not in TEXT} == set()


def test_areas_can_be_given_as_a_whole() -> None:
    assert is_scope("*")
    assert is_scope("keys:*")
    assert not is_scope("keys")
    assert not is_scope("nothing:*")
    assert not is_scope("*:*")
